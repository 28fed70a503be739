package product

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// follow is the measure of all projections together.
const follow = "follow/all"

// EndsOf are the ends that each projection has to reach.
func endsOf(log *measure.Log) map[string]map[eventlog.TopicPartition]int64 {
	ends := map[string]map[eventlog.TopicPartition]int64{}
	for _, definition := range definitions() {
		ends[definition.Name] = log.EndsOf(definition.Topics)
	}
	return ends
}

// following are all projections in a process that follows a log to which nothing was written yet.
type following struct {
	kafka  eventlog.Config
	stores *measure.Stores
	all    running

	dropLog func(context.Context) error
}

// startFollowing returns once the process owns all partitions.
func startFollowing(ctx context.Context, bed *measure.Bed) (f *following, err error) {
	if err := bed.NeedClickHouse(); err != nil {
		return nil, err
	}
	f = &following{}
	if f.stores, err = bed.Stores(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.stop(ctx, &measure.Result{}), f.stores.Drop(ctx))
		}
	}()
	if f.kafka, f.dropLog, err = bed.EmptyLog(ctx, bed.Fill.Partitions); err != nil {
		return nil, err
	}
	if _, _, err := bed.Run(ctx, f.kafka, f.stores, "migrate"); err != nil {
		return nil, err
	}
	if f.all, err = project(ctx, bed, f.kafka, f.stores, 1); err != nil {
		return nil, err
	}
	bound, cancel := f.all.bound(ctx)
	defer cancel()
	return f, f.stores.AwaitOwners(bound, len(definitions()))
}

// stop ends the projectors and the log.
func (f *following) stop(ctx context.Context, result *measure.Result) error {
	err := f.all.stop(result)
	if f.dropLog != nil {
		err = errors.Join(err, f.dropLog(ctx))
	}
	return err
}

// mostFollowed bounds what is in memory to be published.
const mostFollowed = 1_000_000

// sustained publishes events that are in memory as fast as the log takes them, from this process, and waits until every projection has
// them. The rate is over both.
func sustained(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
	events := inMemory(bed.Fill, mostFollowed)
	f, err := startFollowing(ctx, bed)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, f.stop(ctx, &result), f.stores.Drop(ctx)) }()
	ctx, cancel := f.all.bound(ctx)
	defer cancel()
	used, err := measure.ProcessorsUsed()
	if err != nil {
		return result, err
	}
	began := time.Now()
	ends, err := measure.Publish(ctx, f.kafka, slices.Values(events))
	if err != nil {
		return result, err
	}
	published := time.Now()
	log := &measure.Log{Fill: bed.Fill, Kafka: f.kafka, Ends: ends}
	if err := f.stores.Await(ctx, endsOf(log)); err != nil {
		return result, err
	}
	result = measure.Per(int64(len(events)), time.Since(began).Seconds())
	result.Extra = map[string]float64{"publish_seconds": published.Sub(began).Seconds()}
	err = result.UsedPerMillion(used)
	return result, err
}

// books are stores with all projections of the run's log in them, built by the first who asks and left to those who come next.
func books(ctx context.Context, bed *measure.Bed) (*measure.Stores, *measure.Log, error) {
	if err := bed.NeedClickHouse(); err != nil {
		return nil, nil, err
	}
	log, err := bed.Log(ctx)
	if err != nil {
		return nil, nil, err
	}
	if kept := bed.Kept(); kept != nil {
		return kept, log, nil
	}
	stores, err := bed.Stores(ctx)
	if err != nil {
		return nil, nil, err
	}
	bed.Say("projecting all of the log, for the measures that read")
	if err := fillBooks(ctx, bed, log, stores); err != nil {
		return nil, nil, errors.Join(err, stores.Drop(ctx))
	}
	bed.Keep(stores)
	return stores, log, nil
}

func fillBooks(ctx context.Context, bed *measure.Bed, log *measure.Log, stores *measure.Stores) error {
	if _, _, err := bed.Run(ctx, log.Kafka, stores, "migrate"); err != nil {
		return err
	}
	all, err := project(ctx, bed, log.Kafka, stores, 1)
	if err != nil {
		return err
	}
	bound, cancel := all.bound(ctx)
	defer cancel()
	err = stores.Await(bound, endsOf(log))
	cancel()
	return errors.Join(err, all.stop(&measure.Result{}))
}
