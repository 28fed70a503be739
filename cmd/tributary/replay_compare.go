package main

import (
	"strconv"
	"strings"

	"github.com/tributary-ledger/tributary/projections/comparison"
)

// comparedLines is how many lines of differences people get.
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

// comparedViews is a line a view.
func comparedViews(report comparison.Report) *table {
	listed := newTable("VIEW", ">LIVE ROWS", ">NEW ROWS", ">MISSING", ">EXTRA", ">DIFFERENT", ">CONFLICTS", ">OTHER COPIES", "RESULT")
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
	return listed
}

// printComparedValues lists the first values that differ, those that are not about conflicts before the others.
func (a *app) printComparedValues(report comparison.Report) error {
	listed := newTable("VIEW", "KEY", "COLUMN", "LIVE", "NEW", ".DELTA", "EVENTS")
	rest := int64(0)
	for i := range report.Views {
		rest += report.Views[i].Differing() + report.Views[i].Conflicts
	}
	for _, conflicts := range []bool{false, true} {
		for i := range report.Differences {
			if d := &report.Differences[i]; d.Conflict == conflicts && len(listed.rows) < comparedLines {
				addCompared(listed, d)
				rest--
			}
		}
	}
	if len(listed.rows) > comparedLines {
		listed.rows = listed.rows[:comparedLines]
	}
	if err := a.printf("\n"); err != nil {
		return err
	}
	if err := a.printTable(listed); err != nil {
		return err
	}
	if rest == 0 {
		return nil
	}
	return a.printf("… and %s more rows; --json lists %s in all\n", count(rest), count(len(report.Differences)))
}

// addCompared adds a line for each value of a difference; the events stand in the first.
func addCompared(listed *table, d *comparison.Difference) {
	key := make([]string, len(d.Key))
	for i, cell := range d.Key {
		key[i] = cell.Value
	}
	name, events := strings.Join(key, " "), comparedEvents(d)
	values := d.Values
	if d.Kind != comparison.KindDifferent {
		there, missing := "there", "—"
		whole := comparison.Value{Column: "(the row)", Live: &there, Other: &missing}
		if d.Kind == comparison.KindExtra {
			whole.Live, whole.Other = whole.Other, whole.Live
		}
		values = append([]comparison.Value{whole}, values...)
	}
	for _, v := range values {
		listed.row(d.View, name, v.Column, comparedValue(v.Live), comparedValue(v.Other), withSign(v.Delta), events)
	}
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
		text = strings.TrimSpace("conflict: " + text)
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
