package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// readRevenue asks the view of the period; where days bound it, that of days, for a period may be cut by them.
func readRevenue(ctx context.Context, conn clickhouse.Conn, flags revenueFlags) ([]revenueRow, error) {
	sql, arguments := flags.sql()
	rows, err := conn.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, fmt.Errorf("read the revenue: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells whether all was read
	var found []revenueRow
	for rows.Next() {
		var r revenueRow
		var year, number int32
		var at time.Time
		if err := rows.Scan(&at, &year, &number, &r.AssetCode, &r.Gross, &r.Refunds, &r.Fees, &r.Net, &r.Events); err != nil {
			return nil, fmt.Errorf("read the revenue: %w", err)
		}
		r.place(flags.by, at, int(year), int(number), flags.zone)
		found = append(found, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the revenue: %w", err)
	}
	return found, nil
}

// place names the row's period.
func (r *revenueRow) place(by string, at time.Time, year, number int, zone *time.Location) {
	if by != byHour && by != byDay {
		r.Year = year
	}
	switch by {
	case byHour:
		at = at.In(zone)
		r.Hour = &at
	case byDay:
		r.Day = at.Format(time.DateOnly)
	case byMonth:
		r.Month = number
	case byDayOfWeek:
		r.DayOfWeek = number
	case byDayOfYear:
		r.DayOfYear = number
	}
}

// sql is the question to ClickHouse: for each period, as an hour or a day, or as a year and a number within it, the sums.
func (f *revenueFlags) sql() (sql string, arguments []any) {
	at, year, number, day := "toDateTime(0, 'UTC')", "year", f.by, ""
	view := "by_" + f.by
	switch f.by {
	case byHour:
		at, year, number, day = "hour", "0", "0", fmt.Sprintf("toDate(hour, '%s')", f.tz)
	case byDay:
		at, year, number, day = "toDateTime(day, 'UTC')", "0", "0", "day"
	default:
		if !f.from.IsZero() || !f.to.IsZero() {
			view, year, day = "by_day", "toYear(day)", "day"
			number = map[string]string{byMonth: "toMonth(day)", byDayOfWeek: "toDayOfWeek(day)", byDayOfYear: "toDayOfYear(day)"}[f.by]
		}
	}
	where := []string{"ledger = ?"}
	arguments = []any{f.ledger}
	for _, named := range []struct{ column, value string }{
		{"stream", f.stream}, {"owner", f.owner}, {"pointer", f.pointer}, {"post_id", f.post}, {"asset_code", f.asset},
	} {
		if named.value != "" {
			where, arguments = append(where, named.column+" = ?"), append(arguments, named.value)
		}
	}
	if f.year != 0 && day == "" {
		where, arguments = append(where, "year = ?"), append(arguments, f.year)
	} else if f.year != 0 {
		where, arguments = append(where, "toYear("+day+") = ?"), append(arguments, f.year)
	}
	for _, bound := range []struct{ compares, text string }{{">=", f.fromText}, {"<=", f.toText}} {
		if bound.text != "" {
			where, arguments = append(where, day+" "+bound.compares+" toDate(?)"), append(arguments, bound.text)
		}
	}
	return fmt.Sprintf(`SELECT %s AS period_at, toInt32(%s) AS period_year, toInt32(%s) AS period_number, toString(asset_code),
			toString(sum(gross)), toString(sum(refunds)), toString(sum(fees)), toString(sum(net)), toInt64(sum(events))
		FROM revenue.%s_in(tz = '%s') WHERE %s
		GROUP BY period_at, period_year, period_number, asset_code ORDER BY period_at, period_year, period_number, asset_code`,
		at, year, number, view, f.tz, strings.Join(where, " AND ")), arguments
}

// namesIn are the values of a column of revenue.events, the busiest first.
func namesIn(ctx context.Context, conn clickhouse.Conn, column string) ([]string, error) {
	rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT toString(%[1]s) FROM revenue.events WHERE %[1]s != ''
		GROUP BY %[1]s ORDER BY count() DESC LIMIT 10000`, column))
	if err != nil {
		return nil, fmt.Errorf("read the names that revenue has: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells whether all was read
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read the names that revenue has: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
