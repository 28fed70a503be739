package measure

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Plan says which measures run, and how often.
type Plan struct {
	// Select picks measures by name; nil picks all that are not slow. With a measure comes the one that it is divided by.
	Select *regexp.Regexp
	// Slow picks of the slow ones by the beginnings of their names, where Select is nil.
	Slow []string
	// Repeat is the number of rounds, at least 1.
	Repeat int
}

// Choose is what a plan runs, in the order of all.
func (p Plan) Choose(all []Measure) []Measure {
	wanted := map[string]bool{}
	for _, m := range all {
		if p.picks(m) {
			wanted[m.Name], wanted[m.Against] = true, true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(m Measure) bool { return !wanted[m.Name] })
}

func (p Plan) picks(m Measure) bool {
	if p.Select != nil {
		return p.Select.MatchString(m.Name)
	}
	return !m.Slow || slices.ContainsFunc(p.Slow, func(prefix string) bool { return strings.HasPrefix(m.Name, prefix) })
}

// Run measures, round after round; in each round every measure once, so that what is compared was measured within minutes. A measure
// that fails is told of in its line, and the others go on. It ends early only with the context.
func Run(ctx context.Context, bed *Bed, plan Plan, all []Measure) (*Report, error) {
	chosen := plan.Choose(all)
	if len(chosen) == 0 {
		return nil, errors.New("no measure has such a name")
	}
	lines := make([]Line, len(chosen))
	for i, m := range chosen {
		lines[i] = lineOf(m)
	}
	began := time.Now()
	rounds := max(plan.Repeat, 1)
	for round := range rounds {
		for i, m := range chosen {
			if lines[i].Missing != "" || lines[i].Failed != "" {
				continue
			}
			once := time.Now()
			result, err := m.Run(ctx, bed)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			lines[i].add(result, err)
			bed.Say("%d/%d %-34s %s (%.0f s)", round+1, rounds, m.Name, lines[i].last(), time.Since(once).Seconds())
		}
	}
	report := &Report{Machine: thisMachine(), Lines: lines, Fill: bed.Fill.String(), Kafka: "embedded", Rounds: rounds, Taken: began.UTC()}
	if bed.Apache {
		report.Kafka = "Apache Kafka"
	}
	report.Seconds = time.Since(began).Seconds()
	report.compare()
	return report, nil
}

func (l *Line) add(result Result, err error) {
	switch {
	case errors.Is(err, ErrMissing):
		l.Missing = err.Error()
	case err != nil:
		l.Failed = err.Error()
	default:
		l.Results = append(l.Results, result)
	}
}

// last tells people what the last round gave.
func (l *Line) last() string {
	switch {
	case l.Missing != "":
		return l.Missing
	case l.Failed != "":
		return "FAILED: " + l.Failed
	default:
		return fmt.Sprintf("%s %s", Figure(l.Results[len(l.Results)-1].Rate), l.Unit)
	}
}
