package revenue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// odd is a text that no query must take for anything else.
const odd = `it's a \ "post" {tz:String} ?` + "\t\n'); --"

func TestList(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	at := time.Date(2024, 12, 31, 19, 0, 0, 0, time.UTC)
	elsewhere := visit(at, "site", "post", 7_000)
	elsewhere.Ledger = "test"
	euros := visit(at, "site", "post", 3_000)
	euros.Data.(*eventsv1.MonetizationReceived).Amount = money(3_000, "EUR")
	b.commit(t, visit(at, "site", odd, 1_500), visit(at.Add(20*time.Minute), "site", "post", 500),
		visit(at.Add(24*time.Hour), "site", "post", 1),
		visit(at, "other", "post", 100), euros, elsewhere)

	list := func(q Query) []Row {
		t.Helper()
		rows, err := List(t.Context(), b.conn, q)
		require.NoError(t, err)
		return rows
	}
	usd := Query{Ledger: "main", Owner: "site", Asset: "USD"}
	with := func(change func(*Query)) Query {
		q := usd
		change(&q)
		return q
	}
	row := func(amount string, events int64, place func(*Row)) Row {
		r := Row{AssetCode: "USD", Gross: amount, Refunds: "0", Fees: "0", Net: amount, Events: events}
		place(&r)
		return r
	}
	kolkata := time.Date(2024, 12, 31, 19, 30, 0, 0, time.UTC)

	require.Equal(t, []Row{
		row("2", 2, func(r *Row) { r.Year, r.Month = 2024, 12 }), row("0.001", 1, func(r *Row) { r.Year, r.Month = 2025, 1 }),
	}, list(with(func(q *Query) { q.By = ByMonth })))
	require.Equal(t, []Row{row("2.001", 3, func(r *Row) { r.Year, r.Month = 2025, 1 })},
		list(with(func(q *Query) { q.By, q.TZ, q.Year = ByMonth, "Asia/Kolkata", 2025 })))
	require.Equal(t, []Row{row("2", 2, func(r *Row) { r.Year, r.DayOfWeek = 2025, 3 })},
		list(with(func(q *Query) { q.By, q.TZ, q.From, q.To = ByDayOfWeek, "Asia/Kolkata", "2025-01-01", "2025-01-01" })))
	require.Equal(t, []Row{row("2", 2, func(r *Row) { r.Year, r.DayOfYear = 2024, 366 })},
		list(with(func(q *Query) { q.By, q.To = ByDayOfYear, "2024-12-31" })))
	require.Equal(t, []Row{row("0.001", 1, func(r *Row) { r.Day = "2025-01-01" })},
		list(with(func(q *Query) { q.By, q.Year = ByDay, 2025 })))
	early := kolkata.Add(-time.Hour)
	require.Equal(t, []Row{row("2", 2, func(r *Row) { r.Hour = &early })},
		list(with(func(q *Query) { q.By, q.TZ, q.Year, q.To = ByHour, "Asia/Kolkata", 2025, "2025-01-01" })))
	require.Equal(t, []Row{row("1.5", 1, func(r *Row) { r.Year, r.Month = 2024, 12 })},
		list(with(func(q *Query) {
			q.By, q.PostID, q.Stream, q.Pointer = ByMonth, odd, Monetization, "$wallet.example/site"
		})))

	all := list(Query{By: ByMonth, Year: 2024})
	require.Len(t, all, 2)
	require.Equal(t, "EUR", all[0].AssetCode)
	require.Equal(t, "9.1", all[1].Gross)
	require.Empty(t, list(Query{By: ByDay, Owner: odd}))

	for _, q := range []Query{{By: "year"}, {By: ByDay, TZ: "Mars/Olympus"}, {By: ByDay, From: "yesterday"}} {
		_, err := List(t.Context(), b.conn, q)
		require.Error(t, err)
	}
}
