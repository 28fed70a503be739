package main

import (
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/evidence"
)

// printStatement prints a figure's events as a table that adds up, and whether the tables say the same.
func (a *app) printStatement(s *statement, proof *evidence.Proof) error {
	laid := s.table(proof, true).String()
	if s.figure.Result != "" && widthOf(laid) > a.width() {
		laid = s.table(proof, false).String()
	}
	heading := s.figure.Name + ", " + s.figure.Asset
	if s.figure.Ledger != ledger.DefaultLedger && s.figure.Ledger != "" {
		heading += ", ledger " + s.figure.Ledger
	}
	if err := a.printf("%s\n%s%s", printable(heading), laid, verdict(proof)); err != nil {
		return err
	}
	return nil
}

func widthOf(laid string) int {
	width := 0
	for line := range strings.Lines(laid) {
		width = max(width, utf8.RuneCountInString(strings.TrimRight(line, "\n")))
	}
	return width
}

// laying is a statement on its way into a table.
type laying struct {
	*statement

	table   *table
	figures *figures
	// room tells that each column of the figure has one of the table; else there is one for what they come to.
	room    bool
	running evidence.Sum
}

// table lays the statement out; where there is little room, with what each event adds in one column.
func (s *statement) table(proof *evidence.Proof, room bool) *table {
	l := laying{s, newTable(s.headers(room)...), s.decimals(proof), room, evidence.NewSum(len(s.figure.Columns))}
	l.others("… %s before", &s.opening)
	l.others("… %s more", &s.earlier)
	for _, event := range s.events() {
		position := event.At.String()
		if event.Disputed {
			position += " !"
		}
		l.row([3]string{event.OccurredAt.In(s.how.zone).Format(time.DateTime), shortType(event.Event.Type), event.Event.Reference},
			event.Adds, event.result, position)
		l.running.Add(event.Adds)
	}
	l.others("… %s after", &s.later)
	l.row([3]string{1: "the log, " + countOf(proof.Sum.Events, "event")}, proof.Sum.Amounts, s.of(proof.Sum.Amounts), "")
	stored := s.figure.StoredResult
	if stored == nil {
		stored = s.of(s.figure.Stored.Amounts)
	}
	l.row([3]string{1: "the tables"}, s.figure.Stored.Amounts, stored, "")
	return l.table
}

func (s *statement) headers(room bool) []string {
	occurred := "OCCURRED"
	if zone := s.how.zone.String(); zone != "UTC" {
		occurred += " IN " + strings.ToUpper(zone)
	}
	headers := []string{occurred, "EVENT", "REFERENCE"}
	if room {
		for _, column := range s.figure.Columns {
			headers = append(headers, "."+strings.ToUpper(column))
		}
	}
	if s.figure.Result != "" {
		headers = append(headers, "."+strings.ToUpper(s.figure.Result))
	}
	return append(headers, "POSITION")
}

// others is a line for events that are not listed.
func (l *laying) others(what string, sum *evidence.Sum) {
	for i := range sum.Amounts {
		l.running.Amounts[i].Add(l.running.Amounts[i], sum.Amounts[i])
	}
	if sum.Events == 0 {
		return
	}
	result := sum.Amounts
	if l.how.running {
		result = l.running.Amounts
	}
	l.row([3]string{1: fmt.Sprintf(what, countOf(sum.Events, "event"))}, sum.Amounts, l.of(result), "")
}

func (l *laying) row(cells [3]string, amounts []*big.Int, result *big.Int, position string) {
	all := cells[:]
	if l.room {
		for _, amount := range amounts {
			shown := ""
			if amount.Sign() != 0 {
				shown = l.figures.show(l.figure.Asset, ledger.FormatUnits(amount))
			}
			all = append(all, shown)
		}
	}
	if l.figure.Result != "" {
		all = append(all, l.figures.show(l.figure.Asset, ledger.FormatUnits(result)))
	}
	l.table.row(append(all, position)...)
}

// of is what amounts come to; nothing where they stand apart.
func (s *statement) of(amounts []*big.Int) *big.Int {
	if s.figure.Result == "" {
		return nil
	}
	return s.figure.Of(amounts)
}

// decimals sees all amounts that are shown.
func (s *statement) decimals(proof *evidence.Proof) *figures {
	figures := newFigures()
	see := func(amounts []*big.Int) {
		for _, amount := range amounts {
			figures.see(s.figure.Asset, ledger.FormatUnits(amount))
		}
	}
	for i := range s.latest {
		see(s.latest[i].Adds)
	}
	for _, sum := range []*evidence.Sum{&s.opening, &s.earlier, &s.later, &proof.Sum, &s.figure.Stored} {
		see(sum.Amounts)
	}
	return figures
}

// countOf is so many of a thing.
func countOf(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// verdict says whether the log and the tables agree, and where they do not.
func verdict(proof *evidence.Proof) string {
	if proof.Agrees() {
		return "The events in the log add up to what the tables say.\n"
	}
	const most = 20
	var out strings.Builder
	fmt.Fprintf(&out, "DIFFERS: the log and the tables do not say the same, in %s:\n", countOf(proof.DifferencesTotal, "place"))
	for _, d := range proof.Differences[:min(len(proof.Differences), most)] {
		fmt.Fprintf(&out, "  %s: %s is %s in the tables, and %s by the log\n", d.Where, d.What, printable(d.Stored), printable(d.Log))
	}
	if more := proof.DifferencesTotal - int64(min(len(proof.Differences), most)); more > 0 {
		fmt.Fprintf(&out, "  … and %s more; --json lists %d\n", count(more), len(proof.Differences))
	}
	return out.String()
}
