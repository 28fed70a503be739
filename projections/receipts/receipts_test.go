package receipts

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/ledgertest"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

func views() []string { return []string{"payments", "receipts", "refunds", "repeated_transactions"} }

func TestHistories(t *testing.T) {
	t.Parallel()
	foldtest.Histories(t, "payment.", foldtest.NewPlayer(t, New(), views()...).Play)
}

// history draws events of a few payments; amounts, times, ids and refunds collide.
func history(t *rapid.T) []*ledger.Event {
	var types []ledger.Type
	for _, info := range ledger.Types() {
		if isPayment(info.Type.New()) {
			types = append(types, info.Type)
		}
	}
	return ledgertest.History(t, types...)
}

// table is what the store does, without the store.
type table struct {
	payments map[paymentKey]string
	refunds  map[refundKey]string
	lines    map[paymentKey]string
}

func (s *table) commit(t *rapid.T, events []*ledger.Event) {
	records := make([]eventlog.Record, len(events))
	for i, event := range events {
		records[i].Event = event
	}
	f := fold(records)
	for _, p := range f.payments {
		key := paymentKey{p.ledger, p.id}
		before := string(p.pack())
		if stored, ok := s.payments[key]; ok {
			merged, err := p.merge([]byte(stored))
			require.NoError(t, err)
			require.Equal(t, before, string(p.pack()), "merging left the value as it was")
			p = merged
		}
		s.payments[key] = string(p.pack())
		if p.facts[posted].fresh {
			s.lines[key] = string(linesJSON(p.facts[posted].lines))
		}
	}
	for _, r := range f.refunds {
		key := refundKey{r.ledger, r.payment, r.id}
		if stored, ok := s.refunds[key]; ok {
			merged, err := r.merge([]byte(stored))
			require.NoError(t, err)
			r = merged
		}
		s.refunds[key] = string(r.pack())
	}
}

// Whatever the order of events and the borders of batches, the rows are the same.
func TestOrderNeverShows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := history(t)
		inOneBatch := table{map[paymentKey]string{}, map[refundKey]string{}, map[paymentKey]string{}}
		inOneBatch.commit(t, events)
		shuffled := table{map[paymentKey]string{}, map[refundKey]string{}, map[paymentKey]string{}}
		rest := rapid.Permutation(events).Draw(t, "order")
		for len(rest) > 0 {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			shuffled.commit(t, rest[:n])
			rest = rest[n:]
		}
		require.Equal(t, inOneBatch, shuffled)
	})
}

// The same through the store.
func TestOrderNeverShowsInPostgres(t *testing.T) {
	t.Parallel()
	foldtest.OrderNeverShows(t, history, foldtest.NewPlayer(t, New(), views()...).Play)
}

// What validation lets through fits every column, however large it is.
func TestExtremesAreStored(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	owner := foldtest.Own(t, pool, New())
	offset := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		event := ledgertest.Event(rt, ledgertest.Extreme())
		event.ID = uuid.New()
		if event.Type.Topic() != eventlog.TopicPayments {
			rt.Skip("of another topic")
		}
		owner.Commit(t, foldtest.Record(event, 0, offset))
		offset++
	})
	for _, view := range views() {
		_, err := pool.Exec(t.Context(), "SELECT to_jsonb(v) FROM books."+view+" v")
		require.NoError(t, err, view)
	}
}

// Two owners that make the same rows at the same time.
func TestOwnersShareRows(t *testing.T) {
	t.Parallel()
	const owners, events = 4, 600
	pool := foldtest.Open(t, New())
	failed := make(chan error, owners)
	for partition := range int32(owners) {
		records := make([]eventlog.Record, events)
		for i := range records {
			records[i] = foldtest.Record(ledger.NewEvent(uuid.New(), time.Unix(int64(i), 0), "urn:test", &eventsv1.PaymentRefunded{
				PaymentId: fmt.Sprintf("p-%d", i), RefundId: "r", TransactionId: "t", Provider: "till", MerchantId: "m", Amount: gbp(1),
			}), partition, int64(i))
		}
		owner := foldtest.Own(t, pool, New())
		go func() {
			_, err := owner.TryCommit(t.Context(), records...)
			failed <- err
		}()
	}
	for range owners {
		require.NoError(t, <-failed)
	}
	var payments int
	var refunded string
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*), sum(refunded)::text FROM books.payments`).Scan(&payments, &refunded))
	require.Equal(t, events, payments)
	require.Equal(t, "24", strings.TrimSuffix(refunded, ".00"))
}

func TestReads(t *testing.T) {
	t.Parallel()
	pool, log := foldtest.Open(t, New()), foldtest.Log(t)
	writer, err := eventlog.NewWriter(log)
	require.NoError(t, err)
	defer writer.Close()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	events := []*ledger.Event{post(1, at, 2), post(4001, at.Add(time.Hour), 0), post(8001, at.Add(time.Hour), 1)}
	for range 2 {
		_, err = writer.PublishAll(t.Context(), events)
		require.NoError(t, err)
	}
	foldtest.Project(t, pool, New(), log, int64(2*len(events)))

	receipt, err := GetReceipt(t.Context(), pool, "main", "inv-500001")
	require.NoError(t, err)
	require.Equal(t, "139.12", receipt.Amount)
	require.Equal(t, "1.39", *receipt.Fee)
	require.Equal(t, at, receipt.IssuedAt.UTC())
	require.EqualValues(t, 1, receipt.Version)
	require.JSONEq(t, `[{"sku": "85120A", "description": "WHITE HANGING HEART T-LIGHT HOLDER", "quantity": "6",
		"unit_price": {"value": "255", "asset_code": "GBP", "asset_scale": 2}},
		{"sku": "85121A", "description": "WHITE HANGING HEART T-LIGHT HOLDER", "quantity": "6",
		"unit_price": {"value": "255", "asset_code": "GBP", "asset_scale": 2}}]`, string(receipt.Lines))
	payment, err := GetPayment(t.Context(), pool, "main", "inv-500001")
	require.NoError(t, err)
	require.Equal(t, "posted", payment.State)
	_, err = GetPayment(t.Context(), pool, "other", "inv-500001")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = GetReceipt(t.Context(), pool, "main", "none")
	require.ErrorIs(t, err, ErrNotFound)

	first, err := ListReceipts(t.Context(), pool, "main", "10001", nil, nil, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"inv-508001", "inv-504001"}, []string{first[0].PaymentID, first[1].PaymentID})
	second, err := ListReceipts(t.Context(), pool, "main", "10001", nil, &postgres.Cursor{At: first[1].IssuedAt, ID: first[1].PaymentID}, 2)
	require.NoError(t, err)
	require.Len(t, second, 1)
	payments, err := ListPayments(t.Context(), pool, "main", "retail", &postgres.Cursor{At: first[0].IssuedAt, ID: first[0].PaymentID}, 10)
	require.NoError(t, err)
	require.Len(t, payments, 2)
	refunds, err := ListRefunds(t.Context(), pool, "main", "inv-500001")
	require.NoError(t, err)
	require.Empty(t, refunds)
}

// many are payments with a refund each: enough for the planner to tell indexes apart.
func many(n int) []eventlog.Record {
	scale := uint32(2)
	amount := &eventsv1.Money{Value: "100", AssetCode: "EUR", AssetScale: &scale}
	out := make([]eventlog.Record, 0, 2*n)
	for i := range n {
		id, who := "payment-"+strconv.Itoa(i), strconv.Itoa(i%500)
		for _, data := range []ledger.Data{
			&eventsv1.PaymentPosted{
				PaymentId: id, TransactionId: id, UserId: "user-" + who, PaymentType: "credit", Provider: "till",
				MerchantId: "merchant-" + who, Amount: amount,
			},
			&eventsv1.PaymentRefunded{
				PaymentId: id, RefundId: id, TransactionId: id, Provider: "till", MerchantId: "merchant-" + who, Amount: amount,
			},
		} {
			event := ledger.NewEvent(uuid.New(), time.UnixMilli(1_600_000_000_000), "urn:test", data)
			out = append(out, foldtest.Record(event, 0, int64(len(out))))
		}
	}
	return out
}

// Reads through the views use the live generation's index alone.
func TestReadsUseAnIndex(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	_, err := postgres.CreateGeneration(t.Context(), pool, New())
	require.NoError(t, err)
	foldtest.Own(t, pool, New()).Commit(t, many(2_000)...)
	_, err = pool.Exec(t.Context(), `ANALYZE receipts.payments, receipts.refunds, receipts.movements`)
	require.NoError(t, err)
	for _, where := range []string{
		"payments WHERE ledger = 'main' AND payment_id = 'p'",
		"receipts WHERE ledger = 'main' AND receipt_id = 'p'",
		"receipts WHERE ledger = 'main' AND user_id = 'u' ORDER BY issued_at DESC LIMIT 10",
		"payments WHERE ledger = 'main' AND merchant_id = 'm' ORDER BY posted_at DESC LIMIT 10",
		"refunds WHERE ledger = 'main' AND payment_id = 'p'",
		"repeated_transactions WHERE ledger = 'main' AND provider = 'p' AND transaction_id = 't'",
	} {
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off`)
		require.NoError(t, err)
		rows, err := tx.Query(t.Context(), "EXPLAIN (ANALYZE, COSTS off, TIMING off) SELECT * FROM books."+where)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.NoError(t, tx.Rollback(t.Context()))
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, "Index Cond: ((ledger = ", where)
		require.Contains(t, plan, "never executed", "the other generation's leaf is passed over: %s", where)
	}
}
