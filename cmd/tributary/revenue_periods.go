package main

import (
	"fmt"
	"math"
	"time"
)

// The periods by which revenue is shown.
const (
	byHour      = "hour"
	byDay       = "day"
	byMonth     = "month"
	byDayOfWeek = "day_of_week"
	byDayOfYear = "day_of_year"
)

func allPeriods() []string { return []string{byHour, byDay, byMonth, byDayOfWeek, byDayOfYear} }

// period is one of them: from its start on, in the zone that was asked for. Of a day of the week the start stands for all such
// days of its year.
type period struct {
	by    string
	start time.Time
}

// name is the period for people.
func (p period) name() string {
	switch p.by {
	case byHour:
		return p.start.Format("Mon 2006-01-02 15:04 -07:00")
	case byDay:
		return p.start.Format("Mon 2006-01-02")
	case byMonth:
		return p.start.Format("2006-01 Jan")
	case byDayOfWeek:
		return p.start.Format("2006 Mon")
	default:
		return fmt.Sprintf("%s %03d  %s", p.start.Format("2006"), p.start.YearDay(), p.start.Format("Jan _2"))
	}
}

// periodsWord is several of them for people, as in "4 days".
func periodsWord(by string) string {
	if by == byDayOfWeek || by == byDayOfYear {
		return "days"
	}
	return by + "s"
}

// next is the period after it.
func (p period) next() period {
	at := p.start
	switch p.by {
	case byHour:
		at = at.Add(time.Hour)
	case byMonth:
		at = at.AddDate(0, 1, 0)
	case byDayOfWeek:
		next := at.AddDate(0, 0, 1)
		if next.Weekday() == time.Monday {
			next = weekdayOf(at.Year()+1, 1, at.Location())
		}
		at = next
	default:
		at = at.AddDate(0, 0, 1)
	}
	return period{p.by, at}
}

// weekdayOf stands for all such weekdays of a year, 1 for Monday: it is a day of the first whole week of it.
func weekdayOf(year, weekday int, zone *time.Location) time.Time {
	first := time.Date(year, time.January, 1, 0, 0, 0, 0, zone)
	const week = 7
	monday := first.AddDate(0, 0, (week+1-int(first.Weekday()))%week)
	return monday.AddDate(0, 0, weekday-1)
}

// gap is how many periods lie between two.
func gap(from, to period) int {
	const months, weekdays, hours = 12, 7, 24
	years := to.start.Year() - from.start.Year()
	var apart int
	switch from.by {
	case byHour:
		apart = int(math.Round(to.start.Sub(from.start).Hours())) // one may be short, where clocks are set
	case byMonth:
		apart = years*months + int(to.start.Month()) - int(from.start.Month())
	case byDayOfWeek:
		apart = years*weekdays + fromMonday(to.start) - fromMonday(from.start)
	default:
		apart = int(math.Round(to.start.Sub(from.start).Hours() / hours))
	}
	return apart - 1
}

// fromMonday is how many days a day is after Monday.
func fromMonday(at time.Time) int {
	const week = 7
	return (int(at.Weekday()) + week - int(time.Monday)) % week
}
