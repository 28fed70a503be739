package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tributary-ledger/tributary/projections/comparison"
)

// comparedLines is about how many lines of differences people get.
const comparedLines = 20

// printComparison prints in what two generations differ: each value, and what that comes to for each view.
func (a *app) printComparison(report comparison.Report) error {
	if a.asJSON {
		return a.printJSON(report)
	}
	if err := a.printTable(comparedViews(report)); err != nil {
		return err
	}
	if !report.Agrees() {
		if err := a.printComparedValues(report); err != nil {
			return err
		}
	}
	return a.printComparedSums(report)
}

// comparedViews is a line a view: how many rows it has in either generation, and how many of them differ, and in what. Copies are rows
// that say the same of another copy of an event.
func comparedViews(report comparison.Report) *table {
	listed := newTable("VIEW", ">LIVE", ">NEW", ">MISSING", ">EXTRA", ">DIFFERENT", ">CONFLICTS", ">COPIES", "RESULT")
	for i := range report.Views {
		v := &report.Views[i]
		result := "same"
		switch {
		case v.Differing() > 0:
			result = "DIFFERS"
		case v.Conflicts > 0:
			result = "CONFLICTS"
		}
		listed.row(v.Name, count(v.LiveRows), count(v.OtherRows), count(v.Missing), count(v.Extra), count(v.Different),
			count(v.Conflicts), count(v.OtherCopies), result)
	}
	return listed.dropSame("0", "MISSING", "EXTRA", "DIFFERENT", "CONFLICTS", "COPIES")
}

// printComparedValues lists the first rows that differ, those that are not about conflicts before the others.
func (a *app) printComparedValues(report comparison.Report) error {
	rest := int64(0)
	for i := range report.Views {
		rest += report.Views[i].Differing() + report.Views[i].Conflicts
	}
	lines := 0
	for _, conflicts := range []bool{false, true} {
		for i := range report.Differences {
			d := &report.Differences[i]
			if d.Conflict != conflicts || lines >= comparedLines {
				continue
			}
			text := comparedText(d)
			if err := a.printf("\n%s", text); err != nil {
				return err
			}
			lines += strings.Count(text, "\n")
			rest--
		}
	}
	if rest == 0 {
		return nil
	}
	return a.printf("\n… and %s more rows; --json lists %s in all\n", count(rest), count(len(report.Differences)))
}

// comparedText says of a row how it differs: a line for each value, live and new, and one for the events behind it.
func comparedText(d *comparison.Difference) string {
	var out strings.Builder
	out.WriteString(d.View)
	for _, cell := range d.Key {
		out.WriteString(" " + printable(cell.Value))
	}
	switch d.Kind {
	case comparison.KindMissing:
		out.WriteString(": only in the live tables")
	case comparison.KindExtra:
		out.WriteString(": only in the new tables")
	}
	out.WriteString("\n")
	widest := 0
	for _, v := range d.Values {
		widest = max(widest, len(v.Column))
	}
	for _, v := range d.Values {
		fmt.Fprintf(&out, "  %-*s  %s → %s", widest, v.Column, printable(comparedValue(v.Live)), printable(comparedValue(v.Other)))
		if v.Delta != "" && v.Live != nil && v.Other != nil {
			out.WriteString("  (" + withSign(v.Delta) + ")")
		}
		out.WriteString("\n")
	}
	if events := comparedEvents(d); events != "" {
		out.WriteString("  by " + events + "\n")
	}
	return out.String()
}

// comparedValue is a value in a cell: long ones are cut.
func comparedValue(value *string) string {
	const most = 32
	switch {
	case value == nil:
		return "—"
	case len([]rune(*value)) > most:
		return string([]rune(*value)[:most-1]) + "…"
	default:
		return *value
	}
}

// withSign is a delta with its sign.
func withSign(delta string) string {
	if delta == "" || delta == "0" || strings.HasPrefix(delta, "-") {
		return delta
	}
	return "+" + delta
}

// comparedEvents names the first events of a difference.
func comparedEvents(d *comparison.Difference) string {
	const most = 2
	names := make([]string, 0, most)
	for i := range min(len(d.Events), most) {
		event := d.Events[i]
		name := event.Position
		if event.Type != "" {
			name = shortType(event.Type) + " " + name
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	if more := d.EventsTotal - int64(len(names)); more > 0 {
		text += " and " + strconv.FormatInt(more, 10) + " more"
	}
	if d.Conflict {
		text = strings.TrimSuffix("a conflict: "+text, ": ")
	}
	return text
}

// printComparedSums says what all rows that differ come to.
func (a *app) printComparedSums(report comparison.Report) error {
	sums := newTable("VIEW", "COLUMN", ".DELTA OF ALL ROWS", "ASSET")
	for i := range report.Views {
		for _, d := range report.Views[i].Deltas {
			sums.row(report.Views[i].Name, d.Column, withSign(thousands(d.Delta)), d.AssetCode)
		}
	}
	if len(sums.rows) == 0 {
		return nil
	}
	if err := a.printf("\n"); err != nil {
		return err
	}
	return a.printTable(sums)
}
