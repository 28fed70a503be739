package main

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	tolerated = 0.5
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
		least := published.Check[m.Name] * tolerated
		for round := 0; round < checkRounds && (round == 0 || reached[m.Name] < least); round++ {
			ratio, err := once(ctx, bed, m)
			if errors.Is(err, measure.ErrMissing) {
				fmt.Fprintln(os.Stderr, "bench: left out:", err)
				least = 0
				break
			}
			if err != nil {
				return err
			}
			reached[m.Name] = max(reached[m.Name], ratio)
		}
		if got := reached[m.Name]; got < least && !record {
			slow = append(slow, fmt.Errorf("%s ÷ %s is %.3f at best, of %d rounds; it was %.3f: profile it (docs/performance.md says how), "+
				"or where the change is worth it, note the new ratio with \"make bench-check RECORD=1\"",
				m.Name, m.Against, got, checkRounds, published.Check[m.Name]))
		} else {
			fmt.Fprintf(os.Stdout, "%s ÷ %s: %.3f (it was %.3f)\n", m.Name, m.Against, got, published.Check[m.Name])
		}
	}
	if record {
		published.Check = reached
		return measure.Write(file, published) //nolint:wrapcheck // it says all
	}
	return errors.Join(slow...)
}

// once is a ratio of one round.
func once(ctx context.Context, bed *measure.Bed, m measure.Measure) (float64, error) {
	plan := measure.Plan{Select: regexp.MustCompile("^" + regexp.QuoteMeta(m.Name) + "$"), Repeat: 1}
	report, err := measure.Run(ctx, bed, plan, checked())
	if err != nil {
		return 0, fmt.Errorf("check %s: %w", m.Name, err)
	}
	if err := report.Failed(); err != nil {
		return 0, fmt.Errorf("check: %w", err)
	}
	line := report.Find(m.Name)
	if line == nil || line.Ratio == 0 {
		return 0, fmt.Errorf("%w: %s", measure.ErrMissing, m.Name)
	}
	return line.Ratio, nil
}
