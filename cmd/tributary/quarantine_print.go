package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// planRows bounds each list of a plan that people read.
const planRows = 15

// printPlan tells people what a release would do; programs get it at the end, with what it did.
func (a *app) printPlan(p *releasePlan) error {
	if a.asJSON {
		return nil
	}
	var out strings.Builder
	line := func(n int, words string) {
		if n > 0 {
			fmt.Fprintf(&out, "%7s  %s\n", count(n), words)
		}
	}
	if p.Records == 0 {
		a.notef("there is nothing to release")
		return nil
	}
	line(len(p.planned), "to be published again: "+byType(p.Ready))
	line(len(p.Counting), "count already: the same event lies elsewhere in the log, so to publish it would change nothing")
	line(len(p.Conflicts), "in conflict: the id stands for another content already, which counts")
	line(len(p.StillInvalid), "still invalid")
	line(p.Released, "released before")
	section(&out, "what would change", p.accountTable(), len(p.Accounts))
	section(&out, "", p.revenueTable(), len(p.Revenue))
	few(&out, "payments", p.Payments)
	few(&out, "receivers", p.Receivers)
	section(&out, "in conflict", othersTable(p.Conflicts), len(p.Conflicts))
	section(&out, "count already", othersTable(p.Counting), len(p.Counting))
	section(&out, "still invalid", invalidTable(p.StillInvalid), len(p.StillInvalid))
	return a.printf("%s", &out)
}

func section(out *strings.Builder, heading string, listed *table, rows int) {
	if rows == 0 {
		return
	}
	out.WriteByte('\n')
	if heading != "" {
		out.WriteString(heading + "\n")
	}
	out.WriteString(listed.String())
	if rows > planRows {
		fmt.Fprintf(out, "… and %s more; --json has all\n", count(rows-planRows))
	}
}

// few names some things, and how many there are.
func few(out *strings.Builder, things string, names []string) {
	if len(names) == 0 {
		return
	}
	shown := strings.Join(names[:min(len(names), planRows)], ", ")
	if more := len(names) - planRows; more > 0 {
		shown += fmt.Sprintf(" and %s more", count(more))
	}
	fmt.Fprintf(out, "\n%s: %s\n", things, printable(shown))
}

// byType names types with their numbers, most first.
func byType(types map[string]int) string {
	names := slices.SortedFunc(maps.Keys(types), func(a, b string) int {
		if types[a] != types[b] {
			return types[b] - types[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = shortType(name) + " " + count(types[name])
	}
	return strings.Join(names, ", ")
}

func (p *releasePlan) accountTable() *table {
	rows := p.Accounts[:min(len(p.Accounts), planRows)]
	figures := newFigures()
	for i := range rows {
		figures.see(rows[i].Asset, rows[i].Debits, rows[i].Credits)
	}
	listed := newTable("ACCOUNT", ".DEBITS", ".CREDITS", ".BALANCE", "ASSET", "LEDGER")
	for i := range rows {
		r := &rows[i]
		listed.row(r.Account, signed(figures.show(r.Asset, r.Debits)), signed(figures.show(r.Asset, r.Credits)),
			signed(figures.show(r.Asset, r.balance)), r.Asset, r.Ledger)
	}
	return listed
}

// signed shows that a figure is a change.
func signed(figure string) string {
	if strings.HasPrefix(figure, "-") || strings.Trim(figure, "0.") == "" {
		return figure
	}
	return "+" + figure
}

func (p *releasePlan) revenueTable() *table {
	rows := p.Revenue[:min(len(p.Revenue), planRows)]
	figures := newFigures()
	for i := range rows {
		figures.see(rows[i].Asset, rows[i].Gross, rows[i].Refunds, rows[i].Fees)
	}
	listed := newTable("REVENUE", "OWNER", ".GROSS", ".REFUNDS", ".FEES", "ASSET")
	for i := range rows {
		r := &rows[i]
		listed.row(r.Stream, r.Owner, signed(figures.show(r.Asset, r.Gross)), signed(figures.show(r.Asset, r.Refunds)),
			signed(figures.show(r.Asset, r.Fees)), r.Asset)
	}
	return listed
}

func othersTable(rows []otherCopy) *table {
	listed := newTable("POSITION", "COUNTS AT", "EVENT ID")
	for _, r := range rows[:min(len(rows), planRows)] {
		listed.row(r.Position, r.At, r.EventID)
	}
	return listed
}

func invalidTable(rows []stillInvalid) *table {
	listed := newTable("POSITION", "REASON", "WHERE", "MESSAGE")
	for _, r := range rows[:min(len(rows), planRows)] {
		listed.row(r.Position, r.Code, r.Path, r.Message)
	}
	return listed.fit(tableWidth)
}
