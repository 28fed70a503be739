package product

import (
	"context"
	"fmt"
	"time"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// growths are how the rate and the memory of balances change with what there is of everything.
func growths() []measure.Measure {
	const goalGrowing, goalRandom = 0.8, 0.6
	const series = 11
	all := make([]measure.Measure, 0, series)
	all = append(all, grown("growth/ids-v7", false, goalGrowing), grown("growth/ids-random", true, goalRandom))
	for _, partitions := range []int{1, 4, 12} {
		all = append(all, varied(fmt.Sprintf("growth/partitions-%d", partitions), 1, func(f *measure.Fill) { f.Partitions = partitions }))
	}
	for _, processes := range []int{1, 2, 4} {
		all = append(all, varied(fmt.Sprintf("growth/processes-%d", processes), processes, func(*measure.Fill) {}))
	}
	for _, accounts := range []int{100, 10_000, 1_000_000} {
		all = append(all, varied(fmt.Sprintf("growth/accounts-%d", accounts), 1, func(f *measure.Fill) { f.Accounts = accounts }))
	}
	return all
}

// varied is a rebuild of balances with something other than usual.
func varied(name string, processes int, vary func(*measure.Fill)) measure.Measure {
	return measure.Measure{
		Name: name, Of: measure.Product, Unit: measure.EventsPerSecond, Slow: true, About: "rebuild of balances",
		Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
			const most = 1_000_000
			fill := bed.Fill
			fill.Events = min(fill.Events, most)
			vary(&fill)
			log, err := bed.LogOf(ctx, fill)
			if err != nil {
				return measure.Result{}, err
			}
			return rebuild(ctx, bed, log, balances.New(nil, nil).Definition(), processes)
		},
	}
}

// grown compares the rate of one rebuild near its end with that near its beginning.
func grown(name string, random bool, goal float64) measure.Measure {
	return measure.Measure{
		Name: name, Of: measure.Product, Unit: "late ÷ early", Goal: goal, Slow: true,
		About: "rebuild of balances: its rate over the last tenth of the events, divided by that over the first million " +
			"(of fewer, over the second tenth)",
		Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
			fill := bed.Fill
			fill.RandomIDs = random
			log, err := bed.LogOf(ctx, fill)
			if err != nil {
				return measure.Result{}, err
			}
			var seen samples
			definition := balances.New(nil, nil).Definition()
			result, err := rebuildAwaiting(ctx, bed, log, definition, 1, func(ctx context.Context, stores *measure.Stores) error {
				return seen.await(ctx, stores, log.Records(definition.Topics))
			})
			if err != nil {
				return result, err
			}
			return seen.summary(result, log.Records(definition.Topics)), nil
		},
	}
}

// samples are how many events were in at which times.
type samples struct {
	at     []time.Time
	events []int64
}

// await notes how far balances are, a few times a second, until all is in.
func (s *samples) await(ctx context.Context, stores *measure.Stores, all int64) error {
	const every = 100 * time.Millisecond
	return measure.Poll(ctx, every, func() (bool, error) {
		progress, err := postgres.ReadProgress(ctx, stores.Postgres, []string{balances.Name})
		if err != nil {
			return false, fmt.Errorf("see how far the balances are: %w", err)
		}
		var sum int64
		if at := progress[balances.Name]; at != nil {
			sum = total(at.Next)
		}
		s.at, s.events = append(s.at, time.Now()), append(s.events, sum)
		return sum >= all, nil
	})
}

func total(offsets map[eventlog.TopicPartition]int64) (sum int64) {
	for _, next := range offsets {
		sum += next
	}
	return sum
}

// between is the rate from when so many events were in until so many were.
func (s *samples) between(from, to int64) float64 {
	first, last := -1, -1
	for i, events := range s.events {
		if first < 0 && events >= from {
			first = i
		}
		if last < 0 && events >= to {
			last = i
		}
	}
	if first < 0 || last <= first {
		return 0
	}
	return float64(s.events[last]-s.events[first]) / s.at[last].Sub(s.at[first]).Seconds()
}

// summary has the rates as millions of events come in, and compares the last with the first.
func (s *samples) summary(result measure.Result, all int64) measure.Result {
	const million, tenth = 1_000_000, 10
	early := s.between(all/tenth, 2*all/tenth) //nolint:mnd // the second tenth
	if all > 2*million {
		early = s.between(million/tenth, million)
	}
	late := s.between(all-all/tenth, all)
	for _, millions := range []int64{1, 5, 10, 20} {
		if rate := s.between(millions*million-million/2, millions*million); rate > 0 {
			result.Extra[fmt.Sprintf("events_per_second_at_%dM", millions)] = rate
		}
	}
	result.Extra["events_per_second"] = result.Rate
	result.Extra["early_events_per_second"], result.Extra["late_events_per_second"] = early, late
	if early > 0 {
		result.Rate = late / early
	}
	return result
}
