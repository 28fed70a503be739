package main

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printRevenue prints a table for each asset, the one with most events first.
func (a *app) printRevenue(rows []revenueRow, flags revenueFlags) error {
	byAsset, events := map[string][]revenueRow{}, map[string]int64{}
	for _, row := range rows {
		byAsset[row.AssetCode] = append(byAsset[row.AssetCode], row)
		events[row.AssetCode] += row.Events
	}
	assets := slices.SortedFunc(maps.Keys(byAsset), func(x, y string) int {
		return cmp.Or(cmp.Compare(events[y], events[x]), strings.Compare(x, y))
	})
	all := make([]*revenueTable, len(assets))
	dropped := 0 // the same columns in all tables
	for i, asset := range assets {
		all[i] = newRevenueTable(byAsset[asset], flags)
		dropped = max(dropped, all[i].tooMany(a.width()))
	}
	var out strings.Builder
	for i, asset := range assets {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "%s by %s in %s%s\n%s", asset, strings.ReplaceAll(flags.by, "_", " "), flags.tz, flags.described(),
			all[i].lay(dropped, a.width()))
	}
	return a.printf("%s", &out)
}

// revenueTable is one asset's periods, with what lies between them, their sum, and the net of each as a number, for its bar.
type revenueTable struct {
	by    string
	lines []revenueLine
	net   []float64
}

// The columns of figures, and which of them are dropped, in this order, where a terminal is narrow.
func revenueColumns() (headers []string, drop []int) {
	return []string{">EVENTS", ".GROSS", ".REFUNDS", ".FEES", ".NET"}, []int{0, 3, 2, 1}
}

// figures is the table without bars, and without the first so many columns that can be dropped.
func (t *revenueTable) figures(dropped int) (lines []string, widest int) {
	headers, drop := revenueColumns()
	var kept []int
	shown := []string{strings.ToUpper(strings.ReplaceAll(t.by, "_", " "))}
	for i, header := range headers {
		if !slices.Contains(drop[:dropped], i) {
			kept, shown = append(kept, i), append(shown, header)
		}
	}
	listed := newTable(shown...)
	for _, line := range t.lines {
		cells := append(make([]string, 0, len(shown)), line.name)
		for _, i := range kept {
			cells = append(cells, line.cells[i])
		}
		listed.row(cells...)
	}
	lines = strings.Split(strings.TrimRight(listed.String(), "\n"), "\n")
	for _, line := range lines {
		widest = max(widest, utf8.RuneCountInString(line))
	}
	return lines, widest
}

// space stands between the figures and a bar.
const space = 2

// tooMany is how many columns have to be dropped to leave room for bars.
func (t *revenueTable) tooMany(width int) int {
	const leastBar = 12
	_, drop := revenueColumns()
	for dropped := range drop {
		if _, widest := t.figures(dropped); width-widest-space >= leastBar {
			return dropped
		}
	}
	return len(drop)
}

// lay draws the table: behind each line but the heading and the sum a bar.
func (t *revenueTable) lay(dropped, width int) string {
	const mostBar = 60
	lines, widest := t.figures(dropped)
	drawn := bars(t.net, min(width-widest-space, mostBar))
	var out strings.Builder
	for i, line := range lines {
		if at := i - 1; at >= 0 && at < len(drawn) && drawn[at] != "" {
			line += strings.Repeat(" ", widest-utf8.RuneCountInString(line)+space) + drawn[at]
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

// revenueLine is a line of the table: events, gross, refunds, fees, net.
type revenueLine struct {
	name  string
	cells [5]string
}

// newRevenueTable makes a line a period. A short gap is shown period by period, a long one as its length.
func newRevenueTable(rows []revenueRow, flags revenueFlags) *revenueTable {
	t := &revenueTable{by: flags.by}
	figures := newFigures()
	total := revenueSum{}
	for i := range rows {
		r := &rows[i]
		total.add(r)
		figures.see(r.AssetCode, r.Gross, r.Refunds, r.Fees, r.Net)
	}
	const shortGap = 3
	for i := range rows {
		r := &rows[i]
		at := r.period(flags.zone)
		if i > 0 {
			before := rows[i-1].period(flags.zone)
			missing := gap(before, at)
			if missing > shortGap {
				t.add(0, revenueLine{name: fmt.Sprintf("  … %s %s", count(missing), periodsWord(flags.by))})
			} else {
				for p := before.next(); missing > 0; p, missing = p.next(), missing-1 {
					t.add(0, revenueLine{name: p.name(), cells: [5]string{"–"}})
				}
			}
		}
		show := func(amount string) string { return figures.show(r.AssetCode, amount) }
		net, _ := strconv.ParseFloat(r.Net, 64) // a bar is not exact
		t.add(net, revenueLine{at.name(), [5]string{
			count(r.Events), show(r.Gross), show(r.Refunds), show(r.Fees), show(r.Net),
		}})
	}
	if len(rows) == 1 {
		t.net = nil // There is nothing to compare it with, or to add.
		return t
	}
	t.lines = append(t.lines, total.line(rows[0].AssetCode, figures))
	return t
}

func (t *revenueTable) add(net float64, line revenueLine) {
	t.lines, t.net = append(t.lines, line), append(t.net, net)
}

// revenueSum adds periods up.
type revenueSum struct {
	events                    int64
	gross, refunds, fees, net big.Rat
}

func (s *revenueSum) add(r *revenueRow) {
	s.events += r.Events
	for _, part := range []struct {
		to   *big.Rat
		text string
	}{{&s.gross, r.Gross}, {&s.refunds, r.Refunds}, {&s.fees, r.Fees}, {&s.net, r.Net}} {
		if amount, ok := new(big.Rat).SetString(part.text); ok {
			part.to.Add(part.to, amount)
		}
	}
}

func (s *revenueSum) line(asset string, figures *figures) revenueLine {
	show := func(sum *big.Rat) string {
		const decimals = 18
		text := sum.FloatString(decimals) // amounts have no more
		return figures.show(asset, strings.TrimRight(strings.TrimRight(text, "0"), "."))
	}
	return revenueLine{"total", [5]string{count(s.events), show(&s.gross), show(&s.refunds), show(&s.fees), show(&s.net)}}
}
