package simulation

import "time"

// clock is how a time zone's clocks go: in summer by the rules of today, in every year. The machine's own tables of time
// zones differ from place to place and from year to year, and the same seed must give the same bytes.
type clock struct {
	zone string
	// minutes are what the zone is ahead of UTC in winter.
	minutes int
	summer  summer
}

// summer is when clocks are an hour ahead.
type summer uint8

const (
	summerNever summer = iota
	// summerOfEurope is from the last Sunday in March to the last in October, at 1:00 UTC.
	summerOfEurope
	// summerOfAmerica is from the second Sunday in March to the first in November, at 2:00.
	summerOfAmerica
	// summerOfAustralia is from the first Sunday in October to the first in April, at 2:00 in winter time.
	summerOfAustralia
)

// The clocks that merchants and sites live by.
const (
	paris = iota
	london
	newYork
	tokyo
	kuwait
	utc
	saoPaulo
	kolkata
	sydney
	clockCount
)

func clocks() [clockCount]clock {
	return [clockCount]clock{
		paris:    {"Europe/Paris", 60, summerOfEurope},
		london:   {"Europe/London", 0, summerOfEurope},
		newYork:  {"America/New_York", -300, summerOfAmerica},
		tokyo:    {"Asia/Tokyo", 540, summerNever},
		kuwait:   {"Asia/Kuwait", 180, summerNever},
		utc:      {"UTC", 0, summerNever},
		saoPaulo: {"America/Sao_Paulo", -180, summerNever},
		kolkata:  {"Asia/Kolkata", 330, summerNever},
		sydney:   {"Australia/Sydney", 600, summerOfAustralia},
	}
}

// clockOfMerchant is the place in clocks of where a merchant sells: where its currency is used.
func clockOfMerchant(merchant int) int {
	return [fiatCount]int{eur: paris, gbp: london, usd: newYork, jpy: tokyo, kwd: kuwait}[homeOf(merchant)]
}

// clockOfSite is the place in clocks of where a site's readers are.
func clockOfSite(site int) int {
	zones := [...]int{utc, paris, london, newYork, saoPaulo, kolkata, tokyo, sydney}
	return zones[mix(site)>>16%uint64(len(zones))]
}

// aheadMinutes is what the clock is ahead of UTC in the hour that begins at a time of a year.
func (c *clock) aheadMinutes(at time.Time) int {
	begin, end := c.changes(at.Year())
	inSummer := !at.Before(begin) && at.Before(end)
	if c.summer == summerOfAustralia {
		inSummer = at.Before(end) || !at.Before(begin)
	}
	if inSummer {
		return c.minutes + 60
	}
	return c.minutes
}

// changes are when summer time begins and ends in a year; both are the same where there is none.
func (c *clock) changes(year int) (begin, end time.Time) {
	local := time.Duration(2*60-c.minutes) * time.Minute // 2:00 in winter time
	switch c.summer {
	case summerOfEurope:
		return lastSunday(year, time.March).Add(time.Hour), lastSunday(year, time.October).Add(time.Hour)
	case summerOfAmerica:
		return sunday(year, time.March, 2).Add(local), sunday(year, time.November, 1).Add(local - time.Hour)
	case summerOfAustralia:
		return sunday(year, time.October, 1).Add(local), sunday(year, time.April, 1).Add(local)
	default:
		return time.Time{}, time.Time{}
	}
}

// sunday is the n-th of a month, at midnight UTC.
func sunday(year int, month time.Month, n int) time.Time {
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	return first.AddDate(0, 0, (7-int(first.Weekday()))%7+7*(n-1))
}

func lastSunday(year int, month time.Month) time.Time {
	last := time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -1)
	return last.AddDate(0, 0, -int(last.Weekday()))
}
