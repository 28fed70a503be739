package simulation

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// The streams of a seed: ids have one of their own, so that a change to how they look changes no story.
const (
	streamStories = 1
	streamIDs     = 2
)

// world is what stories share: who there is, who is owed what, and the draws.
type world struct {
	draw

	ids draw
	// start is the time at which the simulation begins, and now how long it has run since, on its own clock.
	start time.Time
	now   time.Duration

	merchants, sites population
	users            uint64
	// payable is what each merchant is owed in its home currency, in units of its scale. Refunds may make it negative.
	payable []int64
	// lastPaid is the merchant whose payment was posted last.
	lastPaid int
	// clearing is what each provider owes the platform, and fees what the platform earned, by the currency's place.
	clearing [providerCount][fiatCount]int64
	fees     [fiatCount]int64
	// posts is 0 for a site that is not registered, and 1 more than its posts for others.
	posts []uint32
	// providers, chains and articles never change.
	providers [providerCount]provider
	chains    []chain
	articles  []article
	// tally takes in what the stories tell of themselves; nil where nobody asked.
	tally *tally
	// receivers counts them, for the paths of their addresses.
	receivers uint64
}

func newWorld(seed uint64, accounts int, start time.Time) *world {
	sites := max(accounts/4, 1)
	merchants := accounts - sites
	return &world{
		start: start,
		draw:  newDraw(seed, streamStories), ids: newDraw(seed, streamIDs),
		merchants: newPopulation(merchants, clockOfMerchant), sites: newPopulation(sites, clockOfSite),
		users:   4 * uint64(accounts), //nolint:gosec // above 0
		payable: make([]int64, merchants), posts: make([]uint32, sites),
		providers: providers(), chains: chains(), articles: articles(),
	}
}

// time is what an event that is made now says.
func (w *world) time() time.Time { return w.start.Add(w.now).Truncate(time.Microsecond) }

// owe adds to what a merchant is owed, or takes away, if the amount is in its home currency.
func (w *world) owe(merchant, currency int, amount int64) {
	if currency == homeOf(merchant) {
		w.payable[merchant] += amount
	}
}

// creditor is a merchant that is owed at least so much, and how much; false where none was found.
func (w *world) creditor(least int64) (merchant int, owed uint64, found bool) {
	merchant = w.merchants.member(w.draw)
	if w.payable[merchant] < least {
		merchant = w.lastPaid
	}
	if w.payable[merchant] < least {
		return 0, 0, false
	}
	return merchant, uint64(w.payable[merchant]), true //nolint:gosec // above 0
}

// eventID is a UUID of version 7: 48 bits of milliseconds, 12 bits of the millisecond's fraction, and 62 drawn bits. Ids of
// different times sort as their times do.
func (w *world) eventID(at time.Time) uuid.UUID {
	const version, variant, drawn = 0x7000, 1 << 63, 1<<62 - 1
	micros := uint64(at.Nanosecond()/1000) % 1000 //nolint:gosec // not negative
	first := uint64(at.UnixMilli())<<16 | version | micros<<2
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], first)
	binary.BigEndian.PutUint64(id[8:], variant|w.ids.source.Uint64()&drawn)
	return id
}

// provider is one that payments go through.
type provider struct {
	name, bank string
	types      []string
}

const providerCount = 6

// providers lists them, the busiest first.
func providers() [providerCount]provider {
	return [providerCount]provider{
		{"northcard", "first-harbour", []string{"credit", "debit"}},
		{"plazapay", "union-north", []string{"wallet"}},
		{"interbank", "union-north", []string{"transfer"}},
		{"cardline", "first-harbour", []string{"debit", "credit"}},
		{"coinbridge", "first-harbour", []string{"crypto"}},
		{"tapwallet", "delta-savings", []string{"wallet"}},
	}
}

// anyProvider draws the place of one, by Zipf's law.
func (w *world) anyProvider() int { return w.weighted([]uint64{60, 30, 20, 15, 12, 10}) }
