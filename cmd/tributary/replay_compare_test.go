package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/comparison"
)

// compared is a report of one view with that many rows that differ, the first of them about a conflict.
func comparedReport(rows int) comparison.Report {
	ten, twelve := "10", "12.5"
	report := comparison.Report{Views: []comparison.View{
		{
			Name: "books.account_balances", LiveRows: 1_000, OtherRows: 1_000, Different: int64(rows) - 1, Conflicts: 1,
			Deltas: []comparison.Delta{{Column: "credits", AssetCode: "EUR", Delta: "2500.5"}},
		},
		{Name: "books.entries", LiveRows: 5, OtherRows: 5, OtherCopies: 3},
	}}
	for n := range rows {
		d := comparison.Difference{
			View: "books.account_balances", Kind: comparison.KindDifferent, Conflict: n == 0,
			Key:    []comparison.Cell{{Column: "account", Value: fmt.Sprintf("merchant:m%d", n)}, {Column: "asset_code", Value: "EUR"}},
			Values: []comparison.Value{{Column: "credits", Live: &ten, Other: &twelve, Delta: "2.5", AssetCode: "EUR"}},
			Events: []comparison.Event{{EventID: "id", Type: "tributary.payment.posted.v1", Position: "payments/3@1042"}}, EventsTotal: 4,
		}
		report.Differences = append(report.Differences, d)
	}
	return report
}

func printed(t *testing.T, report comparison.Report, asJSON bool) string {
	t.Helper()
	var out bytes.Buffer
	a := &app{world: world{stdout: &out}, asJSON: asJSON}
	require.NoError(t, a.printComparison(report))
	return out.String()
}

// What differs stands in columns, faults before conflicts; of many the first few, and how many more.
func TestAComparisonIsPrinted(t *testing.T) {
	t.Parallel()
	text := printed(t, comparedReport(3), false)
	require.Contains(t, text, "DIFFERS")
	require.NotContains(t, text, "MISSING", "of no view there is anything to say")
	require.Regexp(t, `books\.entries +5 +5 +0 +0 +3 +same`, text)
	require.Contains(t, text, "books.account_balances merchant:m1 EUR\n  credits  10 → 12.5  (+2.5)\n"+
		"  by payment.posted payments/3@1042 and 3 more\n")
	require.Less(t, strings.Index(text, "merchant:m2"), strings.Index(text, "merchant:m0"), "conflicts come last")
	require.Contains(t, text, "by a conflict: payment.posted")
	require.Regexp(t, `credits +\+2,500\.5 +EUR`, text)
	require.NotContains(t, text, "more rows")

	text = printed(t, comparedReport(50), false)
	require.Equal(t, 7, strings.Count(text, "(+2.5)"), "rows of three lines in twenty")
	require.Contains(t, text, "… and 43 more rows; --json lists 50 in all")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 81, line)
	}
}

// A row that one generation lacks is said to be missing there.
func TestAMissingRowIsPrinted(t *testing.T) {
	t.Parallel()
	report := comparedReport(2)
	amount := "7"
	report.Differences[1].Kind = comparison.KindExtra
	report.Differences[1].Values = []comparison.Value{{Column: "credits", Other: &amount, Delta: "7"}}
	text := printed(t, report, false)
	require.Contains(t, text, "books.account_balances merchant:m1 EUR: only in the new tables\n  credits  — → 7\n")
}

// Machines get all of it.
func TestAComparisonIsJSON(t *testing.T) {
	t.Parallel()
	want := comparedReport(30)
	var got comparison.Report
	require.NoError(t, json.Unmarshal([]byte(printed(t, want, true)), &got))
	require.Equal(t, want, got)
}

// Where nothing differs there is a line a view.
func TestEqualGenerationsArePrinted(t *testing.T) {
	t.Parallel()
	text := printed(t, comparison.Report{Views: []comparison.View{{Name: "books.entries", LiveRows: 5, OtherRows: 5}}}, false)
	require.Equal(t, 2, strings.Count(text, "\n"))
	require.Contains(t, text, "same")
}
