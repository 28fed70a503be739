package revenue

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // The rules of every zone, whatever the machine has.

	clickhousego "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/stretchr/testify/require"
)

// The clocks of Go's time package, against which the views' are held.

const bucket = 15 * time.Minute

// endOfTime is behind the last valid event.
func endOfTime() time.Time { return time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC) }

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	return zone
}

// clockSettings are the instants at which a zone's clocks are set.
func clockSettings(zone *time.Location) []time.Time {
	var settings []time.Time
	at := time.Unix(0, 0).In(zone)
	for {
		_, end := at.ZoneBounds()
		if end.IsZero() || !end.Before(endOfTime()) {
			return settings
		}
		if !end.After(at) { // At the end of some years of 366 days ZoneBounds stands still.
			at = at.Add(time.Hour)
			continue
		}
		if offset(end.Add(-time.Second)) != offset(end) {
			settings = append(settings, end)
		}
		at = end
	}
}

// offset is in seconds east of UTC.
func offset(at time.Time) int {
	_, seconds := at.Zone()
	return seconds
}

// hourBegan is the quarter hour in which a clock that shows at began to show its hour, or was set within it.
func hourBegan(at time.Time) time.Time {
	start := at.Truncate(time.Minute)
	for {
		before := start.Add(-time.Minute)
		if before.Unix() < 0 || before.Hour() != at.Hour() || offset(before) != offset(at) {
			return start.Truncate(bucket)
		}
		start = before
	}
}

// date is the day of an event; what happened in a local 1969 counts to the first day after it.
func date(at time.Time) time.Time {
	day := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	return time.Unix(max(0, day.Unix()), 0).UTC()
}

// refused tells whether the views refuse to answer, from the stretches that they know.
func refused(zone *time.Location, at time.Time) bool {
	start := at.Truncate(bucket)
	for _, s := range ragged() {
		if s.zone == zone.String() && !start.Before(s.from) && start.Before(s.until) {
			return true
		}
	}
	for _, s := range minuteLate() {
		if s.zone == zone.String() && !start.Before(s.from) && start.Before(s.until) {
			return offset(start.Add(-time.Second).In(zone)) != offset(start.Add(bucket-time.Second).In(zone))
		}
	}
	return false
}

// zoneNames are all time zones that a ledger knows.
func zoneNames(t testing.TB) []string {
	t.Helper()
	names, err := os.ReadFile("../../ledger/timezones.txt")
	require.NoError(t, err)
	return strings.Fields(string(names))
}

// zones are those whose rules are the same on every server. EET and WET became other names of Athens and Lisbon, with their
// history, in 2024; servers whose rules are older than that tell other times before 1996.
func zones(t testing.TB) []string {
	t.Helper()
	return slices.DeleteFunc(zoneNames(t), func(zone string) bool { return zone == "EET" || zone == "WET" })
}

// Wherever clocks were not set at whole quarter hours, and by whole ones, the views know it.
func TestRaggedClocksAreKnown(t *testing.T) {
	t.Parallel()
	late := map[string][]time.Time{}
	for _, name := range zoneNames(t) {
		zone := location(t, name)
		for _, at := range clockSettings(zone) {
			before := at.Add(-time.Second)
			if at.Unix()%900 == 0 && offset(at)%900 == 0 && offset(before)%900 == 0 {
				continue
			}
			require.True(t, refused(zone, at), "%s at %s", name, at)
			late[name] = append(late[name], at.UTC())
		}
		if clocks := time.Unix(0, 0).In(zone); offset(clocks)%900 != 0 {
			require.True(t, refused(zone, clocks), name)
		}
	}
	for _, s := range minuteLate() {
		require.Equal(t, []time.Time{s.from, s.until.Add(-bucket)},
			[]time.Time{late[s.zone][0].Truncate(bucket), late[s.zone][len(late[s.zone])-1].Truncate(bucket)}, s.zone)
	}
}

// At and around every setting of the clocks of every zone, up to the last year, the server's clocks show what Go's show.
func TestClocksOfAllZones(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short")
	}
	const atOnce = 150                                          // A server keeps 5 MB of each zone that it was asked for.
	for zones := range slices.Chunk(distinctZones(t), atOnce) { //nolint:paralleltest // Servers one after the other, for memory's sake.
		t.Run(zones[0].String(), func(t *testing.T) { compareClocks(t, zones) })
	}
}

// distinctZones are the zones without those that have the same clocks as one before.
func distinctZones(t testing.TB) []*time.Location {
	t.Helper()
	var distinct []*time.Location
	known := map[string]bool{}
	for _, name := range zones(t) {
		zone := location(t, name)
		history := strconv.Itoa(offset(time.Unix(0, 0).In(zone)))
		for _, at := range clockSettings(zone) {
			history += fmt.Sprintf(" %d %d", at.Unix(), offset(at))
		}
		if !known[history] {
			known[history] = true
			distinct = append(distinct, zone)
		}
	}
	return distinct
}

// compareClocks asks a server what the clocks of zones show.
func compareClocks(t *testing.T, zones []*time.Location) {
	t.Helper()
	b := newBooks(t)
	require.NoError(t, b.conn.Exec(t.Context(), "CREATE TABLE revenue.instants (zone String, occurred_at DateTime64(6, 'UTC'), gross UInt8,"+
		" refunds UInt8, fees UInt8, "+strings.ReplaceAll(keys, ",", " String,")+" String) ENGINE = MergeTree ORDER BY (zone, occurred_at)"))
	instants := map[*time.Location][]time.Time{}
	batch, err := b.conn.PrepareBatch(t.Context(), "INSERT INTO revenue.instants (zone, occurred_at)")
	require.NoError(t, err)
	defer func() { _ = batch.Close() }()
	for _, zone := range zones {
		instants[zone] = aroundSettings(zone)
		for _, at := range instants[zone] {
			require.NoError(t, batch.Append(zone.String(), at.UTC()))
		}
	}
	require.NoError(t, batch.Send())
	query := "SELECT toUnixTimestamp(quarter), toUnixTimestamp(" + hourStart() + "), toDate(local) FROM " +
		withWholeHours(inZone("revenue.instants WHERE zone = {tz:String}")) + " ORDER BY quarter"
	for _, zone := range zones {
		b.compareClock(t, query, zone, instants[zone])
	}
}

// aroundSettings are quarter hours around the settings of a zone's clocks, in order, without those that are refused.
func aroundSettings(zone *time.Location) []time.Time {
	quarters := map[time.Time]bool{time.Unix(0, 0).In(zone): true, endOfTime().Add(-bucket).In(zone): true}
	for _, setting := range clockSettings(zone) {
		for _, hours := range []float64{-25, -24, -13, -2, -1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 2, 13, 24, 25} {
			at := setting.Add(time.Duration(hours * float64(time.Hour))).Truncate(bucket)
			if at.Unix() >= 0 && at.Before(endOfTime()) {
				quarters[at] = true
			}
		}
	}
	var all []time.Time
	for at := range quarters {
		if !refused(zone, at) {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// compareClock asks the server what a clock shows at some quarter hours.
func (b *books) compareClock(t *testing.T, query string, zone *time.Location, instants []time.Time) {
	t.Helper()
	rows, err := b.conn.Query(t.Context(), query, clickhousego.Named("tz", zone.String()))
	require.NoError(t, err, zone)
	defer func() { require.NoError(t, rows.Close()) }()
	for _, at := range instants {
		require.True(t, rows.Next(), "%s: fewer rows than instants: %v", zone, rows.Err())
		var quarter, hour uint32
		var day time.Time
		require.NoError(t, rows.Scan(&quarter, &hour, &day))
		require.Equal(t, at.Unix(), int64(quarter))
		require.Equal(t, hourBegan(at).UTC().String(), time.Unix(int64(hour), 0).UTC().String(), "the hour of %s in %s", at, zone)
		require.Equal(t, date(at).Format(time.DateOnly), day.Format(time.DateOnly), "the day of %s in %s", at, zone)
	}
	require.False(t, rows.Next(), zone)
	require.NoError(t, rows.Err())
}
