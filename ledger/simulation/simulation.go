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

// MaxAccounts bounds memory: an account takes about 30 bytes.
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
	// Span is about how much time the events take; when 0, an event comes in DefaultPace of an average hour. With a pace of its
	// own, a shorter workload of the same seed is the beginning of a longer one.
	Span time.Duration
	// Expect has the simulation add up what its events come to, for Expected. That takes memory for each account, and for each
	// month in which an owner earns.
	Expect bool
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

// withTimes sees to it that all events, of which a few may come after the span, have times that events can have.
func (o Options) withTimes() (Options, error) {
	room := lastTime().Sub(o.Start)
	if o.Start.Year() < 1970 || room <= 0 {
		return o, fmt.Errorf("a start of %s is out of range: events happen from 1970 to 2105", o.Start.Format(time.RFC3339))
	}
	if o.Span == 0 && o.Events > int64((room-room/4)/DefaultPace) {
		return o, fmt.Errorf("%d events at one in %v would end after 2105: give a shorter span", o.Events, DefaultPace)
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
	rhythm   *rhythm
	// gap is the mean business between two arrivals. The next is that of a comer, at a time since the start.
	gap, arrival time.Duration
	comer        *comer
}

// New is the stream that the options name. It fails where they are out of range.
func New(options Options) (*Simulation, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	w := newWorld(options.Seed, options.Accounts, options.Start)
	s := &Simulation{options: options, world: w, rhythm: newRhythm(w.merchants, w.sites)}
	if options.Expect {
		w.tally = newTally(options.Start)
	}
	events := uint64(options.Events) //nolint:gosec // above 0
	business := time.Duration(options.Events) * DefaultPace
	if options.Span == 0 {
		s.options.Span = s.rhythm.later(options.Start, 0, business)
	} else {
		business = s.rhythm.business(options.Start, options.Span)
	}
	s.gap = time.Duration(mulDiv(uint64(business), eventsPerStoryTenths, 10*events)) //nolint:gosec // business is above 0
	s.gap = max(s.gap, time.Microsecond)
	s.expect(0)
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
	s.arrivals++
	first := turn{order: s.arrivals, story: s.begin()}
	s.expect(s.world.now)
	return first
}

// expect draws when the next arrival is after a time, and who comes then.
func (s *Simulation) expect(now time.Duration) {
	business := time.Duration(s.world.below(2*uint64(s.gap))) + 1 //nolint:gosec // above zero
	s.arrival = max(s.rhythm.later(s.world.start, now, business), now+1)
	s.comer = s.rhythm.comes(s.world.draw)
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
	at := s.world.time()
	e := ledger.NewEvent(s.world.eventID(at), at, source, data)
	e.Ledger = s.options.Ledger
	s.world.tally.made(e.Type)
	if _, request := data.(*eventsv1.PaymentStarted); request {
		e.TraceParent = s.world.traceParent()
	}
	return e
}
