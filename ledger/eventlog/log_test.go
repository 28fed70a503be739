package eventlog

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
)

const testPartitions = 3

// testLog is a fresh cluster with the ledger's topics.
func testLog(t testing.TB) (Config, *Admin) {
	t.Helper()
	config := Config{Brokers: stacktest.Kafka(t)}
	return config, testTopics(t, config)
}

func testTopics(t testing.TB, config Config) *Admin {
	t.Helper()
	admin, err := NewAdmin(config)
	require.NoError(t, err)
	t.Cleanup(admin.Close)
	_, err = admin.Ensure(t.Context(), TopicSettings{Partitions: testPartitions})
	require.NoError(t, err)
	return admin
}

func testWriter(t testing.TB, config Config) *Writer {
	t.Helper()
	writer, err := NewWriter(config)
	require.NoError(t, err)
	t.Cleanup(writer.Close)
	return writer
}

// history is what ReadRange gave, by partition, with what it promises checked.
type history struct {
	mu      sync.Mutex
	next    map[TopicPartition]int64
	records map[TopicPartition][]Record
	last    map[TopicPartition]Batch
}

func readAll(t testing.TB, config Config, part Range) *history {
	t.Helper()
	h, err := read(t.Context(), t, config, part)
	require.NoError(t, err)
	for p, to := range part.To {
		if part.From[p] < to {
			require.Equal(t, to, h.next[p], "%s ends elsewhere", p)
		}
	}
	return h
}

func read(ctx context.Context, t testing.TB, config Config, part Range) (*history, error) {
	t.Helper()
	h := &history{
		next: make(map[TopicPartition]int64), records: make(map[TopicPartition][]Record), last: make(map[TopicPartition]Batch),
	}
	err := ReadRange(ctx, config, part, func(_ context.Context, batch Batch) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, begun := h.next[batch.TopicPartition]; !begun {
			h.next[batch.TopicPartition] = part.From[batch.TopicPartition]
		}
		if h.next[batch.TopicPartition] != batch.From || batch.Next <= batch.From {
			return errors.New("a gap or a standstill at " + batch.String())
		}
		offset := batch.From - 1
		for _, record := range batch.Records {
			if record.Offset <= offset || record.Offset >= batch.Next || record.Control {
				return errors.New("out of order or range: " + record.String())
			}
			offset = record.Offset
		}
		h.next[batch.TopicPartition], h.last[batch.TopicPartition] = batch.Next, batch
		h.records[batch.TopicPartition] = append(h.records[batch.TopicPartition], batch.Records...)
		return nil
	})
	return h, err
}

// ids are those of all events read, with how often each was seen.
func (h *history) ids() map[string]int {
	ids := make(map[string]int)
	for _, records := range h.records {
		for _, record := range records {
			if record.Event != nil {
				ids[record.Event.ID.String()]++
			}
		}
	}
	return ids
}

func wholeLog(t testing.TB, admin *Admin) Range {
	t.Helper()
	return Range{To: awaitEnds(t, admin)}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config, admin := k.log(t)
			writer := testWriter(t, config)
			events := samples(t, 500)
			positions, err := writer.PublishAll(t.Context(), events)
			require.NoError(t, err)

			type outcome struct {
				p   Position
				err error
			}
			outcomes := make(chan outcome, 1)
			extra := sample(t, ledger.TypePaymentPosted, 1000)
			writer.Publish(t.Context(), extra, func(p Position, err error) { outcomes <- outcome{p, err} })
			require.NoError(t, writer.Flush(t.Context()))
			last := <-outcomes
			require.NoError(t, last.err)
			events, positions = append(events, extra), append(positions, last.p)

			h := readAll(t, config, wholeLog(t, admin))
			byPosition := make(map[Position]Record)
			for _, records := range h.records {
				for _, record := range records {
					byPosition[record.Position] = record
				}
			}
			require.Len(t, byPosition, len(events))
			for i, event := range events {
				record := byPosition[positions[i]]
				requireAccepted(t, record, event.ID.String())
				requireSame(t, event, record.Event, event.ID.String())
				require.WithinDuration(t, time.Now(), record.RecordedAt, time.Minute)
				require.Equal(t, partitionOf(event.Key()), record.Partition, "not where Kafka's own clients would put it")
			}
		})
	}
}

// partitionOf is what Kafka's Java client does with a key.
func partitionOf(key string) int32 {
	const seed, m, r = 0x9747b28c, 0x5bd1e995, 24
	data := []byte(key)
	h := uint32(seed) ^ uint32(len(data))
	for len(data) >= 4 {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k = (k ^ k>>r) * m
		h = h*m ^ k
		data = data[4:]
	}
	for i, b := range slices.Backward(data) {
		h ^= uint32(b) << (8 * i)
		if i == 0 {
			h *= m
		}
	}
	h = (h ^ h>>13) * m
	h ^= h >> 15
	return int32(h&0x7fffffff) % testPartitions
}

func TestPartsOfTheLog(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config, admin := k.log(t)
			_, err := testWriter(t, config).PublishAll(t.Context(), samples(t, 300))
			require.NoError(t, err)
			whole := wholeLog(t, admin)
			all := readAll(t, config, whole)
			part := Range{From: make(map[TopicPartition]int64), To: make(map[TopicPartition]int64), AtOnce: 1}
			for p, end := range whole.To {
				part.From[p], part.To[p] = end/3, end-end/3
			}
			some := readAll(t, config, part)
			for p := range all.records {
				from, to := part.From[p], part.To[p]
				require.Len(t, some.records[p], int(to-from))
				for i, record := range some.records[p] {
					require.Equal(t, from+int64(i), record.Offset)
				}
			}
			stop := errors.New("enough")
			err = ReadRange(t.Context(), config, whole, func(context.Context, Batch) error { return stop })
			require.ErrorIs(t, err, stop)
			require.NoError(t, ReadRange(t.Context(), config, Range{}, nil))
		})
	}
}

func produceRaw(t testing.TB, config Config, records ...*kgo.Record) {
	t.Helper()
	client, err := NewClient(config)
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.ProduceSync(t.Context(), records...).FirstErr())
}

func TestRefusedRecordsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config, admin := k.log(t)
			record := &kgo.Record{
				Topic: TopicPayments, Key: []byte{0, 255}, Value: []byte("{ broken"),
				Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte("order-7")}, {Key: "", Value: nil}, {Key: "x", Value: []byte{0, 1}}},
			}
			produceRaw(t, config, record, &kgo.Record{Topic: TopicPayments})
			h := readAll(t, config, wholeLog(t, admin))
			var rejected []*Rejection
			for _, records := range h.records {
				for _, r := range records {
					require.NotNil(t, r.Rejected)
					rejected = append(rejected, r.Rejected)
				}
			}
			require.Len(t, rejected, 2)
			for _, r := range rejected {
				if r.EventID == "order-7" {
					requireKept(t, record, r)
				} else {
					require.Nil(t, r.Key)
					require.Nil(t, r.Payload)
					require.Empty(t, r.Headers)
				}
			}
		})
	}
}
