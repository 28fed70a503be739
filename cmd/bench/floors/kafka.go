package floors

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// mostRecords bounds what is held in memory at once, of records and events.
const mostRecords = 300_000

// Encoded are the first of the run's events, as many as fit into memory, as records.
func Encoded(fill measure.Fill) ([]*kgo.Record, error) {
	records := make([]*kgo.Record, 0, min(fill.Events, mostRecords))
	for event := range fill.All() {
		if len(records) == cap(records) {
			break
		}
		record, invalid := eventlog.Encode(event)
		if invalid != nil {
			return nil, fmt.Errorf("encode event %s: %w", event.ID, invalid)
		}
		records = append(records, record)
	}
	return records, nil
}

// produce appends records that are ready, with a bare client: acknowledged by all replicas and idempotent, as it is by default.
func produce(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
	records, err := Encoded(bed.Fill)
	if err != nil {
		return result, err
	}
	kafka, drop, err := bed.EmptyLog(ctx, bed.Fill.Partitions)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, drop(ctx)) }()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers...), kgo.MaxBufferedRecords(len(records)),
		kgo.ProducerBatchCompression(kgo.SnappyCompression()))
	if err != nil {
		return result, fmt.Errorf("make a Kafka client: %w", err)
	}
	defer client.Close()
	var failed atomic.Pointer[error]
	began := time.Now()
	for _, record := range records {
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return result, fmt.Errorf("produce: %w", err)
	}
	if err := failed.Load(); err != nil {
		return result, fmt.Errorf("produce: %w", *err)
	}
	return measure.Per(int64(len(records)), time.Since(began).Seconds()), nil
}

// consume fetches the whole log with a bare client, and looks at nothing.
func consume(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
	log, err := bed.Log(ctx)
	if err != nil {
		return result, err
	}
	wanted := log.Records(eventlog.Topics())
	client, err := kgo.NewClient(kgo.SeedBrokers(log.Kafka.Brokers...), kgo.ConsumeTopics(eventlog.Topics()...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return result, fmt.Errorf("make a Kafka client: %w", err)
	}
	defer client.Close()
	began := time.Now()
	for read := int64(0); read < wanted; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return result, fmt.Errorf("consume: %w", err)
		}
		read += int64(fetches.NumRecords())
	}
	return measure.Per(wanted, time.Since(began).Seconds()), nil
}

// read reads the whole log and decodes it, as all that the product does with the log begins.
func read(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
	log, err := bed.Log(ctx)
	if err != nil {
		return result, err
	}
	var records atomic.Int64
	began := time.Now()
	err = eventlog.ReadRange(ctx, log.Kafka, eventlog.Range{To: log.Ends}, func(_ context.Context, batch eventlog.Batch) error {
		records.Add(int64(len(batch.Records)))
		return nil
	})
	if err != nil {
		return result, fmt.Errorf("read the log: %w", err)
	}
	return measure.Per(records.Load(), time.Since(began).Seconds()), nil
}

// decode unmarshals the data of records that are in memory, on one processor, and neither headers nor checks.
func decode(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
	const rounds = 3
	var values [][]byte
	var kinds []protoreflect.Message
	for event := range bed.Fill.All() {
		if len(values) == mostRecords {
			break
		}
		values, kinds = append(values, event.AppendData(nil)), append(kinds, event.Data.ProtoReflect())
	}
	var took time.Duration
	messages := make([]ledger.Data, len(values))
	for range rounds {
		for i, kind := range kinds { // making them takes long, but only because their types are found out
			messages[i] = kind.New().Interface().(ledger.Data) //nolint:forcetypeassert // all of ours are
		}
		began := time.Now()
		for i, value := range values {
			if err := messages[i].UnmarshalVTUnsafe(value); err != nil {
				return result, fmt.Errorf("decode event %d: %w", i, err)
			}
		}
		took += time.Since(began)
	}
	return measure.Per(int64(rounds*len(values)), took.Seconds()), context.Cause(ctx)
}
