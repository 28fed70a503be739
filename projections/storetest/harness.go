package storetest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Harness is a database with the tables of a projection that keeps a row for each event it is given, without a key that
// would hide a double.
type Harness interface { //nolint:interfacebloat // It is all that a store can do.
	// Open opens a store, as one owner does. Generation 0 is the live one. step may be nil.
	Open(t *testing.T, generation int32, step projections.Step) projections.Store
	// Rows counts the rows of each event in the live generation.
	Rows(t *testing.T) map[uuid.UUID]int
	// Next is up to where readers may take each partition of the live generation to be in; of no partition before its first
	// commit.
	Next(t *testing.T) map[eventlog.TopicPartition]int64
	// Together tells whether rows and offsets move at once. Where they do not, the rows of a batch may be in before its
	// offsets have moved, all of them or none.
	Together() bool
	// CreateGeneration makes an empty generation; Swap makes one live, or says with ErrBehind that it is too early. catchUp may be
	// nil.
	CreateGeneration(t *testing.T) int32
	Swap(ctx context.Context, generation int32, catchUp func(context.Context, map[eventlog.TopicPartition]int64) error) error
	// SetVersion has a generation be one of another version of the fold.
	SetVersion(t *testing.T, generation int32, version int)
	// Drop drops a generation; step may be nil.
	Drop(ctx context.Context, generation int32, step projections.Step) error
	// Name gives a generation names, and Named counts its rows by them.
	Name(ctx context.Context, generation int32) error
	Named(ctx context.Context, generation int32) (int, error)
	// ErrBehind is Swap's error for a generation that is behind.
	ErrBehind() error
}

// PoisonAmount is the amount of an event that the harness's tables must refuse, as a bug would make them.
const PoisonAmount = "666"

// topicID is that of the suite's topic.
func topicID() eventlog.TopicID { return eventlog.TopicID{1, 2, 3} }

// partition is one of the suite's topic.
func partition(number int32) eventlog.TopicPartition {
	return eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: number}
}

// log is the suite's log: records of each partition.
type log map[eventlog.TopicPartition][]eventlog.Record

// add appends an event, and returns its record.
func (l log) add(p eventlog.TopicPartition, event *ledger.Event) eventlog.Record {
	record := eventlog.Record{
		Position: p.At(int64(len(l[p]))), RecordedAt: time.UnixMilli(1_700_000_000_000).UTC(), LeaderEpoch: 0, Event: event,
	}
	l[p] = append(l[p], record)
	return record
}

// event is a payment of an amount, under an id of its own.
func event(amount string) *ledger.Event { return eventWithID(uuid.New(), amount) }

func eventWithID(id uuid.UUID, amount string) *ledger.Event {
	scale := uint32(0)
	return ledger.NewEvent(id, time.UnixMilli(1_600_000_000_000), "urn:storetest", &eventsv1.PaymentPosted{
		PaymentId: "payment", TransactionId: "transaction", UserId: "user", PaymentType: "credit",
		Provider: "till", MerchantId: "acme",
		Amount: &eventsv1.Money{Value: amount, AssetCode: "EUR", AssetScale: &scale},
	})
}

// fill appends n events to a partition.
func (l log) fill(p eventlog.TopicPartition, n int) {
	for i := range n {
		l.add(p, event(strconv.Itoa(i%100+1)))
	}
}

// ids are the distinct event ids of the log.
func (l log) ids() map[uuid.UUID]int {
	ids := map[uuid.UUID]int{}
	for _, records := range l {
		for _, record := range records {
			ids[record.Event.ID] = 1
		}
	}
	return ids
}

// ends are the offsets past the last records.
func (l log) ends() map[eventlog.TopicPartition]int64 {
	ends := map[eventlog.TopicPartition]int64{}
	for p, records := range l {
		ends[p] = int64(len(records))
	}
	return ends
}

// owner is a store that owns partitions.
type owner struct {
	store projections.Store
	owned map[eventlog.TopicPartition]projections.Ownership
}

func acquire(t *testing.T, store projections.Store, partitions ...eventlog.TopicPartition) *owner {
	t.Helper()
	claims := make([]projections.Claim, len(partitions))
	for i, p := range partitions {
		claims[i] = projections.Claim{TopicPartition: p, TopicID: topicID()}
	}
	owned, err := store.Acquire(t.Context(), claims)
	require.NoError(t, err)
	require.Len(t, owned, len(partitions))
	return &owner{store, owned}
}

// batch is up to most records of each owned partition, from where the owner is.
func (o *owner) batch(l log, most int) projections.Batch {
	var batch projections.Batch
	for _, p := range eventlog.SortedPartitions(o.owned) {
		own := o.owned[p]
		records := l[p][own.NextOffset:]
		records = records[:min(most, len(records))]
		if len(records) == 0 {
			continue
		}
		last := records[len(records)-1]
		batch.Records = append(batch.Records, records...)
		batch.Ranges = append(batch.Ranges, projections.Range{
			TopicPartition: p, From: own.NextOffset, To: last.Offset + 1, Epoch: own.Epoch, Generation: own.Generation,
			LeaderEpoch: last.LeaderEpoch, RecordedAt: last.RecordedAt,
		})
	}
	return batch
}

// advance notes that a batch is in.
func (o *owner) advance(batch projections.Batch) {
	for _, r := range batch.Ranges {
		own := o.owned[r.TopicPartition]
		own.NextOffset = r.To
		o.owned[r.TopicPartition] = own
	}
}

// put commits a batch, and returns the error of the preparation or the commit.
func (o *owner) put(ctx context.Context, batch projections.Batch) (projections.Committed, error) {
	change, err := o.store.Prepare(ctx, batch)
	if err != nil {
		return projections.Committed{}, err
	}
	committed, err := change.Commit(ctx)
	if err == nil {
		o.advance(batch)
	}
	return committed, err
}

// finish commits all the rest of the log.
func (o *owner) finish(t *testing.T, l log) projections.Committed {
	t.Helper()
	var sum projections.Committed
	for {
		batch := o.batch(l, 1_000)
		if len(batch.Ranges) == 0 {
			return sum
		}
		committed, err := o.put(t.Context(), batch)
		require.NoError(t, err)
		sum.Conflicts += committed.Conflicts
		sum.Duplicates += committed.Duplicates
	}
}
