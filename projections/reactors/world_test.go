package reactors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/commands"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/payments"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/ledger/providers/sandbox"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/reactors"
	"github.com/tributary-ledger/tributary/projections/subjects"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

const (
	secret   = "the test's"
	patience = time.Minute
	moment   = 10 * time.Millisecond
)

// world is everything that a payment goes through: Kafka, Postgres with its projectors, the sandbox, and gateways.
type world struct {
	log     eventlog.Config
	pool    *pgxpool.Pool
	writer  *eventlog.Writer
	history *subjects.History
	sandbox *sandbox.Server
	client  *sandbox.Client
	hook    atomic.Pointer[string] // where webhooks go
	timeout time.Duration          // of a call of the sandbox
}

func newWorld(t *testing.T) *world {
	t.Helper()
	const grace = 300 * time.Millisecond
	tasks := reactors.NewTasks(grace)
	w := &world{log: foldtest.Log(t), pool: foldtest.Open(t, subjects.New(), tasks), timeout: patience}
	var err error
	w.writer, err = eventlog.NewWriter(w.log)
	require.NoError(t, err)
	t.Cleanup(w.writer.Close)
	w.history, err = subjects.NewHistory(w.pool, w.log)
	require.NoError(t, err)
	t.Cleanup(w.history.Close)
	for _, projection := range []postgres.Projection{subjects.New(), tasks} {
		runner := projections.NewRunner(postgres.NewStore(w.pool, projection, postgres.Options{}), w.log, projections.Settings{})
		run(t, runner.Run)
	}
	w.openSandbox(t)
	return w
}

// run runs something until the test ends.
func run(t *testing.T, what func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- what(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
}

func (w *world) openSandbox(t *testing.T) {
	t.Helper()
	forward := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		to := w.hook.Load()
		if to == nil {
			http.Error(out, "nobody is there", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(out, r, *to, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(forward.Close)
	var err error
	w.sandbox, err = sandbox.Open(sandbox.Config{
		Journal: filepath.Join(t.TempDir(), "journal"), WebhookURL: forward.URL, Secret: secret, Late: 50 * time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.sandbox.Close()) })
	server := httptest.NewServer(w.sandbox)
	t.Cleanup(server.Close)
	w.client = sandbox.NewClient(server.URL, secret)
	t.Cleanup(w.client.Close)
	run(t, w.sandbox.Run)
}

// engine is a gateway's, or the recovery's.
func (w *world) engine(step func(context.Context, string) error) *payments.Engine {
	once := providers.Settings{Timeout: w.timeout, Patience: patience, Tries: 1, Failures: 1000}
	return &payments.Engine{
		Log: w.writer, History: w.history, Providers: map[string]providers.Provider{"sandbox": providers.Guarded(w.client, once)},
		Fee: 250, Patience: 30 * time.Second, Now: time.Now, Step: step,
	}
}

// recover runs a recovery.
func (w *world) recover(t *testing.T) {
	t.Helper()
	recovery := reactors.NewRecovery(w.pool, w.engine(nil), reactors.RecoverySettings{Interval: moment, Again: 100 * time.Millisecond})
	run(t, func(ctx context.Context) error { recovery.Run(ctx); return nil })
}

// errKilled stands for kill -9: the gateway does nothing any more.
var errKilled = errors.New("killed")

// gateway serves the payments' calls. It is killed before the step with this number, counted from 1; 0 is never.
func (w *world) gateway(t *testing.T, killed int64) string {
	t.Helper()
	var steps atomic.Int64
	return w.serve(t, w.engine(func(context.Context, string) error {
		if n := steps.Add(1); killed > 0 && n >= killed {
			return errKilled
		}
		return nil
	}))
}

// serve serves the payments' calls by an engine.
func (w *world) serve(t *testing.T, engine *payments.Engine) string {
	t.Helper()
	mux := http.NewServeMux()
	api := web.NewAPI(mux, web.APIConfig{Version: "test", Authenticate: func(_ context.Context, token string) (*web.Principal, error) {
		books, owner, confined := strings.Cut(token, ":")
		caller := &web.Principal{ID: "key-of-" + token, Ledger: books, Scopes: web.Scopes()}
		if confined {
			caller.Owners = []string{owner}
		}
		return caller, nil
	}})
	(&commands.Commands{Log: w.writer, Payments: engine, Now: time.Now}).Register(api)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// answer is what a request got.
type answer struct {
	status int
	body   map[string]any
}

// try sends a request with a key as a caller.
func try(ctx context.Context, url, caller, key, body string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+caller)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return answer{}, err
	}
	got := answer{status: response.StatusCode}
	if err := json.Unmarshal(text, &got.body); err != nil {
		return got, fmt.Errorf("%s: %w", text, err)
	}
	return got, nil
}

func call(t *testing.T, url, caller, key, body string) answer {
	t.Helper()
	got, err := try(t.Context(), url, caller, key, body)
	require.NoError(t, err)
	return got
}

func euros(value string) string {
	return `{"value":"` + value + `","asset_code":"EUR","asset_scale":2}`
}

func startBody(id, value string) string {
	return `{"payment_id":"` + id + `","user_id":"u","email":"u@example.com","payment_type":"credit","merchant_id":"acme","amount":` +
		euros(value) + `}`
}

func postBody(id, value string) string {
	return `{"transaction_id":"tx-` + id + `","amount":` + euros(value) + `}`
}

func (a answer) requireStatus(t *testing.T, status int) answer {
	t.Helper()
	require.Equal(t, status, a.status, "%v", a.body)
	return a
}

// posted starts and posts a payment.
func posted(t *testing.T, gateway, id, value string) {
	t.Helper()
	call(t, gateway+"/v1/payments", "main", "start "+id, startBody(id, value)).requireStatus(t, http.StatusCreated)
	call(t, gateway+"/v1/payments/"+id+"/post", "main", "post "+id, postBody(id, value)).requireStatus(t, http.StatusOK)
}

// payment is as the log has it now.
func (w *world) payment(t *testing.T, id string) *payments.Payment {
	t.Helper()
	past, err := w.history.Payment(t.Context(), "main", id, eventlog.Position{})
	require.NoError(t, err)
	return payments.Fold("main", id, past)
}

// idle returns when nothing is under way any more, in the log as in the recovery's table.
func (w *world) idle(t *testing.T, ids ...string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, id := range ids {
			if past, err := w.history.Payment(t.Context(), "main", id, eventlog.Position{}); err != nil || payments.Fold("main", id, past).Open() {
				return false
			}
		}
		var tasks int
		err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM recovery.tasks`).Scan(&tasks)
		return err == nil && tasks == 0
	}, patience, moment)
}

// events are all of the log's payments events, each id once. Copies must say the same.
func (w *world) events(t *testing.T) []*ledger.Event {
	t.Helper()
	admin, err := eventlog.NewAdmin(w.log)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context(), eventlog.TopicPayments)
	require.NoError(t, err)
	seen := map[uuid.UUID]*ledger.Event{}
	var all []*ledger.Event
	err = eventlog.ReadRange(t.Context(), w.log, eventlog.Range{To: ends, AtOnce: 1}, func(_ context.Context, batch eventlog.Batch) error {
		for i := range batch.Records {
			event := batch.Records[i].Event
			if event == nil {
				return fmt.Errorf("%s is refused: %v", batch.Records[i].Position, batch.Records[i].Rejected)
			}
			if before := seen[event.ID]; before != nil {
				if before.ContentHash() != event.ContentHash() {
					return fmt.Errorf("%s and %s are in conflict", before.Data, event.Data)
				}
				continue
			}
			seen[event.ID] = event
			all = append(all, event)
		}
		return nil
	})
	require.NoError(t, err)
	return all
}

// agree holds the sandbox's book against what the log posts to its clearing account: the same, to the cent, and each payment once.
func (w *world) agree(t *testing.T) {
	t.Helper()
	book := w.sandbox.Book()
	require.Empty(t, book.Pending)
	var charged, refunded ledger.Sum
	posts := map[string]int{}
	refunds := map[string]int{}
	for _, event := range w.events(t) {
		switch data := event.Data.(type) {
		case *eventsv1.PaymentPosted:
			posts[data.GetPaymentId()]++
		case *eventsv1.PaymentRefunded:
			refunds[data.GetPaymentId()+" "+data.GetRefundId()]++
		}
		for _, posting := range ledger.Postings(nil, event) {
			if posting.Account.String() != "provider:sandbox:clearing" {
				continue
			}
			if posting.Direction == ledger.Debit {
				charged.Add(posting.Amount)
			} else {
				refunded.Add(posting.Amount)
			}
		}
	}
	require.Len(t, book.Charges, len(posts))
	for _, charge := range book.Charges {
		require.Equal(t, 1, posts[charge.PaymentID], charge.PaymentID)
	}
	require.Len(t, book.Refunds, len(refunds))
	for _, refund := range book.Refunds {
		require.Equal(t, 1, refunds[refund.PaymentID+" "+refund.RefundID])
	}
	require.Len(t, book.Balances, 1)
	require.Equal(t, book.Balances[0].Charged, charged.String())
	require.Equal(t, book.Balances[0].Refunded, refunded.String())
}
