package audit_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/ledgertest"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// drawn is a history: records for the log, and in what pieces a projector reads it.
type drawn struct {
	records []*kgo.Record
	batches []int // Sizes, to be repeated.
	turns   []int // Which partition is next, to be repeated.
}

// histories draws events of all types about few things, copies and conflicts of them on other partitions, and records
// that are no events.
func histories() *rapid.Generator[drawn] {
	return rapid.Custom(func(t *rapid.T) drawn {
		var events []*ledger.Event
		var d drawn
		for range rapid.IntRange(50, 150).Draw(t, "events") {
			var e *ledger.Event
			kind := rapid.IntRange(0, 9).Draw(t, "kind")
			if kind >= 4 || len(events) == 0 {
				options := []ledgertest.Option{ledgertest.Repeats()}
				if kind == 9 {
					options = []ledgertest.Option{ledgertest.Extreme()}
				}
				e = ledgertest.Event(t, options...)
				events = append(events, e)
			} else {
				e = again(t, rapid.SampledFrom(events).Draw(t, "event"), kind)
			}
			record, bad := eventlog.Encode(e)
			if bad != nil {
				t.Fatalf("drew an invalid event: %v", bad)
			}
			if kind == 3 {
				spoil(t, record)
			}
			record.Partition = rapid.Int32Range(0, partitions-1).Draw(t, "partition")
			d.records = append(d.records, record)
		}
		d.batches = rapid.SliceOfN(rapid.IntRange(1, 60), 1, 5).Draw(t, "batches")
		d.turns = rapid.SliceOfN(rapid.IntRange(0, 100), 1, 20).Draw(t, "turns")
		return d
	})
}

// again is a copy of an event, one that says another time, or a conflict.
func again(t *rapid.T, e *ledger.Event, kind int) *ledger.Event {
	another := *e
	another.Data, _ = proto.Clone(e.Data).(ledger.Data)
	switch kind {
	case 1:
		another.Time = e.Time.Add(-time.Duration(e.Time.UnixMicro()%1_000_000) * time.Microsecond)
	case 2:
		another = *ledgertest.Event(t, ledgertest.Repeats())
		another.ID = e.ID
	default:
	}
	return &another
}

// spoil makes a record invalid in one of many ways.
func spoil(t *rapid.T, record *kgo.Record) {
	switch rapid.IntRange(0, 4).Draw(t, "fault") {
	case 0:
		record.Value = rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "value")
	case 1:
		record.Headers = record.Headers[1:]
	case 2:
		at := rapid.IntRange(0, len(record.Headers)-1).Draw(t, "header")
		record.Headers[at].Value = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "header's value")
	case 3:
		record.Topic = rapid.SampledFrom(eventlog.Topics()).Draw(t, "topic")
	default:
		record.Headers, record.Value = nil, []byte(`{"specversion":"1.0"}`)
	}
}

// Whatever the log has, and in whatever pieces and order of partitions it was projected, it verifies.
func TestAnyHistoryVerifies(t *testing.T) {
	t.Parallel()
	for seed := range 12 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			history := histories().Example(seed)
			s := open(t)
			for _, record := range history.records {
				require.NoError(t, s.log.ProduceSync(t.Context(), record).FirstErr())
			}
			for _, projection := range all(s.pool) {
				s.feed(t, projection, history)
			}
			report, err := audit.New(s.pool, s.kafka, nil).Verify(t.Context(), nil, nil)
			require.NoError(t, err)
			require.Len(t, report.Projections, len(all(s.pool)))
			for _, p := range report.Projections {
				require.Empty(t, p.Differences, p.Name)
				require.Positive(t, p.Records, p.Name)
			}
		})
	}
}

// feed commits the log in pieces, as many owners would who each have a partition.
func (s *stack) feed(t *testing.T, projection postgres.Projection, history drawn) {
	t.Helper()
	store := postgres.NewStore(s.pool, projection, postgres.Options{})
	records := s.records(t)
	ids, err := s.admin.Identities(t.Context())
	require.NoError(t, err)
	claims := make([]projections.Claim, 0, len(ids))
	for p, id := range ids {
		claims = append(claims, projections.Claim{TopicPartition: p, TopicID: id.TopicID})
	}
	owned, err := store.Acquire(t.Context(), claims)
	require.NoError(t, err)
	for turn := 0; len(records) > 0; turn++ {
		waiting := eventlog.SortedPartitions(records)
		p := waiting[history.turns[turn%len(history.turns)]%len(waiting)]
		n := min(history.batches[turn%len(history.batches)], len(records[p]))
		own, last := owned[p], records[p][n-1]
		change, err := store.Prepare(t.Context(), projections.Batch{
			Records: slices.Clone(records[p][:n]),
			Ranges: []projections.Range{{
				TopicPartition: p, From: own.NextOffset, To: last.Offset + 1, Epoch: own.Epoch, Generation: own.Generation,
				LeaderEpoch: last.LeaderEpoch, RecordedAt: last.RecordedAt,
			}},
		})
		require.NoError(t, err)
		_, err = change.Commit(t.Context())
		require.NoError(t, err)
		own.NextOffset = last.Offset + 1
		owned[p] = own
		if records[p] = records[p][n:]; len(records[p]) == 0 {
			delete(records, p)
		}
	}
}

// records are all of the log.
func (s *stack) records(t *testing.T) map[eventlog.TopicPartition][]eventlog.Record {
	t.Helper()
	ends, err := s.admin.EndOffsets(t.Context())
	require.NoError(t, err)
	records := map[eventlog.TopicPartition][]eventlog.Record{}
	var mu sync.Mutex
	err = eventlog.ReadRange(t.Context(), s.kafka, eventlog.Range{To: ends}, func(_ context.Context, batch eventlog.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		records[batch.TopicPartition] = append(records[batch.TopicPartition], batch.Records...)
		return nil
	})
	require.NoError(t, err)
	for p := range records {
		if len(records[p]) == 0 {
			delete(records, p)
		}
	}
	return records
}
