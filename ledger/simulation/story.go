package simulation

import (
	"time"

	"github.com/tributary-ledger/tributary/ledger"
)

// story is one thing's life.
type story interface {
	// advance makes what happens now, nil where nothing does, and tells the wait until the story goes on; over ends it.
	advance(w *world) (ledger.Data, time.Duration)
	// source is the producer of its events.
	source() string
}

// over is the wait of a story that has ended.
const over time.Duration = -1

// move is a step of a life that was planned when it began: what happens, how long after the step before, and with how much.
type move[S any] struct {
	step   S
	after  time.Duration
	amount uint64
	// of is which of several things, such as a receiver's payments, it happens to.
	of int
}

// plan is the steps that are still to come.
type plan[S any] []move[S]

// take removes the first step and tells the wait until the one after it.
func (p *plan[S]) take() (move[S], time.Duration) {
	first := (*p)[0]
	*p = (*p)[1:]
	return first, p.wait()
}

func (p *plan[S]) wait() time.Duration {
	if len(*p) == 0 {
		return over
	}
	return (*p)[0].after
}

// eventsPerStoryTenths is how many events a story makes on average, times ten, as measured over a million events; by it
// the arrivals are spaced so that the events take their span.
const eventsPerStoryTenths = 48

// openingWaitGaps is the longest wait of the first stories, in mean times between two arrivals.
const openingWaitGaps = 100

// openingStories is how many stories are of each kind and fate in turn, before chance decides.
const openingStories = int(paymentFates) + int(receiverFates) + openingSessions + openingTreasury

const (
	openingSessions = 3
	openingTreasury = 8
)

// begin is a new story: one of each fate in the opening, one by chance after it.
func (s *Simulation) begin() story {
	w, n := s.world, s.arrivals-1
	if n < int(paymentFates) {
		return newPayment(w, w.merchants.member(w.draw), paymentFate(n)) //nolint:gosec // a small number
	}
	if n -= int(paymentFates); n < int(receiverFates) {
		return newReceiver(w, w.merchants.member(w.draw), receiverFate(n))
	}
	if n -= int(receiverFates); n < openingSessions {
		return newSession(w, w.sites.member(w.draw))
	}
	if n -= openingSessions; n < openingTreasury {
		return [...]story{settlement{awaited: true}, newPayout(true), journal{}, newPayout(false)}[n%4]
	}
	return w.anyStory(s.comer)
}

// anyStory draws from what somebody may come for.
func (w *world) anyStory(c *comer) story {
	switch c.trade {
	case atShop:
		merchant := w.merchants.memberBy(w.draw, c.clock)
		if w.chance(767) {
			return newPayment(w, merchant, w.paymentFate())
		}
		return newReceiver(w, merchant, w.receiverFate())
	case atSite:
		return newSession(w, w.sites.memberBy(w.draw, c.clock))
	default:
		return w.officeWork()
	}
}

// officeWork draws from what the platform does with its banks and its books.
func (w *world) officeWork() story {
	switch n := w.below(55); {
	case n < 15:
		return settlement{}
	case n < 45:
		return newPayout(w.chance(25))
	default:
		return journal{}
	}
}
