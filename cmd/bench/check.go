package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"

	"github.com/tributary-ledger/tributary/cmd/bench/floors"
	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/cmd/bench/product"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

const (
	// checkEvents are as many as let a check end within a minute.
	checkEvents = 150_000
	// checkRounds is how often what is too slow is measured again: neighbours make a round slow, never a round fast.
	checkRounds = 4
	// tolerated is the part of what was reached below which a change has made something slow, and no neighbour.
	tolerated = 1.0 / 3
)

// checked are the ratios that are checked: each of a measure and what it is divided by.
func checked() []measure.Measure {
	of := map[string]string{
		product.Rebuild(balances.Name): floors.Postgres,
		product.Rebuild(revenue.Name):  floors.ClickHouse,
		floors.Read:                    floors.Decode,
	}
	var some []measure.Measure
	for _, m := range all() {
		against, known := of[m.Name]
		if known {
			m.Against, m.Goal = against, 0
			some = append(some, m)
		}
		for _, other := range of {
			if m.Name == other {
				some = append(some, m)
			}
		}
	}
	return some
}

// check measures each ratio until it is as good as it must be, and fails for those that never were. With record it notes instead
// what was reached.
func check(ctx context.Context, bed *measure.Bed, file string, record bool) error {
	published, err := measure.Read[measure.Published](file)
	if err != nil {
		return fmt.Errorf("what was reached before: %w", err)
	}
	reached := map[string]float64{}
	var slow []error
	for _, m := range checked() {
		if m.Against == "" {
			continue
		}
		was := published.Check[m.Name]
		least := was * tolerated
		if record {
			least = math.Inf(1)
		}
		got, err := best(ctx, bed, m, least)
		if errors.Is(err, measure.ErrMissing) {
			bed.Say("left out: %v", err)
			continue
		}
		if err != nil {
			return err
		}
		bed.Say("%s ÷ %s: %.3f (it was %.3f)", m.Name, m.Against, got, was)
		reached[m.Name] = got
		if got < least {
			slow = append(slow, fmt.Errorf("%s ÷ %s is %.3f in the best of %d rounds, and was %.3f: profile it (docs/performance.md says how), "+
				"or where the change is worth it, note the new ratio with \"make bench-check RECORD=1\"", m.Name, m.Against, got, checkRounds, was))
		}
	}
	if record {
		published.Check = reached
		return measure.Write(file, published)
	}
	return errors.Join(slow...)
}

// best is the best rate of a measure, divided by the best of what it is divided by, over as many rounds as it takes to be good enough.
func best(ctx context.Context, bed *measure.Bed, m measure.Measure, enough float64) (ratio float64, err error) {
	plan := measure.Plan{Select: regexp.MustCompile("^" + regexp.QuoteMeta(m.Name) + "$"), Repeat: 1}
	var rate, against float64
	for range checkRounds {
		report, err := measure.Run(ctx, bed, plan, checked())
		if err != nil {
			return 0, fmt.Errorf("check %s: %w", m.Name, err)
		}
		if err := report.Failed(); err != nil {
			return 0, fmt.Errorf("check: %w", err)
		}
		one, other := report.Find(m.Name), report.Find(m.Against)
		if one == nil || other == nil {
			return 0, fmt.Errorf("%s: %w", m.Name, measure.ErrMissing)
		}
		rate, against = max(rate, one.Rate), max(against, other.Rate)
		if ratio = rate / against; ratio >= enough {
			break
		}
	}
	return ratio, nil
}
