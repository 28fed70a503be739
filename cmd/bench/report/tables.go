package main

import (
	"fmt"
	"strings"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
)

// goalMemory is what a projector may have resident, in MiB, whatever its lag.
const goalMemory = 256

// fillIn puts the tables between their marks.
func fillIn(page string, published *measure.Published) (string, error) {
	for name, table := range map[string]string{
		"goals": goals(published), "rates": rates(published), "runs": runs(published), "processors": processors(published),
		"growth": growth(published),
	} {
		begin, end := "<!-- figures: "+name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			return "", fmt.Errorf("there is no %q with %q behind it", strings.TrimSpace(begin), end)
		}
		page = before + begin + table + end + after
	}
	return page, nil
}

// latest are the lines of all runs; of a measure that is in several, that of the last.
func latest(published *measure.Published) []*measure.Line {
	var lines []*measure.Line
	seen := map[string]bool{}
	for _, run := range published.Runs {
		for i := range run.Lines {
			name := run.Lines[i].Name
			if line := published.Find(name); line != nil && !seen[name] {
				seen[name] = true
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// goals are what is to be reached, and what is.
func goals(published *measure.Published) string {
	var out strings.Builder
	out.WriteString("| what | reached | goal | |\n|---|---|---|---|\n")
	for _, l := range latest(published) {
		if l.Met == nil {
			continue
		}
		what, reached := "`"+l.Name+"`", measure.Figure(l.Rate)+" "+l.Unit
		if l.Against != "" {
			over, under := l.Name, l.Against
			if l.Of == measure.Peer {
				over, under = under, over
			}
			what, reached = fmt.Sprintf("%#q ÷ %#q", over, under), fmt.Sprintf("%.2f", l.Ratio)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", what, reached, l.GoalText(), verdict(*l.Met))
	}
	if most := mostMemory(published); most > 0 {
		fmt.Fprintf(&out, "| most memory of a projector that rebuilds | %d MiB | ≤ %d | %s |\n", most, goalMemory, verdict(most <= goalMemory))
	}
	return out.String()
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**not met**"
}

// mostMemory is the most that any projector had while it rebuilt one projection, in MiB.
func mostMemory(published *measure.Published) (most int64) {
	for _, l := range latest(published) {
		if strings.HasPrefix(l.Name, "rebuild/") {
			most = max(most, l.PeakRSS>>20) //nolint:mnd // bytes in a MiB
		}
	}
	return most
}

// rates are all measures.
func rates(published *measure.Published) string {
	var out strings.Builder
	out.WriteString("| measure | rate | ratio | memory | what is done |\n|---|---|---|---|---|\n")
	for _, l := range latest(published) {
		ratio, memory := "", ""
		if l.Ratio != 0 {
			ratio = fmt.Sprintf("%.2f of %#q", l.Ratio, l.Against)
			if l.Of == measure.Peer {
				ratio = fmt.Sprintf("%#q does %.2f of it", l.Against, l.Ratio)
			}
		}
		if l.PeakRSS > 0 {
			memory = fmt.Sprintf("%d MiB", l.PeakRSS>>20) //nolint:mnd // bytes in a MiB
		}
		fmt.Fprintf(&out, "| `%s` | %s %s | %s | %s | %s |\n", l.Name, measure.Figure(l.Rate), l.Unit, ratio, memory, l.About)
	}
	return out.String()
}

// runs are where the figures come from.
func runs(published *measure.Published) string {
	var out strings.Builder
	for _, r := range published.Runs {
		fmt.Fprintf(&out, "- %s: %d processors (%s, %s), %s Kafka, a log of %s; rounds: %d; %d measures in %.0f s\n",
			r.Taken.Format("2006-01-02"), r.Machine.Processors, r.Machine.Model, r.Machine.System, r.Kafka, r.Fill,
			r.Rounds, len(r.Lines), r.Seconds)
	}
	return out.String()
}

// processors are who uses them while all projections follow.
func processors(published *measure.Published) string {
	l := published.Find("follow/all")
	if l == nil || l.Extra(measure.ThisProcess+measure.PerMillion) == 0 {
		return "(not measured on this system)\n"
	}
	var out strings.Builder
	out.WriteString("| part | seconds of a processor for a million events |\n|---|---|\n")
	var sum float64
	for _, part := range measure.Parts() {
		seconds := l.Extra(part + measure.PerMillion)
		sum += seconds
		fmt.Fprintf(&out, "| %s | %.1f |\n", strings.ReplaceAll(part, "_", " "), seconds)
	}
	fmt.Fprintf(&out, "| all | %.1f |\n", sum)
	return out.String()
}

// growth is how the rate of one rebuild changes with what is in the tables.
func growth(published *measure.Published) string {
	var out strings.Builder
	out.WriteString("| ids | at 1M events | at 5M | at 10M | at 20M | late ÷ early | memory |\n|---|---|---|---|---|---|---|\n")
	for _, ids := range []string{"v7", "random"} {
		l := published.Find("growth/ids-" + ids)
		if l == nil {
			return "(not measured)\n"
		}
		fmt.Fprintf(&out, "| %s ", ids)
		for _, millions := range []int{1, 5, 10, 20} {
			rate := "not reached"
			if at := l.Extra(fmt.Sprintf("events_per_second_at_%dM", millions)); at > 0 {
				rate = measure.Figure(at) + " events/s"
			}
			fmt.Fprintf(&out, "| %s ", rate)
		}
		fmt.Fprintf(&out, "| %.2f | %d MiB |\n", l.Rate, l.PeakRSS>>20) //nolint:mnd // bytes in a MiB
	}
	return out.String()
}
