package revenue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
)

// visits draws readers' visits in a zone: at any time, many within a day of a setting of its clocks.
func visits(zone *time.Location) *rapid.Generator[[]*ledger.Event] {
	const most = 60
	settings := append(clockSettings(zone),
		time.Unix(0, 0), time.Date(2024, 2, 29, 12, 0, 0, 0, zone), time.Date(2027, 1, 1, 0, 0, 0, 0, zone))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *ledger.Event {
		micros := rapid.Int64Range(0, endOfTime().UnixMicro()-1).Draw(t, "at")
		if rapid.Bool().Draw(t, "near") {
			day := (24 * time.Hour).Microseconds()
			micros = rapid.SampledFrom(settings).Draw(t, "setting").UnixMicro() + rapid.Int64Range(-day, day).Draw(t, "after")
		}
		at := time.UnixMicro(min(max(micros, 0), endOfTime().UnixMicro()-1)).In(zone)
		if refused(zone, at) {
			at = time.Date(2030, 1, 1, 0, 0, 0, 0, zone)
		}
		return visit(at, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "site"), "post", rapid.Int64Range(0, 9_999).Draw(t, "amount"))
	}), 1, most)
}

// named is the period of an event, as a view's rows name it: after the owner.
func named(view string, event *ledger.Event, zone *time.Location) string {
	at := event.Time.In(zone)
	day := date(at)
	switch view {
	case "by_hour":
		return strconv.FormatInt(max(0, hourBegan(at).Unix()), 10)
	case "by_day":
		return day.Format(time.DateOnly)
	case "by_month":
		return fmt.Sprintf("%d %d", day.Year(), day.Month())
	case "by_day_of_week":
		return fmt.Sprintf("%d %d", day.Year(), (day.Weekday()+6)%7+1)
	default:
		return fmt.Sprintf("%d %d", day.Year(), day.YearDay())
	}
}

// In any zone, and in UTC, the views add up what Go adds up.
func TestPeriodsAreThoseOfGo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short")
	}
	b := newBooks(t)
	all := distinctZones(t)
	for seed := range 12 {
		zone := rapid.SampledFrom(all).Example(seed)
		events := visits(zone).Example(seed)
		name := fmt.Sprintf("seed-%d", seed)
		for _, event := range events {
			event.Ledger = name
		}
		b.commit(t, events...)
		for _, p := range periods() {
			columns := "toString(" + strings.Join(p.columns, "), ' ', toString(") + ")"
			if p.name == "by_hour" {
				columns = "toString(toUnixTimestamp(hour)), ''"
			}
			sql := fmt.Sprintf("SELECT concat(owner, ' ', %s, ' ', toString(sum(gross)), ' ', toString(sum(events))) FROM %%s WHERE ledger = '%s'"+
				" GROUP BY owner, %s", strings.TrimSuffix(columns, ", ''"), name, strings.Join(p.columns, ", "))
			require.ElementsMatch(t, added(p.name, events, time.UTC), b.rows(t, fmt.Sprintf(sql, "revenue."+p.name)), "%s, seed %d", p.name, seed)
			require.ElementsMatch(t, added(p.name, events, zone),
				b.rows(t, fmt.Sprintf(sql, "revenue."+p.name+"_in(tz = '"+zone.String()+"')")), "%s in %s, seed %d", p.name, zone, seed)
		}
	}
}

// added is what a view would add up, a line for each owner and period.
func added(view string, events []*ledger.Event, zone *time.Location) []string {
	type total struct {
		sum   ledger.Sum
		count int
	}
	totals := map[string]*total{}
	for _, event := range events {
		key := event.Subject + " " + named(view, event, zone)
		if totals[key] == nil {
			totals[key] = new(total)
		}
		totals[key].sum.Add(rowOf(event).gross)
		totals[key].count++
	}
	lines := make([]string, 0, len(totals))
	for key, total := range totals {
		lines = append(lines, fmt.Sprintf("%s %s %d", key, total.sum.String(), total.count))
	}
	slices.Sort(lines)
	return lines
}

// Where a quarter hour lies on both sides of a setting of the clocks, views in that zone refuse, and say why; others answer.
func TestRaggedQuarterHoursAreRefused(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	for i, at := range []struct {
		zone string
		time time.Time
	}{
		{"America/St_Johns", time.Date(2010, 3, 14, 3, 31, 0, 0, time.UTC)},
		{"Africa/Monrovia", time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		name := fmt.Sprintf("refused-%d", i)
		event := visit(at.time, "a", "post", 1)
		event.Ledger = name
		b.commit(t, event)
		for _, p := range periods() {
			sql := "SELECT sum(events) FROM revenue." + p.name + "_in(tz = '%s') WHERE ledger = '" + name + "'"
			_, err := b.query(t.Context(), fmt.Sprintf(sql, at.zone))
			require.ErrorContains(t, err, "The clocks of "+at.zone+" were not set at whole quarter hours then", p.name)
			require.Equal(t, []string{"1"}, b.rows(t, fmt.Sprintf(sql, "America/Halifax")))
		}
	}
	_, err := b.query(t.Context(), "SELECT * FROM revenue.by_day_in(tz = 'Mars/Olympus')")
	require.ErrorContains(t, err, "Cannot load time zone Mars/Olympus")
}
