package clickhouse_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// log is one partition, in memory.
type log struct {
	partition eventlog.TopicPartition
	records   []eventlog.Record
}

// newLog makes a log of n events.
func newLog(n int) *log {
	l := &log{partition: eventlog.TopicPartition{Topic: eventlog.TopicPayments}}
	l.fill(n)
	return l
}

func (l *log) fill(n int) {
	for range n {
		l.records = append(l.records, record(l.partition.At(int64(len(l.records))), uuid.New()))
	}
}

// record is a payment under this id.
func record(at eventlog.Position, id uuid.UUID) eventlog.Record {
	return eventlog.Record{
		Position: at, RecordedAt: time.UnixMilli(1_700_000_000_000).UTC(),
		Event: ledger.NewEvent(id, time.UnixMilli(1_600_000_000_000), "urn:test", &eventsv1.PaymentPosted{
			PaymentId: "payment", TransactionId: "transaction", UserId: "user", PaymentType: "credit", Provider: "till",
			MerchantId: "acme", Amount: &eventsv1.Money{Value: "12.5", AssetCode: "EUR", AssetScale: new(uint32(2))},
		}),
	}
}

func (l *log) claims() []projections.Claim {
	return []projections.Claim{{TopicPartition: l.partition, TopicID: eventlog.TopicID{1}}}
}

// ids are those of the events, in the log's order.
func (l *log) ids() []uuid.UUID {
	ids := make([]uuid.UUID, len(l.records))
	for i := range l.records {
		ids[i] = l.records[i].Event.ID
	}
	return ids
}

// requireOnce requires that all of the log is in, once, and nothing else.
func (l *log) requireOnce(t *testing.T, h *harness) {
	t.Helper()
	rows := h.Rows(t)
	require.Len(t, rows, len(l.records))
	for _, record := range l.records {
		require.Equal(t, 1, rows[record.Event.ID], "the event at %s", record.Position)
	}
	require.Equal(t, int64(len(l.records)), h.Next(t)[l.partition])
}

// owner owns a log's partition.
type owner struct {
	store projections.Store
	log   *log
	owned projections.Ownership
}

func own(t testing.TB, store projections.Store, l *log) *owner {
	t.Helper()
	owned, err := store.Acquire(t.Context(), l.claims())
	require.NoError(t, err)
	return &owner{store, l, owned[l.partition]}
}

// batch is the next n records, or fewer.
func (o *owner) batch(n int) projections.Batch {
	from := o.owned.NextOffset
	records := o.log.records[from:min(int(from)+n, len(o.log.records))]
	return projections.Batch{Records: records, Ranges: []projections.Range{{
		TopicPartition: o.log.partition, From: from, To: from + int64(len(records)), Epoch: o.owned.Epoch,
		Generation: o.owned.Generation, RecordedAt: time.UnixMilli(1_700_000_000_000),
	}}}
}

func (o *owner) prepare(t testing.TB, n int) projections.Change {
	t.Helper()
	change, err := o.store.Prepare(t.Context(), o.batch(n))
	require.NoError(t, err)
	return change
}

// try commits the next n records once, if there are so many.
func (o *owner) try(ctx context.Context, n int) error {
	batch := o.batch(n)
	if len(batch.Records) == 0 {
		return nil
	}
	change, err := o.store.Prepare(ctx, batch)
	if err != nil {
		return err
	}
	if _, err = change.Commit(ctx); err == nil {
		o.passed(len(batch.Records))
	}
	return err
}

// passed notes that n records are in.
func (o *owner) passed(n int) { o.owned.NextOffset += int64(n) }

// persist commits a change, however often that takes.
func (o *owner) persist(t testing.TB, change projections.Change) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := change.Commit(t.Context())
		return err == nil
	}, patience, 10*time.Millisecond)
}

// finish commits the rest of the log.
func (o *owner) finish(t testing.TB) {
	t.Helper()
	for rest := len(o.log.records) - int(o.owned.NextOffset); rest > 0; rest = len(o.log.records) - int(o.owned.NextOffset) {
		n := min(rest, 1_000)
		_, err := o.prepare(t, n).Commit(t.Context())
		require.NoError(t, err)
		o.passed(n)
	}
}
