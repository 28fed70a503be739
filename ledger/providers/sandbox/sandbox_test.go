package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/ledger/providers/sandbox"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret of this test"

// bench is a sandbox and who calls it.
type bench struct {
	server   *sandbox.Server
	client   *sandbox.Client
	notices  chan providers.Notice
	config   sandbox.Config
	http     *httptest.Server
	stopping context.CancelFunc
	stopped  chan error
}

func start(t *testing.T) *bench {
	t.Helper()
	b := &bench{notices: make(chan providers.Notice, 100)}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			var told []providers.Notice
			if told, err = b.client.ParseWebhook(r.Header, body); err == nil {
				b.notices <- told[0]
				return
			}
		}
		http.Error(w, err.Error(), http.StatusBadRequest)
	}))
	t.Cleanup(hook.Close)
	b.config = sandbox.Config{
		Journal: filepath.Join(t.TempDir(), "journal"), WebhookURL: hook.URL, Secret: secret, Late: 20 * time.Millisecond,
	}
	b.open(t)
	t.Cleanup(func() { b.close(t) })
	return b
}

func (b *bench) open(t *testing.T) {
	t.Helper()
	server, err := sandbox.Open(b.config)
	require.NoError(t, err)
	b.server, b.http = server, httptest.NewServer(server)
	b.client = sandbox.NewClient(b.http.URL, secret)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	b.stopping, b.stopped = cancel, make(chan error, 1)
	go func() { b.stopped <- server.Run(ctx) }()
}

func (b *bench) close(t *testing.T) {
	t.Helper()
	b.stopping()
	require.NoError(t, <-b.stopped)
	b.client.Close()
	b.http.Close()
	require.NoError(t, b.server.Close())
}

func money(value string) *eventsv1.Money {
	return &eventsv1.Money{Value: value, AssetCode: "EUR", AssetScale: new(uint32(2))}
}

func payment(id string) providers.Payment { return providers.Payment{Ledger: "main", PaymentID: id} }

// patiently is the client with the deadlines of a test.
func (b *bench) patiently() providers.Provider {
	return providers.Guarded(b.client, providers.Settings{Timeout: 100 * time.Millisecond, Pause: time.Millisecond})
}

func (b *bench) charged(t *testing.T, id, value, transaction string) (providers.Prepared, providers.Outcome) {
	t.Helper()
	made, err := b.patiently().Create(t.Context(), providers.Intent{Payment: payment(id), Amount: money(value)})
	require.NoError(t, err)
	outcome, err := b.patiently().Confirm(t.Context(), providers.Charge{
		Payment: payment(id), Token: made.Token, TransactionID: transaction, Amount: money(value),
	})
	require.NoError(t, err)
	return made, outcome
}

func (b *bench) notice(t *testing.T) providers.Notice {
	t.Helper()
	select {
	case told := <-b.notices:
		return told
	case <-time.After(time.Minute):
		require.FailNow(t, "no webhook came")
		return providers.Notice{}
	}
}

// Whatever goes wrong, an operation ends in one entry of the book or in none, and call, repeat, lookup and webhook say the same of it.
func TestEverySpecialAmountEndsInOneOutcome(t *testing.T) {
	t.Parallel()
	for _, special := range sandbox.Specials() {
		t.Run(string(special.Kind)+" "+string(special.Behaviour), func(t *testing.T) {
			t.Parallel()
			b := start(t)
			value, taken := "10000", 1
			if special.Kind != providers.KindRefund {
				value = "100" + special.Ending
			}
			if special.Kind == providers.KindCreate && special.Behaviour == sandbox.Declines {
				made, err := b.client.Create(t.Context(), providers.Intent{Payment: payment("p"), Amount: money(value)})
				require.NoError(t, err)
				require.Equal(t, "sandbox_declined", made.Declined.Reason)
				require.Empty(t, made.Token)
				return
			}
			made, outcome := b.charged(t, "p", value, "tx-1")
			operation, again := providers.Operation{Payment: payment("p"), Kind: providers.KindCharge, Token: made.Token}, func() {
				_, outcome = b.charged(t, "p", value, "tx-1")
			}
			if special.Kind == providers.KindRefund {
				require.Equal(t, outcome, b.notice(t).Outcome)
				refund := providers.Refund{
					Payment: payment("p"), Token: made.Token, TransactionID: "tx-1", RefundID: "r", Amount: money("10" + special.Ending),
				}
				again = func() {
					var err error
					outcome, err = b.patiently().Refund(t.Context(), refund)
					require.NoError(t, err)
				}
				operation = refund.Operation()
				again()
			}
			if special.Behaviour == sandbox.Late || special.Behaviour == sandbox.DeclinesLate {
				require.Equal(t, providers.StatePending, outcome.State)
			}
			told := b.notice(t)
			require.Equal(t, operation, told.Operation)
			again()
			require.Equal(t, told.Outcome, outcome)
			found, err := b.patiently().Lookup(t.Context(), operation)
			require.NoError(t, err)
			require.Equal(t, outcome, found)
			if special.Behaviour == sandbox.TellsTwice {
				require.Equal(t, told, b.notice(t))
			}
			if outcome.State == providers.StateDeclined {
				taken = 0
				require.Contains(t, []sandbox.Behaviour{sandbox.Declines, sandbox.DeclinesLate}, special.Behaviour)
			}
			book, err := b.client.Book(t.Context())
			require.NoError(t, err)
			require.Empty(t, book.Pending)
			if special.Kind == providers.KindRefund {
				require.Len(t, book.Charges, 1)
				require.Len(t, book.Refunds, taken)
			} else {
				require.Len(t, book.Charges, taken)
			}
			require.Empty(t, b.notices)
		})
	}
}

// The page for users has the same table.
func TestThePageHasTheTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/payments.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "<!-- sandbox's table: compared with the code -->")
	require.True(t, found)
	rows := make([]string, 0, len(sandbox.Specials()))
	for _, special := range sandbox.Specials() {
		token := "–"
		if special.Token != "" {
			token = "`" + special.Token + "`"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | ", special.Kind, special.Ending, token))
	}
	var shown []string
	for line := range strings.Lines(strings.TrimLeft(table, "\n")) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if len(shown) < len(rows)+2 {
			cells := strings.SplitAfterN(line, "| ", 5)
			shown = append(shown, strings.Join(cells[:min(4, len(cells))], ""))
		}
	}
	require.Greater(t, len(shown), 2)
	require.Equal(t, rows, shown[2:])
}

func TestATransactionIDChoosesToo(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, special := range sandbox.Specials() {
		if special.Behaviour == sandbox.Declines && special.Token != "" {
			_, outcome := b.charged(t, "p", "10000", special.Token+"-17")
			require.Equal(t, providers.StateDeclined, outcome.State)
		}
	}
}

// A hung call moved the money; the server is killed, and the line it was writing is cut short. The book has the money all the same,
// once, and what is late or untold goes on.
func TestTheBookSurvivesTheServer(t *testing.T) {
	t.Parallel()
	b := start(t)
	made, err := b.client.Create(t.Context(), providers.Intent{Payment: payment("p"), Amount: money("10003")})
	require.NoError(t, err)
	charge := providers.Charge{Payment: payment("p"), Token: made.Token, TransactionID: "tx", Amount: money("10003")}
	hasty, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = b.client.Confirm(hasty, charge)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	b.close(t)

	file, err := os.OpenFile(b.config.Journal, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"ledger":"main","payment_id":"q","kind":"char`)
	require.NoError(t, errors.Join(err, file.Close()))
	b.open(t)
	require.Len(t, b.server.Book().Charges, 1)
	outcome, err := b.client.Confirm(t.Context(), charge)
	require.NoError(t, err)
	require.Equal(t, providers.StateDone, outcome.State)
	held := []sandbox.Balance{{Ledger: "main", AssetCode: "EUR", Charged: "100.03", Refunded: "0", Held: "100.03"}}
	require.Equal(t, held, b.server.Book().Balances)
	require.Equal(t, outcome, b.notice(t).Outcome)

	refund := providers.Refund{Payment: payment("p"), Token: made.Token, TransactionID: "tx", RefundID: "r", Amount: money("10004")}
	outcome, err = b.client.Refund(t.Context(), refund)
	require.NoError(t, err)
	require.Equal(t, "sandbox_exceeds_charge", outcome.Declined.Reason)
}

func TestTheSandboxRefusesWhatContradictsItsBook(t *testing.T) {
	t.Parallel()
	b := start(t)
	made, _ := b.charged(t, "p", "10000", "tx")
	charge := providers.Charge{Payment: payment("p"), Token: made.Token, TransactionID: "tx", Amount: money("10100")}
	_, err := b.client.Confirm(t.Context(), charge)
	require.ErrorContains(t, err, "another amount")
	charge.PaymentID = "q"
	_, err = b.client.Confirm(t.Context(), charge)
	require.ErrorContains(t, err, "there is no payment")
	_, err = b.client.ParseWebhook(http.Header{sandbox.SignatureHeader: {"00"}}, []byte(`{}`))
	require.ErrorIs(t, err, providers.ErrSignature)
	absent, err := b.client.Lookup(t.Context(), providers.Operation{Payment: payment("q"), Kind: providers.KindCharge})
	require.NoError(t, err)
	require.Equal(t, providers.StateAbsent, absent.State)
}
