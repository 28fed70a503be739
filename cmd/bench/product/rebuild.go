package product

import (
	"context"
	"errors"
	"time"

	"github.com/tributary-ledger/tributary/cmd/bench/floors"
	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/projections/revenue"
	"github.com/tributary-ledger/tributary/projections/subjects"
)

// definitions are all projections.
func definitions() []projections.Definition {
	return []projections.Definition{
		balances.New(nil, nil).Definition(), receipts.New().Definition(), receivers.New().Definition(),
		quarantine.New().Definition(), subjects.New().Definition(), revenue.New().Definition(),
	}
}

// Rebuild is the name of the measure of a projection's rebuild.
func Rebuild(projection string) string { return "rebuild/" + projection }

// rebuilds are a measure a projection.
func rebuilds() []measure.Measure {
	known := definitions()
	all := make([]measure.Measure, 0, len(known))
	for _, definition := range known {
		m := measure.Measure{
			Name: Rebuild(definition.Name), Of: measure.Product, Unit: measure.EventsPerSecond,
			About: "tributary project " + definition.Name + ", one process, a full log, empty tables",
			Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
				log, err := bed.Log(ctx)
				if err != nil {
					return measure.Result{}, err
				}
				return rebuild(ctx, bed, log, definition, 1)
			},
		}
		if definition.Name == balances.Name {
			m.Against, m.Goal = floors.Postgres, 0.85
		}
		if definition.Name == revenue.Name {
			m.Against = floors.ClickHouse
		}
		all = append(all, m)
	}
	return all
}

// rebuild runs a projection's processes on a full log and empty tables until they have all of it. The clock starts when a process owns
// its partitions, which takes as long for ten events as for ten million; that is told apart.
func rebuild(
	ctx context.Context, bed *measure.Bed, log *measure.Log, of projections.Definition, processes int,
) (result measure.Result, err error) {
	return rebuildAwaiting(ctx, bed, log, of, processes, func(ctx context.Context, stores *measure.Stores) error {
		return stores.Await(ctx, map[string]map[eventlog.TopicPartition]int64{of.Name: log.EndsOf(of.Topics)})
	})
}

// rebuildAwaiting is rebuild, with a way of its own to wait for the end.
func rebuildAwaiting(
	ctx context.Context, bed *measure.Bed, log *measure.Log, of projections.Definition, processes int,
	await func(context.Context, *measure.Stores) error,
) (result measure.Result, err error) {
	if of.Name == revenue.Name {
		if err := bed.NeedClickHouse(); err != nil {
			return result, err
		}
	}
	stores, err := bed.Stores(ctx)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, stores.Drop(ctx)) }()
	if _, _, err := bed.Run(ctx, log.Kafka, stores, "migrate"); err != nil {
		return result, err
	}
	began := time.Now()
	running, err := project(ctx, bed, log.Kafka, stores, processes, of.Name)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, running.stop(&result)) }()
	ctx, cancel := running.bound(ctx)
	defer cancel()
	if err := stores.AwaitOwners(ctx, 1); err != nil {
		return result, err
	}
	owned := time.Now()
	if err := await(ctx, stores); err != nil {
		return result, err
	}
	result = measure.Per(log.Records(of.Topics), time.Since(owned).Seconds())
	result.Extra = map[string]float64{"start_seconds": owned.Sub(began).Seconds()}
	return result, nil
}

// running are processes that project.
type running []*measure.Process

// project starts processes, each with all the projections that are named, or with all there are.
func project(
	ctx context.Context, bed *measure.Bed, kafka eventlog.Config, stores *measure.Stores, processes int, names ...string,
) (running, error) {
	args := append([]string{"project", "--metrics-addr", "127.0.0.1:0"}, names...)
	var all running
	for range processes {
		p, err := bed.Tributary(ctx, kafka, stores, args...)
		if err != nil {
			return nil, errors.Join(err, all.stop(&measure.Result{}))
		}
		all = append(all, p)
	}
	return all, nil
}

// bound is a context that ends with the first of them.
func (r running) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	for _, p := range r {
		p.Bind(ctx, cancel)
	}
	return ctx, func() { cancel(nil) }
}

// stop ends them, and notes the most memory that one of them had, and the processors' time of all.
func (r running) stop(result *measure.Result) error {
	failed := make([]error, 0, len(r))
	var cpu time.Duration
	for _, p := range r {
		peak, used, err := p.Stop()
		failed = append(failed, err)
		result.PeakRSS = max(result.PeakRSS, peak)
		cpu += used
	}
	if result.Extra != nil {
		result.Extra["cpu_seconds"] = cpu.Seconds()
	}
	return errors.Join(failed...)
}
