package revenue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tributary-ledger/tributary/ledger"
)

// By says which periods revenue is told by.
type By string

// The periods: each is a view's, by_ and its name.
const (
	ByHour      By = "hour"
	ByDay       By = "day"
	ByMonth     By = "month"
	ByDayOfWeek By = "day_of_week"
	ByDayOfYear By = "day_of_year"
)

// Query says which revenue. What is empty or zero leaves open.
type Query struct {
	Ledger, Stream, Owner, Pointer, PostID, Asset string
	// Owners are those of whom it may be; none leaves it open.
	Owners []string
	// By is required.
	By By
	// Year is one of the zone's.
	Year int
	// From and To are days, such as "2026-03-01", both included.
	From, To string
	// TZ is the time zone in which hours, days and years begin; UTC when empty.
	TZ string
	// KnownAt leaves out events of which no copy was recorded by then; zero: none.
	KnownAt time.Time
	// Generation is the one to read; 0 is the live one.
	Generation int32
}

// Shown is a generation as a Query names it: 0 for the live one. It is an error where people have no names for it.
func Shown(ctx context.Context, conn driver.Conn, generation int32) (int32, error) {
	if generation == 0 {
		return 0, nil
	}
	var live, named uint64
	err := conn.QueryRow(ctx, "SELECT countIf(database = {live:String} AND match(as_select, {table:String})), "+
		"countIf(database = {named:String}) FROM system.tables WHERE name = 'events'", clickhouse.Named("live", Name),
		clickhouse.Named("table", fmt.Sprintf(`\bevents_g%d\b`, generation)), clickhouse.Named("named", fmt.Sprintf("%s_g%d", Name, generation)),
	).Scan(&live, &named)
	switch {
	case err != nil:
		return 0, fmt.Errorf("look for generation %d of the revenue: %w", generation, err)
	case live > 0:
		return 0, nil
	case named == 0:
		return 0, fmt.Errorf("there is no generation %d of revenue to be asked; `tributary replay status` lists them", generation)
	default:
		return generation, nil
	}
}

// in makes SQL read the query's generation.
func (q *Query) in(sql string) string {
	if q.Generation == 0 {
		return sql
	}
	return strings.ReplaceAll(sql, Name+".", fmt.Sprintf("%s_g%d.", Name, q.Generation))
}

// Row is the revenue of a period in one asset; of the fields that name the period those that are not asked for are empty.
// Amounts are decimals.
type Row struct {
	// Hour is when it began, in UTC.
	Hour      *time.Time `json:"hour,omitempty"`
	Day       string     `json:"day,omitempty"`
	Year      int        `json:"year,omitempty"`
	Month     int        `json:"month,omitempty"`
	DayOfWeek int        `json:"day_of_week,omitempty"` // 1 is Monday.
	DayOfYear int        `json:"day_of_year,omitempty"`
	AssetCode string     `json:"asset_code"`
	Gross     string     `json:"gross"`
	Refunds   string     `json:"refunds"`
	Fees      string     `json:"fees"`
	Net       string     `json:"net"`
	Events    int64      `json:"events"`
}

// List gives the revenue of each period in which there was some, the earliest first, and of each asset by itself.
func List(ctx context.Context, conn driver.Conn, q Query) ([]Row, error) {
	sql, arguments, err := q.sql()
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, fmt.Errorf("read the revenue: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells whether all was read.
	var found []Row
	for rows.Next() {
		var r Row
		var year, number int32
		var at time.Time
		if err := rows.Scan(&at, &year, &number, &r.AssetCode, &r.Gross, &r.Refunds, &r.Fees, &r.Net, &r.Events); err != nil {
			return nil, fmt.Errorf("read the revenue: %w", err)
		}
		r.place(q.By, at.UTC(), int(year), int(number))
		found = append(found, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the revenue: %w", err)
	}
	return found, nil
}

// place names the row's period.
func (r *Row) place(by By, at time.Time, year, number int) {
	r.Year = year
	switch by {
	case ByHour:
		r.Hour = &at
	case ByDay:
		r.Day = at.Format(time.DateOnly)
	case ByMonth:
		r.Month = number
	case ByDayOfWeek:
		r.DayOfWeek = number
	default:
		r.DayOfYear = number
	}
}

// sql is the question to ClickHouse: for each period, as an instant or a day, or as a year and a number within it, the sums.
func (q *Query) sql() (sql string, arguments []any, err error) {
	c, where, arguments, err := q.asked()
	if err != nil {
		return "", nil, err
	}
	return q.in(fmt.Sprintf(`SELECT %s AS at, toInt32(%s) AS in_year, toInt32(%s) AS number, toString(asset_code) AS asset,
			toString(sum(gross)), toString(sum(refunds)), toString(sum(fees)), toString(sum(net)), toInt64(sum(events))
		FROM revenue.%s WHERE %s GROUP BY at, in_year, number, asset ORDER BY at, in_year, number, asset`,
		c.at, c.year, c.number, q.viewOf(c), where)), arguments, nil
}

// viewOf is the view that answers, with its parameters.
func (q *Query) viewOf(c columns) string {
	view, parameters := c.view, []string{}
	if q.TZ != "UTC" {
		view += "_in"
		parameters = append(parameters, "tz = '"+q.TZ+"'")
	}
	if !q.KnownAt.IsZero() {
		view += "_known_at"
		parameters = append(parameters, "known_at = '"+clickhouseTime(q.KnownAt)+"'")
	}
	if len(parameters) == 0 {
		return view
	}
	return view + "(" + strings.Join(parameters, ", ") + ")"
}

// clickhouseTime is a time as ClickHouse reads it, in UTC.
func clickhouseTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

// asked is the question in terms of a view's columns: which view and columns, and a condition.
func (q *Query) asked() (c columns, condition string, arguments []any, err error) {
	if q.TZ == "" {
		q.TZ = "UTC"
	}
	if !ledger.IsTimeZone(q.TZ) {
		return c, "", nil, fmt.Errorf("there is no time zone %q; they are named as Europe/Paris is", q.TZ)
	}
	if c, err = q.columns(); err != nil {
		return c, "", nil, err
	}
	where, arguments, err := q.conditions(c.day)
	if err != nil {
		return c, "", nil, err
	}
	if q.Year != 0 {
		year := c.year
		if q.By == ByHour || q.By == ByDay {
			year = "toYear(" + c.day + ")"
		}
		where = append(where, fmt.Sprintf("%s = %d", year, q.Year))
	}
	return c, strings.Join(where, " AND "), arguments, nil
}

// conditions are those on columns of every view, and on the day; values are parameters.
func (q *Query) conditions(day string) (where []string, arguments []any, err error) {
	where = []string{"1"}
	for _, c := range []struct{ column, value string }{
		{"ledger", q.Ledger}, {"stream", q.Stream}, {"owner", q.Owner}, {"pointer", q.Pointer}, {"post_id", q.PostID}, {"asset_code", q.Asset},
	} {
		if c.value != "" {
			where = append(where, fmt.Sprintf("%[1]s = {%[1]s:String}", c.column))
			arguments = append(arguments, clickhouse.Named(c.column, c.value))
		}
	}
	if len(q.Owners) > 0 {
		where = append(where, "owner IN {owners:Array(String)}")
		arguments = append(arguments, clickhouse.Named("owners", q.Owners))
	}
	for _, bound := range []struct{ name, compares, day string }{{"from", ">=", q.From}, {"to", "<=", q.To}} {
		if bound.day == "" {
			continue
		}
		if _, err := time.Parse(time.DateOnly, bound.day); err != nil {
			return nil, nil, fmt.Errorf("%q is no day: want one such as 2026-03-01", bound.day)
		}
		where = append(where, fmt.Sprintf("%s %s {%s:Date}", day, bound.compares, bound.name))
		arguments = append(arguments, clickhouse.Named(bound.name, bound.day))
	}
	return where, arguments, nil
}

// columns are a view, and expressions that name its periods: an instant, or a year and a number within it; and the day.
type columns struct{ view, at, year, number, day string }

// columns are those of the view that answers: months and the like are counted from days where days are asked for.
func (q *Query) columns() (columns, error) {
	const none, never = "0", "toDateTime(0, 'UTC')"
	ofDay, ok := map[By]string{ByMonth: "toMonth(day)", ByDayOfWeek: "toDayOfWeek(day)", ByDayOfYear: "toDayOfYear(day)"}[q.By]
	switch {
	case q.By == ByHour:
		return columns{"by_hour", "hour", none, none, "toDate(hour, '" + q.TZ + "')"}, nil
	case q.By == ByDay:
		return columns{"by_day", "toDateTime(day, 'UTC')", none, none, "day"}, nil
	case !ok:
		return columns{}, fmt.Errorf("there is no period %q; there are hour, day, month, day_of_week and day_of_year", q.By)
	case q.From != "" || q.To != "":
		return columns{"by_day", never, "toYear(day)", ofDay, "day"}, nil
	default:
		return columns{"by_" + string(q.By), never, "year", string(q.By), ""}, nil
	}
}
