package simulation

import "time"

// rhythm is how busy each hour is: a day at the shop, the reader and the bank, a week, a year with its Christmas, and slow
// growth over years, each on the clocks of where the merchants and sites are.
type rhythm struct {
	comers []comer
	clocks [clockCount]clock
	// hour is the Unix hour that the rest is of. upTo adds up how busy the comers are, in their order; level is all of it.
	hour  int64
	upTo  []uint64
	level uint64
	// day is the Unix day that the following are of: what the clocks are ahead of UTC in it, unless they change, and its season.
	day      int64
	changing bool
	ahead    [clockCount]int64
	season   uint64
}

// trade is what somebody comes for.
type trade uint8

const (
	atShop trade = iota
	atSite
	atOffice
	tradeCount
)

// comer is a kind of arrival: a trade in a time zone.
type comer struct {
	trade trade
	clock int
	// week is how busy each hour of the week is, from Monday 0:00.
	week [7 * 24]uint64
}

const (
	// nominal is the level of an average hour in the first year: of all comers together.
	nominal = allShares * average
	// allShares is what the shares of all comers add up to, and average the mean of each table below.
	allShares = 1 << 20
	average   = 1000
)

// hoursOf is a trade's day, by the clock.
func hoursOf(t trade) [24]uint64 {
	return [tradeCount][24]uint64{
		atShop: {
			350, 220, 150, 110, 100, 140, 260, 480, 780, 1160, 1250, 1350,
			1600, 1350, 1250, 1250, 1300, 1400, 1550, 1950, 2150, 1900, 1250, 700,
		},
		atSite: {
			400, 220, 130, 100, 110, 220, 560, 1050, 1500, 1150, 1000, 980,
			1350, 1150, 950, 900, 950, 1050, 1150, 1400, 2050, 2400, 2150, 1080,
		},
		atOffice: {8: 1500, 9: 3000, 10: 3200, 11: 3000, 12: 2200, 13: 2600, 14: 3000, 15: 2800, 16: 1900, 17: 800},
	}[t]
}

// daysOf is a trade's week, from Monday.
func daysOf(t trade) [7]uint64 {
	return [tradeCount][7]uint64{
		atShop:   {1000, 960, 980, 1040, 1180, 1090, 750},
		atSite:   {950, 940, 950, 930, 880, 1100, 1250},
		atOffice: {1500, 1400, 1400, 1400, 1300, 0, 0},
	}[t]
}

// seasonOf is how busy a day of the year is: between two of these days it goes from one level to the other.
func seasonOf(yearDay int) uint64 {
	levels := [...]struct{ day, level int }{
		{1, 760},
		{12, 860},
		{46, 900},
		{120, 980},
		{170, 960},
		{205, 900},
		{235, 900},
		{290, 1040},
		{320, 1120},
		{333, 1500},
		{338, 1400},
		{354, 1750},
		{359, 1000},
		{361, 950},
		{367, 760},
	}
	for i := 1; i < len(levels); i++ {
		if from, to := levels[i-1], levels[i]; yearDay < to.day {
			return uint64(from.level + (to.level-from.level)*(yearDay-from.day)/(to.day-from.day)) //nolint:gosec // above 0
		}
	}
	return average // not reached: a year has 366 days at most
}

// growth is how much busier it is after so many days: an eighth of the first year more in each, up to three times as much.
func growth(days int64) uint64 {
	const perYear, most = average / 8, 3 * average
	return uint64(min(average+perYear*max(days, 0)/365, most))
}

// newRhythm is that of these merchants and sites: who comes is as many as the crowd of their time zone is large.
func newRhythm(merchants, sites population) *rhythm {
	const shops, readers, offices = 730, 215, 55 // of a thousand stories
	r := &rhythm{clocks: clocks(), hour: -1, day: -1}
	for place := range clockCount {
		r.add(atShop, place, merchants.share(place)*shops/average)
		r.add(atSite, place, sites.share(place)*readers/average)
	}
	r.add(atOffice, paris, allShares*offices/average)
	r.upTo = make([]uint64, len(r.comers))
	return r
}

func (r *rhythm) add(t trade, clock int, share uint64) {
	if share == 0 {
		return
	}
	c := comer{trade: t, clock: clock}
	for i := range c.week {
		c.week[i] = share * hoursOf(t)[i%24] * daysOf(t)[i/24] / average
	}
	r.comers = append(r.comers, c)
}

// enter makes an hour the current one. The first is that in which the simulation starts.
func (r *rhythm) enter(hour, first int64) {
	const daysToThursday = 3 // the first Unix day was one
	if day := hour / 24; day != r.day || r.changing {
		r.enterDay(day, hour, first)
	}
	r.hour, r.level = hour, 0
	for i := range r.comers {
		c := &r.comers[i]
		local := (hour*60+r.ahead[c.clock])/60 + daysToThursday*24
		r.level += c.week[local%(7*24)] * r.season / average
		r.upTo[i] = r.level
	}
}

func (r *rhythm) enterDay(day, hour, first int64) {
	at, midnight := time.Unix(hour*3600, 0).UTC(), time.Unix(day*86400, 0).UTC()
	r.changing = false
	for place := range r.clocks {
		c := &r.clocks[place]
		r.ahead[place] = int64(c.aheadMinutes(at))
		r.changing = r.changing || c.aheadMinutes(midnight) != c.aheadMinutes(midnight.Add(23*time.Hour))
	}
	r.day, r.season = day, seasonOf(at.YearDay())*growth(day-first/24)/average
}

// later is when so much of a nominal hour's business has been done since a time after the start, and by the end of the way its
// hour is the current one. Business is time at the nominal level: it passes faster in busy hours.
func (r *rhythm) later(start time.Time, now, business time.Duration) time.Duration {
	first, begun := start.Unix()/3600, time.Duration(start.Unix()%3600)*time.Second+time.Duration(start.Nanosecond())
	left := uint64(business) //nolint:gosec // above 0
	for {
		since := begun + now
		if hour := first + int64(since/time.Hour); hour != r.hour {
			r.enter(hour, first)
		}
		rest := time.Hour - since%time.Hour
		if done := mulDiv(uint64(rest), r.level, nominal); done <= left {
			left -= done
			now += rest
			continue
		}
		return now + time.Duration(mulDiv(left, nominal, r.level)) //nolint:gosec // less than an hour
	}
}

// business is how much is done in a span from the start on.
func (r *rhythm) business(start time.Time, span time.Duration) time.Duration {
	first, begun := start.Unix()/3600, time.Duration(start.Unix()%3600)*time.Second+time.Duration(start.Nanosecond())
	var done uint64
	for now := time.Duration(0); now < span; {
		r.enter(first+int64((begun+now)/time.Hour), first)
		step := min(time.Hour-(begun+now)%time.Hour, span-now)
		done += mulDiv(uint64(step), r.level, nominal) //nolint:gosec // above 0
		now += step
	}
	return time.Duration(done)
}

// comes draws who comes in the current hour.
func (r *rhythm) comes(d draw) *comer {
	n := d.below(r.level)
	for i := range r.upTo {
		if n < r.upTo[i] {
			return &r.comers[i]
		}
	}
	return &r.comers[0] // not reached: n was below the level
}
