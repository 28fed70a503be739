package receivers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
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

func TestHistories(t *testing.T) {
	t.Parallel()
	foldtest.Histories(t, "receiver.", foldtest.NewPlayer(t, New(), "receivers", "receiver_payments").Play)
}

// history draws events of a few receivers; amounts, times and outputs collide.
func history(t *rapid.T) []*ledger.Event {
	var types []ledger.Type
	for _, info := range ledger.Types() {
		if info.Type.Topic() == eventlog.TopicReceivers {
			types = append(types, info.Type)
		}
	}
	require.Len(t, types, 7)
	return ledgertest.History(t, types...)
}

// table is what the store does, without the store.
type table struct {
	receivers map[receiverKey]string
	payments  map[paymentKey]string
}

func (s *table) commit(t *rapid.T, events []*ledger.Event) {
	records := make([]eventlog.Record, len(events))
	for i, event := range events {
		records[i].Event = event
	}
	f := fold(records)
	for _, r := range f.receivers {
		key := receiverKey{r.ledger, r.id}
		before := string(r.pack())
		merged, err := r.merge([]byte(before))
		require.NoError(t, err)
		require.Equal(t, r, merged, "merged with itself it is the same")
		if stored, ok := s.receivers[key]; ok {
			merged, err = r.merge([]byte(stored))
			require.NoError(t, err)
			require.Equal(t, before, string(r.pack()), "merging left the value as it was")
		}
		s.receivers[key] = string(merged.pack())
	}
	for _, p := range f.payments {
		key := paymentKey{p.ledger, p.receiver, p.txid, p.vout}
		before := string(p.pack())
		merged, err := p.merge([]byte(before))
		require.NoError(t, err)
		require.Equal(t, p, merged, "merged with itself it is the same")
		if stored, ok := s.payments[key]; ok {
			merged, err = p.merge([]byte(stored))
			require.NoError(t, err)
			require.Equal(t, before, string(p.pack()), "merging left the value as it was")
		}
		s.payments[key] = string(merged.pack())
	}
}

// Whatever the order of events and the borders of batches, the rows are the same.
func TestOrderNeverShows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := history(t)
		inOneBatch := table{map[receiverKey]string{}, map[paymentKey]string{}}
		inOneBatch.commit(t, events)
		shuffled := table{map[receiverKey]string{}, map[paymentKey]string{}}
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
	foldtest.OrderNeverShows(t, history, foldtest.NewPlayer(t, New(), "receivers", "receiver_payments").Play)
}

// What validation lets through fits every column, however large it is, and is read back.
func TestExtremesAreStored(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	owner := foldtest.Own(t, pool, New())
	offset := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		event := ledgertest.Event(rt, ledgertest.Extreme())
		event.ID = uuid.New()
		if event.Type.Topic() != eventlog.TopicReceivers {
			rt.Skip("of another topic")
		}
		_, err := owner.TryCommit(t.Context(), foldtest.Record(event, 0, offset))
		require.NoError(rt, err)
		offset++
	})
	require.Positive(t, offset)
	for _, view := range []string{"receivers", "receiver_payments"} {
		var rows int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(v::text) FROM books.`+view+` v`).Scan(&rows))
		require.Positive(t, rows, view)
	}
}

// The last output of a transaction that has them all, at the largest amount, twice: the sum is wider than an amount.
func TestLargestAmountsAddUp(t *testing.T) {
	t.Parallel()
	const most = "99999999999999999999999999999999999999"
	pool := foldtest.Open(t, New())
	owner := foldtest.Own(t, pool, New())
	for i, vout := range []uint32{0, 1<<32 - 1} {
		owner.Commit(t, foldtest.Record(event(time.Unix(1, 0), &eventsv1.ReceiverPaymentConfirmed{
			ReceiverId: "r", MerchantId: "m", Chain: "c", Txid: "t", Vout: &vout, Address: "a",
			Amount: &eventsv1.Money{Value: most, AssetCode: "DASH", AssetScale: proto.Uint32(18)},
		}), 0, int64(i)))
	}
	receiver, err := Get(t.Context(), pool, "main", "r")
	require.NoError(t, err)
	require.Equal(t, "199999999999999999999.999999999999999998", receiver.Confirmed)
	payments, err := ListPayments(t.Context(), pool, "main", "r")
	require.NoError(t, err)
	require.Len(t, payments, 2)
	require.EqualValues(t, 1<<32-1, payments[1].Vout)
}

// Owners that make the same rows at the same time.
func TestOwnersShareRows(t *testing.T) {
	t.Parallel()
	const owners, receivers = 4, 600
	pool := foldtest.Open(t, New())
	failed := make(chan error, owners)
	for partition := range int32(owners) {
		records := make([]eventlog.Record, receivers)
		for i := range records {
			records[i] = foldtest.Record(step(int(partition), i, time.Unix(int64(i), 0)), partition, int64(i))
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
	var paid int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM books.receivers WHERE state = 'paid'`).Scan(&paid))
	require.Equal(t, receivers, paid)
}

func TestReads(t *testing.T) {
	t.Parallel()
	pool, log := foldtest.Open(t, New()), foldtest.Log(t)
	writer, err := eventlog.NewWriter(log)
	require.NoError(t, err)
	defer writer.Close()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	events := []*ledger.Event{
		step(0, 1, at), step(1, 1, at.Add(time.Minute)), step(2, 1, at.Add(2*time.Minute)), step(3, 1, at.Add(3*time.Minute)),
		step(0, 101, at.Add(time.Hour)), step(0, 201, at.Add(time.Hour)), step(1, 2, at),
	}
	for range 2 {
		_, err = writer.PublishAll(t.Context(), events)
		require.NoError(t, err)
	}
	foldtest.Project(t, pool, New(), log, int64(2*len(events)))

	receiver, err := Get(t.Context(), pool, "main", "rcv-1")
	require.NoError(t, err)
	require.Equal(t, []string{"paid", "0", "0.4003643", "0.4003643", "10.99", "27.45"}, []string{
		receiver.State, receiver.Pending, receiver.Confirmed, *receiver.AmountDue, *receiver.AmountFiat, *receiver.BaseFiat,
	})
	require.Equal(t, at.Add(3*time.Minute), receiver.UpdatedAt.UTC())
	payments, err := ListPayments(t.Context(), pool, "main", "rcv-1")
	require.NoError(t, err)
	require.Len(t, payments, 1)
	require.Equal(t, "confirmed", payments[0].State)
	require.True(t, *payments[0].InstantLocked)
	require.False(t, payments[0].Late)
	unknown, err := Get(t.Context(), pool, "main", "rcv-2")
	require.NoError(t, err)
	require.Equal(t, "detected", unknown.State)
	require.Nil(t, unknown.AmountDue)
	_, err = Get(t.Context(), pool, "other", "rcv-1")
	require.ErrorIs(t, err, ErrNotFound)

	first, err := List(t.Context(), pool, "main", "m-1", nil, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"rcv-201", "rcv-101"}, []string{first[0].ReceiverID, first[1].ReceiverID})
	second, err := List(t.Context(), pool, "main", "m-1", &postgres.Cursor{At: *first[1].CreatedAt, ID: first[1].ReceiverID}, 2)
	require.NoError(t, err)
	require.Len(t, second, 1)
}

// Reads through the views use the live generation's indexes alone.
func TestReadsUseAnIndex(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	_, err := postgres.CreateGeneration(t.Context(), pool, New())
	require.NoError(t, err)
	owner := foldtest.Own(t, pool, New())
	for n := range 4 {
		owner.Commit(t, foldtest.Record(step(n, 1, time.Unix(0, 0)), 0, int64(n)))
	}
	for _, where := range []string{
		"receivers WHERE ledger = 'main' AND receiver_id = 'rcv-1'",
		"receivers WHERE ledger = 'main' AND merchant_id = 'm-1' AND created_at <= 'infinity' ORDER BY created_at DESC LIMIT 10",
		"receiver_payments WHERE ledger = 'main' AND receiver_id = 'rcv-1'",
	} {
		plan := explain(t, pool, where)
		require.NotContains(t, plan, "Seq Scan on receivers", where)
		require.NotContains(t, plan, "Seq Scan on payments", where)
		require.Equal(t, 4, strings.Count(plan, "Index Cond: ((ledger = "), "two tables, two generations: %s", plan)
		require.Equal(t, 2, strings.Count(plan, "never executed"), "the other generation's leaves are passed over: %s", plan)
	}
}

func explain(t *testing.T, pool *pgxpool.Pool, where string) string {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // Nothing was written.
	_, err = tx.Exec(t.Context(), `SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off`)
	require.NoError(t, err)
	rows, err := tx.Query(t.Context(), "EXPLAIN (ANALYZE, COSTS off, TIMING off, BUFFERS off) SELECT * FROM books."+where)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}
