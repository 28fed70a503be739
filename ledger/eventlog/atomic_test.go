package eventlog

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func testAtomicWriter(t testing.TB, config Config, id string) *AtomicWriter {
	t.Helper()
	writer, err := NewAtomicWriter(config, id)
	require.NoError(t, err)
	t.Cleanup(writer.Close)
	return writer
}

func TestABatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config, admin := k.log(t)
			writer := testAtomicWriter(t, config, "door-1")
			events := samples(t, 90)
			first, err := writer.PublishAtomic(t.Context(), events[:30])
			require.NoError(t, err)
			require.Len(t, first, 30)

			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = writer.PublishAtomic(ctx, events[30:60])
			require.ErrorIs(t, err, ErrAborted)
			require.ErrorIs(t, err, context.Canceled)

			third, err := writer.PublishAtomic(t.Context(), events[60:])
			require.NoError(t, err)

			h := readAll(t, config, wholeLog(t, admin))
			ids := h.ids()
			require.Len(t, ids, 60)
			places := make(map[string]Position)
			for _, records := range h.records {
				for _, r := range records {
					places[r.Event.ID.String()] = r.Position
				}
			}
			for i := range 30 {
				require.Equal(t, first[i], places[events[i].ID.String()])
				require.Equal(t, third[i], places[events[60+i].ID.String()])
			}
			none, err := writer.PublishAtomic(t.Context(), nil)
			require.NoError(t, err)
			require.Empty(t, none)
		})
	}
}

// A broker that refuses one partition's records makes the whole batch vanish, and the next one is not held up.
func TestARefusedRecordAbortsItsBatch(t *testing.T) {
	t.Parallel()
	kafka := stacktest.Cluster(t, devstack.KafkaConfig{})
	config := Config{Brokers: kafka.Brokers()}
	admin := testTopics(t, config)
	writer := testAtomicWriter(t, config, "door-1")
	events := samples(t, 60)
	refuseProduce(kafka.Cluster(), 1, kerr.TopicAuthorizationFailed)
	_, err := writer.PublishAtomic(t.Context(), events[:30])
	require.ErrorIs(t, err, ErrAborted)
	require.ErrorIs(t, err, kerr.TopicAuthorizationFailed)
	_, err = writer.PublishAtomic(t.Context(), events[30:])
	require.NoError(t, err)
	require.Len(t, readAll(t, config, wholeLog(t, admin)).ids(), 30)
}

// refuseProduce answers so many produce requests with an error for each partition.
func refuseProduce(cluster *kfake.Cluster, times int, refusal *kerr.Error) {
	for range times {
		cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
			produce, _ := request.(*kmsg.ProduceRequest)
			response, _ := produce.ResponseKind().(*kmsg.ProduceResponse)
			for _, topic := range produce.Topics {
				answer := kmsg.NewProduceResponseTopic()
				answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
				for _, partition := range topic.Partitions {
					refused := kmsg.NewProduceResponseTopicPartition()
					refused.Partition, refused.ErrorCode = partition.Partition, refusal.Code
					answer.Partitions = append(answer.Partitions, refused)
				}
				response.Topics = append(response.Topics, answer)
			}
			return response, nil, true
		})
	}
}

func TestTheOlderOfTwoAtomicWritersIsFenced(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config, admin := k.log(t)
			older, newer := testAtomicWriter(t, config, "door-1"), testAtomicWriter(t, config, "door-1")
			events := samples(t, 30)
			_, err := older.PublishAtomic(t.Context(), events[:10])
			require.NoError(t, err)
			_, err = newer.PublishAtomic(t.Context(), events[10:20])
			require.NoError(t, err)
			for range 2 {
				_, err = older.PublishAtomic(t.Context(), events[20:])
				require.ErrorIs(t, err, ErrFenced)
				require.ErrorIs(t, err, ErrAborted)
				require.Equal(t, KindFatal, Classify(err))
			}
			require.Len(t, readAll(t, config, wholeLog(t, admin)).ids(), 20)
		})
	}
}

// A broker cannot say what became of a commit: the caller is told so, and the writer goes on.
func TestAnUncertainCommitDoesNotEndAnAtomicWriter(t *testing.T) {
	t.Parallel()
	kafka := stacktest.Cluster(t, devstack.KafkaConfig{})
	config := Config{Brokers: kafka.Brokers()}
	admin := testTopics(t, config)
	writer := testAtomicWriter(t, config, "door-1")
	events := samples(t, 30)
	_, err := writer.PublishAtomic(t.Context(), events[:10])
	require.NoError(t, err)
	kafka.Cluster().ControlKey(int16(kmsg.EndTxn), func(request kmsg.Request) (kmsg.Response, error, bool) {
		response, _ := request.ResponseKind().(*kmsg.EndTxnResponse)
		response.ErrorCode = kerr.UnknownServerError.Code
		return response, nil, true
	})
	_, err = writer.PublishAtomic(t.Context(), events[10:20])
	require.ErrorIs(t, err, ErrUncertain)
	require.NotErrorIs(t, err, ErrAborted)
	_, err = writer.PublishAtomic(t.Context(), events[20:])
	require.NoError(t, err)
	require.Len(t, readAll(t, config, wholeLog(t, admin)).ids(), 20)
}

// openTransaction produces records in a transaction and leaves it open; end finishes it.
func openTransaction(t testing.TB, config Config, id string, records ...*kgo.Record) (end func(kgo.TransactionEndTry)) {
	t.Helper()
	client, err := NewClient(config, kgo.TransactionalID(id), kgo.TransactionTimeout(time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, client.BeginTransaction())
	require.NoError(t, client.ProduceSync(t.Context(), records...).FirstErr())
	return func(how kgo.TransactionEndTry) { require.NoError(t, client.EndTransaction(t.Context(), how)) }
}

// The committed end lies behind an aborted record whose transaction's end is beyond it, behind another's open one. A reader
// that waits for a record or a control record there waits for the other transaction.
func TestARangeEndsInAbortedRecords(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config, admin := k.log(t)
			record := func(n int) *kgo.Record {
				r, bad := Encode(samples(t, n+1)[n])
				require.Nil(t, bad)
				r.Topic, r.Partition = TopicPayments, 1
				return r
			}
			p := TopicPartition{Topic: TopicPayments, Partition: 1}
			openTransaction(t, config, "good", record(0))(kgo.TryCommit) // 0, and its end at 1
			awaitEnd(t, admin, p, 2)
			abort := openTransaction(t, config, "bad", record(1), record(2)) // 2, 3
			finish := openTransaction(t, config, "slow", record(3))          // 4
			abort(kgo.TryAbort)                                              // 5
			awaitEnd(t, admin, p, 4)
			h := readAll(t, config, Range{To: map[TopicPartition]int64{p: 4}})
			require.Len(t, h.records[p], 1)

			finish(kgo.TryCommit) // 6
			awaitEnd(t, admin, p, 7)
			openTransaction(t, config, "bad", record(1))(kgo.TryAbort) // 7, 8
			awaitEnd(t, admin, p, 9)
			for to := range int64(10) { // wherever it ends: among committed, aborted and control records
				h := readAll(t, config, Range{To: map[TopicPartition]int64{p: to}})
				offsets := make([]int64, 0, len(h.records[p]))
				for _, r := range h.records[p] {
					offsets = append(offsets, r.Offset)
				}
				want := make([]int64, 0, 2)
				for _, committed := range []int64{0, 4} {
					if committed < to {
						want = append(want, committed)
					}
				}
				require.Equal(t, want, offsets, "up to %d", to)
				if to > 0 {
					require.GreaterOrEqual(t, h.last[p].LeaderEpoch, int32(0), "aborted and control records have an epoch too")
					require.WithinDuration(t, time.Now(), h.last[p].RecordedAt, time.Hour)
				}
			}
		})
	}
}
