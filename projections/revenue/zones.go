package revenue

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// zone is the parameter of the views in a time zone.
const zone = "{tz:String}"

// inZone are the events with their quarter hour as the clocks of the zone show it, local, a DateTime in it. Where that cannot
// be known it refuses. (Each name is a level of its own: within one level ClickHouse writes every name out, which takes it
// longer than to answer.)
func inZone(events string) string { return localized(keys+", gross, refunds, fees", events) }

// localized are those columns of events, with their quarter hour and local.
func localized(columns, events string) string {
	return fmt.Sprintf(`(SELECT *, toTimeZone(quarter + throwIf(%s, %s), %s) AS local
		FROM (SELECT %s, %s AS quarter FROM %s))`, unknowable(), refusal, zone, columns, quarter, events)
}

const refusal = "concat('The clocks of ', " + zone + ", ' were not set at whole quarter hours then; revenue.events has the times')"

// stretch is a time in which a zone's clocks ran as they do in no other.
type stretch struct {
	zone        string
	from, until time.Time
}

// ragged are stretches in which clocks were off by other than whole quarter hours, or are not known to ClickHouse exactly: it
// takes clocks to be set at whole quarter hours, and once a day at most.
func ragged() []stretch {
	start := time.Unix(0, 0).UTC()
	return []stretch{
		{"Africa/Monrovia", start, time.Date(1972, 1, 8, 0, 0, 0, 0, time.UTC)},     // 44 minutes and a half behind
		{"Pacific/Kiritimati", start, time.Date(1979, 10, 3, 0, 0, 0, 0, time.UTC)}, // 10 hours 40 behind
		{"Asia/Tehran", start, time.Date(1978, 11, 12, 0, 0, 0, 0, time.UTC)},       // set twice in a day
		{"Iran", start, time.Date(1978, 11, 12, 0, 0, 0, 0, time.UTC)},
		{"Pacific/Guam", start, time.Date(1976, 8, 21, 15, 15, 0, 0, time.UTC)}, // set at 00:01
		{"Pacific/Saipan", start, time.Date(1976, 8, 21, 15, 15, 0, 0, time.UTC)},
		{"Antarctica/Casey", start, time.Date(2022, 10, 1, 16, 15, 0, 0, time.UTC)}, // set at 00:01, and at 02:00 to the day before
	}
}

// minuteLate are stretches in which clocks were set a minute past midnight, from the first such quarter hour to the last.
// ClickHouse takes it for midnight: a minute of those quarter hours would count to the wrong hour, and often to the wrong day.
func minuteLate() []stretch {
	return []stretch{
		{"America/St_Johns", time.Date(1987, 4, 5, 3, 30, 0, 0, time.UTC), time.Date(2011, 3, 13, 3, 45, 0, 0, time.UTC)},
		{"Canada/Newfoundland", time.Date(1987, 4, 5, 3, 30, 0, 0, time.UTC), time.Date(2011, 3, 13, 3, 45, 0, 0, time.UTC)},
		{"America/Goose_Bay", time.Date(1987, 4, 5, 4, 0, 0, 0, time.UTC), time.Date(2011, 3, 13, 4, 15, 0, 0, time.UTC)},
		{"America/Moncton", time.Date(1993, 4, 4, 4, 0, 0, 0, time.UTC), time.Date(2006, 10, 29, 3, 15, 0, 0, time.UTC)},
		{"Asia/Gaza", time.Date(2010, 3, 26, 22, 0, 0, 0, time.UTC), time.Date(2011, 3, 31, 22, 15, 0, 0, time.UTC)},
		{"Asia/Hebron", time.Date(2011, 3, 31, 22, 0, 0, 0, time.UTC), time.Date(2011, 3, 31, 22, 15, 0, 0, time.UTC)},
	}
}

// unknowable tells in SQL whether the quarter hour is one that no zone's clock can be told of: all of a ragged stretch, and
// those at which clocks were set in one of minuteLate. For all other zones it folds to comparisons with constants.
func unknowable() string {
	return within(ragged()) + " OR " + within(minuteLate()) + " AND NOT " + runsOn("toTimeZone(quarter, "+zone+")", 1)
}

// within tells in SQL whether the quarter hour lies in one of the stretches of the zone, which has one at most.
func within(stretches []stretch) string {
	zones, froms, untils := make([]string, len(stretches)), make([]string, len(stretches)), make([]string, len(stretches))
	for i, s := range stretches {
		zones[i] = "'" + s.zone + "'"
		froms[i], untils[i] = strconv.FormatInt(s.from.Unix(), 10), strconv.FormatInt(s.until.Unix(), 10)
	}
	bound := func(seconds []string) string {
		return fmt.Sprintf("transform(%s, [%s], [%s], 0)", zone, strings.Join(zones, ", "), strings.Join(seconds, ", "))
	}
	return fmt.Sprintf("toUnixTimestamp(quarter) >= %s AND toUnixTimestamp(quarter) < %s", bound(froms), bound(untils))
}

// runsOn tells in SQL whether the clocks were not set in the quarter hours up to a DateTime of the zone. (A day that is left
// out whole does not show on the clock, nor does it matter to hours.)
func runsOn(local string, quarterHours int) string {
	const dayMinutes = 24 * 60
	clock := func(at string) string { return fmt.Sprintf("toHour(%[1]s) * 60 + toMinute(%[1]s)", at) }
	minutes := quarterHours * 15
	before := fmt.Sprintf("(%s - %d)", local, minutes*60)
	return fmt.Sprintf("(%s - (%s)) IN (%d, %d)", clock(local), clock(before), minutes, minutes-dayMinutes)
}

// withWholeHours are events in a zone with the DateTime whole hours before.
func withWholeHours(events string) string {
	return "(SELECT *, local - 60 * toMinute(local) AS whole_hours FROM " + events + ")"
}

// hourStart is the instant at which the clock's hour began in which local lies: at whole_hours, but where the clocks were
// set within the hour. 1970 begins in the middle of an hour in some zones.
func hourStart() string {
	return fmt.Sprintf(`multiIf(toUnixTimestamp(quarter) < 60 * toMinute(local), toTimeZone(toDateTime(0), %[1]s),
		toMinute(whole_hours) = 0 AND toHour(whole_hours) = toHour(local), whole_hours,
		toMinute(local) = 45 AND %[2]s, local - 1800,
		toMinute(local) >= 30 AND %[3]s, local - 900,
		local)`, zone, runsOn("local", 2), runsOn("local", 1))
}
