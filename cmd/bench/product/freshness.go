package product

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// How fresh the stores are to be, in milliseconds, at the first rate.
const (
	goalPostgres   = 50
	goalClickHouse = 1000
)

// pace is a rate at which freshness is measured.
type pace struct {
	name  string
	of    string
	goals bool
	rate  func(context.Context, *measure.Bed) (int, error)
}

// fresh is what one run says of both stores; the measure of the second takes what that of the first has found.
type fresh struct {
	pace

	found map[string]measure.Result
}

// freshnesses are how long it takes from the append until an event is visible, while all projections follow.
func freshnesses() []measure.Measure {
	constant := func(rate int) func(context.Context, *measure.Bed) (int, error) {
		return func(context.Context, *measure.Bed) (int, error) { return rate, nil }
	}
	paces := []pace{
		{"1k", "events a second", true, constant(1_000)},
		{"10k", "events a second", false, constant(10_000)},
		{"80%", "of the rate of " + follow, false, mostOfSustained},
	}
	all := make([]measure.Measure, 0, 2*len(paces))
	for _, p := range paces {
		shared := &fresh{pace: p}
		for _, name := range []string{balances.Name, revenue.Name} {
			m := measure.Measure{
				Name: "freshness/" + name + "-" + p.name, Of: measure.Product, Unit: "ms (p99)",
				About: "from the append until it is visible, all projections following, at " + p.name + " " + p.of,
				Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
					return shared.take(ctx, bed, name)
				},
			}
			if p.goals {
				m.Less, m.Goal = true, goalPostgres
				if name == revenue.Name {
					m.Goal = goalClickHouse
				}
			}
			all = append(all, m)
		}
	}
	return all
}

// mostOfSustained is 80 % of the rate that all projections keep up with.
func mostOfSustained(ctx context.Context, bed *measure.Bed) (int, error) {
	const share = 0.8
	result, err := sustained(ctx, bed)
	return int(share * result.Rate), err
}

// take gives what was found of a projection, and measures where nothing was.
func (f *fresh) take(ctx context.Context, bed *measure.Bed, name string) (measure.Result, error) {
	if result, ok := f.found[name]; ok {
		delete(f.found, name)
		return result, nil
	}
	rate, err := f.rate(ctx, bed)
	if err != nil {
		return measure.Result{}, err
	}
	if f.found, err = freshness(ctx, bed, rate); err != nil {
		return measure.Result{}, err
	}
	result := f.found[name]
	delete(f.found, name)
	return result, nil
}

// freshness publishes at a rate for some seconds, and looks meanwhile up to where each store shows the log.
func freshness(ctx context.Context, bed *measure.Bed, rate int) (found map[string]measure.Result, err error) {
	const seconds = 8
	f, err := startFollowing(ctx, bed)
	if err != nil {
		return nil, err
	}
	used := measure.Result{Extra: map[string]float64{}}
	defer func() { err = errors.Join(err, f.stop(ctx, &used), f.stores.Drop(ctx)) }()
	watches := []*watch{
		{name: balances.Name, every: 5 * time.Millisecond, look: f.lookBalances, counts: func(*eventlog.Record) bool { return true }},
		{name: revenue.Name, every: 50 * time.Millisecond, look: f.lookRevenue, counts: revenue.New().Counts},
	}
	bound, cancel := f.all.bound(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(bound)
	for _, w := range watches {
		w.published = make(chan struct{})
		group.Go(func() error { return w.run(ctx) })
	}
	fill := bed.Fill
	fill.Events = int64(rate) * seconds
	group.Go(func() error {
		defer func() {
			for _, w := range watches {
				close(w.published)
			}
		}()
		return publishPaced(ctx, f.kafka, fill.All(), rate, watches)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found = map[string]measure.Result{}
	for _, w := range watches {
		found[w.name] = w.result(rate)
	}
	return found, nil
}

// watch follows events until they are visible in a store.
type watch struct {
	name   string
	every  time.Duration // what looks without a pause takes the processors from those it looks at
	look   func(context.Context) (map[eventlog.TopicPartition]int64, error)
	counts func(*eventlog.Record) bool

	published chan struct{}
	mu        sync.Mutex
	pending   map[eventlog.TopicPartition][]appended // in the order of their acknowledgements, nearly that of offsets
	waits     []time.Duration
}

// appended is when an event was handed to the writer.
type appended struct {
	offset int64
	at     time.Time
}

func (w *watch) add(at eventlog.Position, when time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending == nil {
		w.pending = map[eventlog.TopicPartition][]appended{}
	}
	w.pending[at.TopicPartition()] = append(w.pending[at.TopicPartition()], appended{at.Offset, when})
}

// run looks until all that was published is visible.
func (w *watch) run(ctx context.Context) error {
	return measure.Poll(ctx, w.every, func() (bool, error) {
		ended := false
		select {
		case <-w.published:
			ended = true
		default:
		}
		seen, err := w.look(ctx)
		if err != nil {
			return false, fmt.Errorf("look how far %s is: %w", w.name, err)
		}
		return w.saw(seen) == 0 && ended, nil
	})
}

// saw notes what is visible, and returns how many events are not.
func (w *watch) saw(seen map[eventlog.TopicPartition]int64) int {
	now, left := time.Now(), 0
	w.mu.Lock()
	defer w.mu.Unlock()
	for place, pending := range w.pending {
		w.pending[place] = slices.DeleteFunc(pending, func(a appended) bool {
			if a.offset >= seen[place] {
				return false
			}
			w.waits = append(w.waits, now.Sub(a.at))
			return true
		})
		left += len(w.pending[place])
	}
	return left
}

func (w *watch) result(rate int) measure.Result {
	const half, most = 0.5, 0.99
	return measure.Result{
		Rate: milliseconds(quantile(w.waits, most)), Count: int64(len(w.waits)),
		Extra: map[string]float64{"p50_ms": milliseconds(quantile(w.waits, half)), "published_per_second": float64(rate)},
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 } //nolint:mnd // of a millisecond

// quantile sorts them; 0 of none.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

// publishPaced publishes so many events a second, some each millisecond.
func publishPaced(ctx context.Context, kafka eventlog.Config, events iter.Seq[*ledger.Event], rate int, watches []*watch) error {
	writer, err := eventlog.NewWriter(kafka)
	if err != nil {
		return fmt.Errorf("write to Kafka: %w", err)
	}
	defer writer.Close()
	var mu sync.Mutex
	var failed error
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	began, sent := time.Now(), 0
	for event := range events {
		for float64(sent) >= time.Since(began).Seconds()*float64(rate) {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		sent++
		when := time.Now()
		var counting []*watch
		for _, w := range watches {
			if w.counts(&eventlog.Record{Event: event}) {
				counting = append(counting, w)
			}
		}
		writer.Publish(ctx, event, func(at eventlog.Position, err error) {
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
				return
			}
			for _, w := range counting {
				w.add(at, when)
			}
		})
	}
	err = writer.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(failed, err)
}

// lookBalances is up to where the balances in Postgres are.
func (f *following) lookBalances(ctx context.Context) (map[eventlog.TopicPartition]int64, error) {
	progress, err := postgres.ReadProgress(ctx, f.stores.Postgres, []string{balances.Name})
	if err != nil || progress[balances.Name] == nil {
		return nil, err
	}
	return progress[balances.Name].Next, nil
}

// lookRevenue is up to where rows are in ClickHouse.
func (f *following) lookRevenue(ctx context.Context) (map[eventlog.TopicPartition]int64, error) {
	rows, err := f.stores.ClickHouse.Query(ctx,
		`SELECT topic, "partition", max(kafka_offset) + 1 FROM revenue.events GROUP BY topic, "partition"`)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller does
	}
	seen := map[eventlog.TopicPartition]int64{}
	for rows.Next() {
		var place eventlog.TopicPartition
		var next int64
		if err := rows.Scan(&place.Topic, &place.Partition, &next); err != nil {
			return nil, err //nolint:wrapcheck // the caller does
		}
		seen[place] = next
	}
	return seen, errors.Join(rows.Err(), rows.Close())
}
