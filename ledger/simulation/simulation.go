package simulation

import (
	"fmt"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// What Options mean where they say nothing.
const (
	DefaultAccounts = 10_000
	// DefaultPace is how much time passes for an event, on average.
	DefaultPace = 2 * time.Second
)

// MaxAccounts bounds memory: an account takes about 20 bytes.
const MaxAccounts = 10_000_000

// DefaultStart is when a simulation begins that names no start.
func DefaultStart() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }

// Options name a workload: equal options, equal events.
type Options struct {
	// Seed chooses the workload.
	Seed uint64
	// Events is how many there are, at least 1.
	Events int64
	// Accounts is how many merchants and sites there are together, 2 to MaxAccounts; DefaultAccounts when 0.
	Accounts int
	// Start is the time before the first event; DefaultStart when zero.
	Start time.Time
	// Span is about how much time the events take; DefaultPace for each event when 0. With a pace of its own, a shorter
	// workload of the same seed is the beginning of a longer one.
	Span time.Duration
	// Ledger is the events' ledger; ledger.DefaultLedger when empty.
	Ledger string
}

// lastTime is a day before the last time that an event can have.
func lastTime() time.Time { return time.Date(2105, time.December, 31, 0, 0, 0, 0, time.UTC) }

// withDefaults fills in what was left out, and says what is wrong with the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Events < 1 {
		return o, fmt.Errorf("%d events cannot be simulated: ask for 1 or more", o.Events)
	}
	if o.Accounts == 0 {
		o.Accounts = DefaultAccounts
	}
	if o.Accounts < 2 || o.Accounts > MaxAccounts {
		return o, fmt.Errorf("%d accounts cannot be simulated: ask for 2 to %d", o.Accounts, MaxAccounts)
	}
	if o.Start.IsZero() {
		o.Start = DefaultStart()
	}
	if o.Ledger == "" {
		o.Ledger = ledger.DefaultLedger
	}
	if !ledger.IsLedger(o.Ledger) {
		return o, fmt.Errorf("%q is not a ledger: 1 to 40 characters a-z 0-9 -", o.Ledger)
	}
	o.Start = o.Start.UTC().Truncate(time.Microsecond)
	return o.withTimes()
}

// withTimes fills in the span, and sees to it that all events, of which a few may come after the span, have times that events can have.
func (o Options) withTimes() (Options, error) {
	room := lastTime().Sub(o.Start)
	if o.Start.Year() < 1970 || room <= 0 {
		return o, fmt.Errorf("a start of %s is out of range: events happen from 1970 to 2105", o.Start.Format(time.RFC3339))
	}
	if o.Span == 0 {
		if o.Events > int64(room/DefaultPace) {
			return o, fmt.Errorf("%d events at one in %v would end after 2105: give a shorter span", o.Events, DefaultPace)
		}
		o.Span = time.Duration(o.Events) * DefaultPace
	}
	if o.Span < 0 || o.Span > room-room/4 {
		return o, fmt.Errorf("a span of %v from %s is out of range: events happen from 1970 to 2105, and some after the span",
			o.Span, o.Start.Format(time.RFC3339))
	}
	return o, nil
}

// Simulation is a stream of events. It is for one goroutine.
type Simulation struct {
	options  Options
	world    *world
	queue    queue
	made     int64
	arrivals int
	// gap is the mean time between two arrivals, and arrival when the next is.
	gap, arrival time.Duration
}

// New is the stream that the options name. It fails where they are out of range.
func New(options Options) (*Simulation, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	gap := mulDiv(uint64(options.Span), eventsPerStoryTenths, 10*uint64(options.Events)) //nolint:gosec // both are above 0
	s := &Simulation{options: options, world: newWorld(options.Seed, options.Accounts, options.Start)}
	s.gap = max(time.Duration(gap), time.Microsecond) //nolint:gosec // about the span at most
	s.arrival = s.nextGap()
	return s, nil
}

// Options are those that the simulation was made of, with what was left out filled in.
func (s *Simulation) Options() Options { return s.options }

// Next makes the next event, and is false when there are no more. Events come in the order of their times; each is valid
// and shares no memory with another that could be changed.
func (s *Simulation) Next() (*ledger.Event, bool) {
	if s.made == s.options.Events {
		return nil, false
	}
	for {
		turn := s.nextTurn()
		data, wait := turn.story.advance(s.world)
		if wait != over {
			s.queue.push(s.again(turn, wait))
		}
		if data != nil {
			s.made++
			return s.event(turn.story.source(), data), true
		}
	}
}

// nextTurn is whose turn it is: the soonest open story's, or that of a new one. The world's time goes on to then.
func (s *Simulation) nextTurn() turn {
	if soonest := s.queue.soonest(); soonest != nil && (soonest.due <= s.arrival || s.queue.full()) {
		s.world.now = max(s.world.now, min(soonest.due, s.arrival))
		return s.queue.pop()
	}
	s.world.now = max(s.world.now, s.arrival)
	s.arrival = s.world.now + s.nextGap()
	s.arrivals++
	return turn{order: s.arrivals, story: s.begin()}
}

// nextGap is the time to the next arrival.
func (s *Simulation) nextGap() time.Duration {
	return time.Duration(s.world.below(2*uint64(s.gap))) + 1 //nolint:gosec // above zero
}

// again puts a story's next turn off by its wait. The first stories, of all kinds, hurry, so that the beginning of any
// workload has events of all types.
func (s *Simulation) again(t turn, wait time.Duration) turn {
	if t.order <= openingStories {
		wait = min(wait, openingWaitGaps*s.gap)
	}
	t.due = s.world.now + max(wait, time.Microsecond)
	return t
}

func (s *Simulation) event(source string, data ledger.Data) *ledger.Event {
	at := s.world.start.Add(s.world.now).Truncate(time.Microsecond)
	e := ledger.NewEvent(s.world.eventID(at), at, source, data)
	e.Ledger = s.options.Ledger
	if _, request := data.(*eventsv1.PaymentStarted); request {
		e.TraceParent = s.world.traceParent()
	}
	return e
}
