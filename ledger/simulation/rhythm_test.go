package simulation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestClocksGoAsTheirZonesDo compares the clocks with the machine's, in years whose rules are today's.
func TestClocksGoAsTheirZonesDo(t *testing.T) {
	t.Parallel()
	for _, c := range clocks() {
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		end := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
		for at := time.Date(2022, time.January, 1, 0, 0, 0, 0, time.UTC); at.Before(end); at = at.Add(time.Hour) {
			_, ahead := at.In(zone).Zone()
			require.Equal(t, ahead/60, c.aheadMinutes(at), "%s at %s", c.zone, at)
		}
	}
}

// TestTablesAreAverage holds each table of the rhythm to its mean, on which the pace rests.
func TestTablesAreAverage(t *testing.T) {
	t.Parallel()
	for kind := range tradeCount {
		hours, days := uint64(0), uint64(0)
		for _, level := range hoursOf(kind) {
			hours += level
		}
		for _, level := range daysOf(kind) {
			days += level
		}
		require.EqualValues(t, 24*average, hours)
		require.EqualValues(t, 7*average, days)
	}
	year := uint64(0)
	for day := range 365 {
		year += seasonOf(day + 1)
	}
	require.InEpsilon(t, 365*average, year, 0.01)
}

// TestBusinessTakesItsTime holds the two ways through the hours to each other.
func TestBusinessTakesItsTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := time.UnixMicro(rapid.Int64Range(0, 3e15).Draw(t, "start")).UTC()
		span := time.Duration(rapid.Int64Range(1, int64(1_000*day)).Draw(t, "span"))
		w := newWorld(1, rapid.IntRange(2, 500).Draw(t, "accounts"), start)
		rhythm := newRhythm(w.merchants, w.sites)
		reached := rhythm.later(start, 0, rhythm.business(start, span))
		// Both round down in each hour.
		require.InDelta(t, span, reached, float64(50*(span/time.Hour+1)), "of %s", span)
	})
}
