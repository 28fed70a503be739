package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPeriodsFollowEachOther(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	require.NoError(t, err)
	at := func(text string, zone *time.Location) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		require.NoError(t, err)
		return when
	}
	for _, c := range []struct {
		from  period
		name  string
		next  string
		later time.Time
		gap   int
	}{
		{
			period{byHour, at("2026-03-29 01:00", paris)},
			"Sun 2026-03-29 01:00 +01:00", "Sun 2026-03-29 03:00 +02:00",
			at("2026-03-29 05:00", paris), 2,
		},
		{period{byDay, at("2024-02-28 00:00", time.UTC)}, "Wed 2024-02-28", "Thu 2024-02-29", at("2024-03-01 00:00", time.UTC), 1},
		{period{byMonth, at("2025-12-01 00:00", time.UTC)}, "2025-12 Dec", "2026-01 Jan", at("2126-12-01 00:00", time.UTC), 1211},
		{period{byDayOfWeek, weekdayOf(2025, 7, time.UTC)}, "2025 Sun", "2026 Mon", weekdayOf(2026, 3, time.UTC), 2},
		{period{byDayOfWeek, weekdayOf(2025, 1, time.UTC)}, "2025 Mon", "2025 Tue", weekdayOf(2025, 2, time.UTC), 0},
		{
			period{byDayOfYear, at("2025-12-31 00:00", time.UTC)},
			"2025 365  Dec 31", "2026 001  Jan  1",
			at("2026-01-01 00:00", time.UTC), 0,
		},
	} {
		require.Equal(t, c.name, c.from.name())
		require.Equal(t, c.next, c.from.next().name())
		later := period{c.from.by, c.later}
		require.Equal(t, c.gap, gap(c.from, later), "%s to %s", c.from.name(), later.name())
		stepped := c.from.next()
		for range c.gap {
			stepped = stepped.next()
		}
		require.Equal(t, later.name(), stepped.name())
	}
}
