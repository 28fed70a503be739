package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"

	"github.com/tributary-ledger/tributary/ledger"
)

const (
	// linger is how long a partition's first event waits for company. While requests are under way events gather anyway, so
	// a busy writer's batches are large without it; an idle one's event should leave at once.
	linger = time.Millisecond
	// writerBufferBytes bounds what a writer holds that is not acknowledged yet; publishing waits while it is full.
	writerBufferBytes = 64 << 20
	// writerBufferRecords bounds the same in events: a small one counts as so large that no more fit.
	writerBufferRecords = 200_000
	writerLeastBytes    = writerBufferBytes / writerBufferRecords
	// producePatience is how long a leader may wait for its followers; it then says so, and is asked again.
	producePatience = 5 * time.Second
	// silencePatience is how much later still its answer may come. Then its machine or network is taken to be gone, and whoever leads
	// now is asked. The client's defaults, 10 s each, make that twice as long, and as long again where it asks the silent one who leads.
	silencePatience = 5 * time.Second
	// batchBytes is the largest batch, uncompressed: one largest event and some, below the topics' max.message.bytes.
	batchBytes = MaxRecordBytes + 512<<10
)

// ErrUncertain means that publishing was given up before the broker answered: the events may be in the log or not.
// Publishing them again is safe, for an event counts once however often its id is published.
var ErrUncertain = errors.New("it is not known whether the events are in the log; publishing them again is safe")

// Writer appends events to the log: acknowledged by all in-sync replicas, each exactly once for each time it is published,
// and in order for each key. Its methods may be called at once from many goroutines.
type Writer struct {
	config Config
	client *kgo.Client
	stalls *stallWatch
	room   *semaphore.Weighted // bytes that may still be buffered
}

// NewWriter is a writer; it dials nothing yet. Close it when done.
func NewWriter(config Config) (*Writer, error) {
	return newWriter(config)
}

func newWriter(config Config, more ...kgo.Opt) (*Writer, error) {
	client, stalls, err := newWatchedClient(config.named("writer"), append(writerOptions(), more...)...)
	if err != nil {
		return nil, err
	}
	return &Writer{config: config, client: client, stalls: stalls, room: semaphore.NewWeighted(writerBufferBytes)}, nil
}

// partitioner is murmur2, as Kafka's own clients do.
func partitioner() kgo.Partitioner { return kgo.StickyKeyPartitioner(nil) }

// PartitionOf is where writers put what has this key, in a topic of so many partitions.
func PartitionOf(topic, key string, partitions int) TopicPartition {
	record := &kgo.Record{Topic: topic, Key: []byte(key)}
	partition := partitioner().ForTopic(topic).Partition(record, partitions)
	return TopicPartition{Topic: topic, Partition: int32(partition)} //nolint:gosec // a partition fits
}

func writerOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(partitioner()),
		// As small as lz4 and more than twice as fast with payment events, 135 bytes each; zstd halves that at a third of the rate.
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.ProducerLinger(linger),
		kgo.ProduceRequestTimeout(producePatience),
		kgo.RequestTimeoutOverhead(silencePatience),
		// Else a broker that dies as we connect is taken for a wrong configuration, and what is buffered given up.
		kgo.AlwaysRetryEOF(),
		kgo.MaxBufferedRecords(2 * writerBufferRecords), // we wait before it would
	}
}

// Publish appends one valid event and returns; it waits only while the buffer is full, for as long as ctx lives. done is called
// exactly once, soon and perhaps from another goroutine (it must not block): with the event's position once it is acknowledged,
// or with why it was not. Once the event is buffered it is tried until its outcome is known or the writer is closed, and what it
// waits for is logged when that takes long.
func (w *Writer) Publish(ctx context.Context, event *ledger.Event, done func(Position, error)) {
	record, invalid := Encode(event)
	if invalid != nil {
		done(Position{}, invalid)
		return
	}
	w.produce(ctx, event, record, func(r *kgo.Record, err error) {
		if err != nil {
			done(Position{}, err)
			return
		}
		done(position(r), nil)
	})
}

// PublishAll appends valid events and waits until each is acknowledged; positions are in the events' order. On an error
// some may be in the log: those whose position has an Offset that is not -1. When ctx ends while events are under way the
// error is ErrUncertain, and they are tried further all the same.
func (w *Writer) PublishAll(ctx context.Context, events []*ledger.Event) ([]Position, error) {
	records, err := encodeAll(events)
	if err != nil {
		return nil, err
	}
	all := newGathering(len(records))
	for i, record := range records {
		w.produce(ctx, events[i], record, func(r *kgo.Record, err error) { all.done(i, position(r), err) })
	}
	return all.wait(ctx)
}

// produce waits for room and hands a record to the client. There it must not end with the caller's patience: the client would
// give up all that is buffered for the same partition with it, also what others published, who have patience.
func (w *Writer) produce(ctx context.Context, event *ledger.Event, record *kgo.Record, done func(*kgo.Record, error)) {
	size := max(int64(len(record.Key)+len(record.Value)), writerLeastBytes)
	err := ctx.Err()
	if err == nil {
		err = w.room.Acquire(ctx, size)
	}
	if err != nil {
		done(record, fmt.Errorf("event %s was not published: %w", event.ID, err))
		return
	}
	w.client.Produce(context.WithoutCancel(ctx), record, func(r *kgo.Record, err error) {
		w.room.Release(size)
		if err != nil {
			err = explainProduce(w.config, event, r.Topic, err)
		}
		done(r, err)
	})
}

// encodeAll refuses all where one is refused, so that nothing is written then.
func encodeAll(events []*ledger.Event) ([]*kgo.Record, error) {
	records := make([]*kgo.Record, len(events))
	for i, event := range events {
		record, invalid := Encode(event)
		if invalid != nil {
			return nil, fmt.Errorf("event %s, number %d of %d: %w", event.ID, i+1, len(events), invalid)
		}
		records[i] = record
	}
	return records, nil
}

// Flush waits until everything that was published is acknowledged or refused.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for Kafka to acknowledge: %w: %w", ErrUncertain, err)
	}
	return nil
}

// Buffered is how many events are not acknowledged yet.
func (w *Writer) Buffered() int64 { return w.client.BufferedProduceRecords() }

// Close gives up what is not acknowledged (Flush first) and ends the connections.
func (w *Writer) Close() {
	w.stalls.close()
}

// explainProduce says what happened to an event that was not acknowledged, and what to do.
func explainProduce(config Config, event *ledger.Event, topic string, err error) error {
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("topic %s is not there; `tributary migrate` creates the topics: %w", topic, err)
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return fmt.Errorf("event %s is larger than the broker takes; set max.message.bytes=%d on topic %s: %w",
			event.ID, TopicMaxMessageBytes, topic, err)
	case isFenced(err):
		return fmt.Errorf("event %s: %w: %w", event.ID, ErrFenced, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("event %s was not acknowledged by %v in time: %w: %w", event.ID, config.Brokers, ErrUncertain, err)
	default:
		return fmt.Errorf("event %s was not acknowledged by topic %s: %w", event.ID, topic, err)
	}
}
