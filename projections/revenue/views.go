package revenue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

// LiveViews are the events and the posts. Of a post all but the latest row goes away when parts merge; FINAL leaves them out
// before that, too.
func (*Projection) LiveViews(generation clickhouse.Generation) []clickhouse.View {
	return []clickhouse.View{
		{
			Name:    "events",
			Comment: "A row an event that moved money: what came in (gross), what went back (refunds), what was kept (fees).",
			Columns: definitions("Decimal(38, 18)", "ledger", "stream", "owner", "event_id", "type", "occurred_at", "occurred_s", "recorded_at",
				"pointer", "post_id", "session_id", "asset_code", "gross", "fees", "refunds", "topic", "partition", "kafka_offset"),
			Select: "SELECT ledger, stream, owner, event_id, type, occurred_at, toDateTime(occurred_at, 'UTC') AS occurred_s, recorded_at," +
				" pointer, post_id, session_id, asset_code, gross, fees, refunds, topic, `partition`, kafka_offset FROM " +
				generation.Table("events"),
		},
		{
			Name:    "posts",
			Comment: "A row a post of a site, as it was published last.",
			Columns: definitions("", "ledger", "plugin_id", "of.post_id", "title", "url", "category"),
			Select:  "SELECT ledger, plugin_id, post_id, title, url, category FROM " + generation.Table("posts") + " FINAL",
		},
		{
			Name: "copies",
			Comment: "A row a further copy of an event that is in events: where it lies in the log, and when it was recorded. An event is known " +
				"from the first of its copies on.",
			Columns: definitions("", "event_id", "recorded_at", "topic", "partition", "kafka_offset"),
			Select:  "SELECT event_id, recorded_at, topic, `partition`, kafka_offset FROM " + generation.Table("copies") + " FINAL",
		},
	}
}

// period is a way to cut time into pieces.
type period struct {
	name, comment string
	// columns say which piece; they are given, of a quarter hour, by expressions in UTC and in a time zone.
	columns, utc, local []string
	// hours tells that local needs the whole hours before.
	hours bool
}

func periods() []period {
	return []period{
		{
			name:    "by_hour",
			comment: "Revenue by hour. hour is when it began: where clocks are set, an hour that comes twice is two, and one may be short.",
			columns: []string{"hour"}, utc: []string{"toStartOfHour(" + quarter + ")"}, hours: true, local: []string{hourStart()},
		},
		byDate("by_day", "Revenue by day.", "day", ""),
		byDate("by_month", "Revenue by month, from 1 to 12.", "year", "toYear", "month", "toMonth"),
		byDate("by_day_of_week", "Revenue by year and day of the week: 1 is Monday, 7 Sunday.", "year", "toYear", "day_of_week", "toDayOfWeek"),
		byDate("by_day_of_year", "Revenue by year and day of the year, from 1.", "year", "toYear", "day_of_year", "toDayOfYear"),
	}
}

// byDate is a period by columns that are functions of the date; none is the date itself.
func byDate(name, comment string, columnsAndFunctions ...string) period {
	p := period{name: name, comment: comment}
	for pair := range slices.Chunk(columnsAndFunctions, 2) {
		p.columns = append(p.columns, pair[0])
		p.utc = append(p.utc, pair[1]+"(toDate("+quarter+"))")
		p.local = append(p.local, pair[1]+"(toDate(local))")
	}
	return p
}

// events is what is known for ever: all of them.
const events = "revenue.events"

// known is the parameter of the views as of a recorded time: a string, because ClickHouse does not read RFC 3339 as a DateTime64.
const known = "parseDateTime64BestEffort({known_at:String}, 6, 'UTC')"

// knownEvents are those columns of the events of which a copy was in the log by then. (A condition with OR would have ClickHouse read every
// id, which no other column outweighs.)
func knownEvents(columns string) string {
	return fmt.Sprintf(`(SELECT %[1]s FROM revenue.events WHERE recorded_at <= %[2]s
		UNION ALL SELECT %[1]s FROM revenue.events WHERE recorded_at > %[2]s
			AND event_id IN (SELECT event_id FROM revenue.copies WHERE recorded_at <= %[2]s))`, columns, known)
}

// zoned are events in a zone, as the period's columns need them.
func (p period) zoned(localized string) string {
	if p.hours {
		return withWholeHours(localized)
	}
	return localized
}

// Views are the periods, in UTC and in any time zone, and the same as they were known at a time.
func (*Projection) Views() []clickhouse.View {
	all := periods()
	views := make([]clickhouse.View, 0, 4*len(all))
	then := knownEvents("occurred_at, " + keys + ", gross, refunds, fees")
	for _, p := range all {
		views = append(views,
			clickhouse.View{Name: p.name, Comment: p.comment + " In UTC.", Columns: p.definitions(), Select: p.query(events, p.utc)},
			clickhouse.View{
				Name: p.name + "_in", Comment: p.comment + " In a time zone: " + p.name + "_in(tz = 'Asia/Kolkata').",
				Select: p.query(p.zoned(inZone(events)), p.local),
			},
			clickhouse.View{
				Name: p.name + "_known_at", Comment: p.comment + " In UTC, by the events that were recorded by then: " +
					p.name + "_known_at(known_at = '2026-04-01 00:00:00'), a time in UTC. Titles are the latest.",
				Select: p.query(then, p.utc),
			},
			clickhouse.View{
				Name: p.name + "_in_known_at", Comment: p.comment + " In a time zone, by the events that were recorded by then: " +
					p.name + "_in_known_at(tz = 'Asia/Kolkata', known_at = '2026-04-01 00:00:00'), a time in UTC. Titles are the latest.",
				Select: p.query(p.zoned(inZone(then)), p.local),
			})
	}
	return views
}

// definitions are the columns of the view in UTC. That in a zone has the same.
func (p period) definitions() []string {
	names := []string{"ledger", "stream", "owner", "pointer", "post_id", "post_title", "asset_code"}
	names = append(append(names, p.columns...), "gross", "refunds", "fees", "net", "events")
	return definitions("Decimal(76, 18)", names...)
}

// query is the view's. Inside it adds the quarter hours up, by every key, and outside it names the posts. The posts are few:
// they are always the side of the join that is held in memory. A post without a title has an empty one, also for those whose
// sessions ask for NULL, as dbt's do.
func (p period) query(from string, expressions []string) string {
	inner := make([]string, len(p.columns))
	for i, column := range p.columns {
		inner[i] = expressions[i] + " AS " + column
	}
	columns := strings.Join(p.columns, ", ")
	return `SELECT e.ledger AS ledger, e.stream AS stream, e.owner AS owner, e.pointer AS pointer, e.post_id AS post_id,
	p.title AS post_title, e.asset_code AS asset_code, ` + columns + `, e.g AS gross, e.r AS refunds, e.f AS fees,
	e.g - e.r - e.f AS net, e.n AS events
FROM (
	SELECT ` + keys + `, ` + strings.Join(inner, ", ") + `,
		sum(toDecimal256(gross, 18)) AS g, sum(toDecimal256(refunds, 18)) AS r, sum(toDecimal256(fees, 18)) AS f, count() AS n
	FROM ` + from + `
	GROUP BY ` + keys + `, ` + columns + `
) AS e LEFT ANY JOIN revenue.posts AS p ON p.ledger = e.ledger AND p.plugin_id = e.owner AND p.post_id = e.post_id
SETTINGS join_use_nulls = 0, query_plan_join_swap_table = 'false', enable_join_runtime_filters = 0`
}
