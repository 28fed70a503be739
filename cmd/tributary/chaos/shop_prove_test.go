package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/payments"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/ledger/providers/sandbox"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// finish has the recovery look after all that is still open, now in place of later, until nothing is.
func (s *shop) finish() {
	c := s.c
	c.Helper()
	began := time.Now()
	c.await(patience, "nothing is under way any more, and the gateways are ready", func() bool {
		open, err := s.hurry()
		pause(c.Context(), 200*time.Millisecond)
		return c.Failed() || err == nil && open == 0 && s.ready() && c.readers.passed(c.ends())
	})
	c.Logf("nothing was under way any more after %s", time.Since(began).Round(time.Millisecond))
}

func (s *shop) ready() bool {
	for gateway := range gatewayCopies {
		if got, err := s.request(http.MethodGet, gateway, "/readyz", nil, ""); err != nil || got.status != http.StatusOK {
			return false
		}
	}
	return true
}

// hurry makes every task due, and tells how many there are. What is tried at this moment was due before, and is due again later.
func (s *shop) hurry() (open int, err error) {
	ctx, cancel := context.WithTimeout(s.c.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.c.stack.postgres.URL())
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx) //nolint:errcheck // what was asked for was answered
	_, err = conn.Exec(ctx, `UPDATE recovery.tasks SET due_at = clock_timestamp() WHERE due_at > clock_timestamp() + interval '5 s'
		AND due_at < clock_timestamp() + interval '1 h'`)
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, "SELECT count(*) FROM recovery.tasks").Scan(&open)
	return open, err
}

// movement is money that moved, or shall not have.
type movement struct {
	paymentID, refundID string // a charge has no refund
}

// moved is what is said of it.
type moved struct {
	asset, amount, transactionID string
}

// prove holds the log, the provider's own book and the books against each other, and each answer against them.
func (s *shop) prove(conn *pgx.Conn, log *tally) {
	c := s.c
	c.Helper()
	server, err := sandbox.Open(sandbox.Config{Journal: c.sandboxJournal()})
	require.NoError(c, err)
	defer func() { require.NoError(c, server.Close()) }()
	book := server.Book()
	require.Empty(c, book.Pending, "the provider owes no outcome")
	inBook := map[movement]moved{}
	for _, entry := range slices.Concat(book.Charges, book.Refunds) {
		require.Equal(c, shopLedger, entry.Ledger)
		inBook[movement{entry.PaymentID, entry.RefundID}] = moved{
			entry.Amount.GetAssetCode(), ledger.MoneyAmount(entry.Amount).String(), entry.TransactionID,
		}
	}
	require.Len(c, inBook, len(book.Charges)+len(book.Refunds), "each payment was charged once, each refund made once")
	inLog := s.movements(log)
	require.Equal(c, inBook, inLog, "the provider moved what the log says")
	s.proveBalances(conn, book)
	s.provePayments(log)
	for _, p := range s.payments {
		for _, one := range p.calls {
			s.proveCall(one, inLog, log)
		}
	}
	s.provePosts(log)
	c.Logf("%d payments through %d gateways, %d answers to calls; %d charges and %d refunds at the provider; %d answers to reads",
		len(s.payments), gatewayCopies, s.answers.Load(), len(book.Charges), len(book.Refunds), s.reads.Load())
}

// movements are those that the log tells of. It has each event once, or its copies say the same.
func (s *shop) movements(log *tally) map[movement]moved {
	s.c.Helper()
	all, contents := map[movement]moved{}, map[uuid.UUID][ledger.HashBytes]byte{}
	for _, record := range log.shop {
		event := record.Event
		said, again := contents[event.ID]
		if _, rest := event.Data.(*eventsv1.PaymentRefundRequested); again && !rest { // all that is left may be another amount then
			require.Equal(s.c, said, event.ContentHash(), "two contents of event %s at %s", event.ID, record.Position)
		}
		contents[event.ID] = event.ContentHash()
		if again {
			continue
		}
		switch data := event.Data.(type) {
		case *eventsv1.PaymentPosted:
			one := movement{data.GetPaymentId(), ""}
			require.NotContains(s.c, all, one, "a payment is posted once")
			all[one] = moved{data.GetAmount().GetAssetCode(), ledger.MoneyAmount(data.GetAmount()).String(), data.GetTransactionId()}
		case *eventsv1.PaymentRefunded:
			one := movement{data.GetPaymentId(), data.GetRefundId()}
			require.NotContains(s.c, all, one, "a refund is made once")
			all[one] = moved{data.GetAmount().GetAssetCode(), ledger.MoneyAmount(data.GetAmount()).String(), data.GetTransactionId()}
		}
	}
	return all
}

// proveBalances compares what the provider holds with its clearing account.
func (s *shop) proveBalances(conn *pgx.Conn, book sandbox.Book) {
	s.c.Helper()
	held, cleared := map[string]string{}, map[string]string{}
	for _, balance := range book.Balances {
		held[balance.AssetCode] = balance.Held
	}
	rows, err := conn.Query(s.c.Context(), `SELECT asset_code, balance::text FROM books.account_balances
		WHERE ledger = $1 AND account = 'provider:sandbox:clearing'`, shopLedger)
	require.NoError(s.c, err)
	var asset, balance string
	_, err = pgx.ForEachRow(rows, []any{&asset, &balance}, func() error {
		cleared[asset] = balance
		return nil
	})
	require.NoError(s.c, err)
	require.Equal(s.c, held, cleared, "what the provider holds is what its clearing account says")
}

// provePayments folds each payment's events: nothing is open, and no more came back than was paid.
func (s *shop) provePayments(log *tally) {
	s.c.Helper()
	for _, p := range s.payments {
		folded := payments.Fold(shopLedger, p.id, log.ofPayment[p.id])
		require.False(s.c, folded.Open(), "%s is under way", p.id)
		if folded.Posted == nil {
			continue
		}
		left := ledger.MoneyAmount(folded.Posted.GetAmount()).Big()
		for _, r := range folded.Refunds {
			if r.Done != nil {
				left.Sub(left, ledger.MoneyAmount(r.Done.GetAmount()).Big())
			}
		}
		require.GreaterOrEqual(s.c, left.Sign(), 0, "%s was refunded more than was paid", p.id)
	}
}

// proveCall holds what a call was answered against the log: yes is true there, and after no, and nothing else, no money moved.
func (s *shop) proveCall(one *call, inLog map[movement]moved, log *tally) {
	s.c.Helper()
	money, has := inLog[movement{one.payment.id, one.movedID()}]
	mine := has && (one.what == "refund" || one.what == "post" && money.transactionID == one.refundID)
	yes := one.statuses[http.StatusOK] + one.statuses[http.StatusCreated]
	declined, pending := one.statuses[http.StatusPaymentRequired], one.statuses[http.StatusAccepted]
	no := one.statuses[http.StatusConflict] + one.statuses[http.StatusNotFound]
	folded := payments.Fold(shopLedger, one.payment.id, log.ofPayment[one.payment.id])
	words := fmt.Sprintf("%s of %s under %s, answered %v (%s), unanswered %d: %+v",
		one.what, one.payment.id, one.key, one.statuses, one.refused, one.unanswered, money)
	switch one.kind() {
	case providers.KindCharge, providers.KindRefund:
		if yes > 0 {
			require.True(s.c, mine, words)
		}
		if declined > 0 {
			require.False(s.c, mine, words)
		}
		if no > 0 && yes+declined+pending+one.unanswered == 0 {
			require.False(s.c, mine, words)
		} else if no > 0 && mine {
			s.c.report.note("calls refused by an answer whose money moved, as another answer said, or one that was lost")
			s.c.Log(words)
		}
	case providers.KindCreate:
		require.True(s.c, yes == 0 || folded.Started != nil && folded.Prepared != nil, words)
	default:
		require.True(s.c, yes == 0 || folded.Failed != nil && folded.Posted == nil, words)
	}
}

// movedID is the refund whose money the call moves.
func (o *call) movedID() string {
	if o.what == "refund" {
		return o.refundID
	}
	return ""
}
