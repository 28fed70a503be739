package simulation

import (
	"container/heap"
	"fmt"
	"maps"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Troubles are what goes wrong between producers and the log, each with a share of the events.
type Troubles struct {
	// Late events are sent long after their turn.
	Late Share `json:"late"`
	// Duplicates are sent a second time, later: some of them under another key, and to the log in another wire format.
	Duplicates Share `json:"duplicates"`
	// Conflicts are sent a second time with another amount, under the same id, after the first and under its key: the first
	// counts, everywhere. Events without an amount are passed over.
	Conflicts Share `json:"conflicts"`
	// Bad is how many invalid ones there are beside the events: for each reason in turn that there is to refuse one.
	Bad Share `json:"bad"`
}

// check refuses what is no part of a whole.
func (t Troubles) check() error {
	for _, share := range []Share{t.Late, t.Duplicates, t.Conflicts, t.Bad} {
		if share > Whole {
			return fmt.Errorf("a share of %v is more than all events", share)
		}
	}
	return nil
}

// Door is where messages go; it decides what can be wrong with them, and who says so.
type Door uint8

const (
	// DoorLog is the log itself: what is invalid is found by those who read it, and kept in the quarantine.
	DoorLog Door = iota
	// DoorFile is a file of NDJSON: what is invalid is refused when it is published.
	DoorFile
)

// Kind is what a message is.
type Kind uint8

const (
	// KindEvent is a new event.
	KindEvent Kind = iota
	// KindDuplicate is one that was sent before.
	KindDuplicate
	// KindConflict has the id of one that was sent before, and another content.
	KindConflict
	// KindBad is no valid event.
	KindBad
)

// Message is what a producer sends. Its event is valid, unless it is a bad one.
type Message struct {
	Kind   Kind
	Event  *ledger.Event
	Format Format
	// Reason is why a bad message is refused.
	Reason ledger.Code
}

// Traffic is a simulation's events as they are sent: in their turn, or with troubles. It is for one goroutine.
type Traffic struct {
	events   *Simulation
	troubles Troubles
	door     Door
	// world is one of its own, so that troubles change no event.
	world *world
	held  holds
	told  ExpectedTraffic
	bad   int
}

// streamTroubles and the stream after it are those of what goes wrong.
const streamTroubles = 3

// maxHeld bounds how many messages wait for their turn, and with them memory, to some 25 MiB.
const maxHeld = 1 << 14

// Traffic is how the simulation's events are sent. It takes them, so there can be only one.
func (s *Simulation) Traffic(troubles Troubles, door Door) (*Traffic, error) {
	if err := troubles.check(); err != nil {
		return nil, err
	}
	seed := s.options.Seed
	return &Traffic{
		events: s, troubles: troubles, door: door,
		world: &world{draw: newDraw(seed, streamTroubles), ids: newDraw(seed, streamTroubles+1)},
		told:  ExpectedTraffic{Refused: map[ledger.Code]int64{}},
	}, nil
}

// Next is what is sent next, and is false when all was sent.
func (t *Traffic) Next() (Message, bool) {
	for {
		if len(t.held) > 0 && (t.held[0].due <= t.told.Messages || len(t.held) >= maxHeld) {
			return t.send(t.held.take()), true
		}
		event, ok := t.events.Next()
		switch {
		case !ok && len(t.held) == 0:
			return Message{}, false
		case !ok:
			return t.send(t.held.take()), true
		}
		message := Message{Kind: KindEvent, Event: event}
		if !t.troubles.Late.of(t.world.draw) {
			return t.send(message), true
		}
		const soonest, latest = 1_000, 100_000
		t.told.Late++
		t.hold(message, t.world.magnitude(soonest, latest))
	}
}

// hold has a message wait until so many more were sent.
func (t *Traffic) hold(m Message, messages uint64) {
	heap.Push(&t.held, hold{due: t.told.Messages + int64(messages), order: t.told.Messages, message: m}) //nolint:gosec // small
}

// send counts a message, and draws what more it causes: a second one always comes after the first.
func (t *Traffic) send(m Message) Message {
	t.told.Messages++
	switch m.Kind {
	case KindDuplicate:
		t.told.Duplicates++
	case KindConflict:
		t.told.Conflicts++
	case KindBad:
		t.told.Refused[m.Reason]++
	case KindEvent:
		t.causes(m.Event)
	}
	return m
}

func (t *Traffic) causes(event *ledger.Event) {
	const soon, later = 100, 10_000
	if t.troubles.Duplicates.of(t.world.draw) {
		t.hold(t.duplicate(event), t.world.magnitude(1, later))
	}
	if t.troubles.Conflicts.of(t.world.draw) {
		if other := conflicting(event); other != nil {
			t.hold(Message{Kind: KindConflict, Event: other}, t.world.magnitude(1, later))
		}
	}
	if t.troubles.Bad.of(t.world.draw) {
		t.hold(t.nextBad(event.Time, event.Ledger), t.world.magnitude(1, soon))
	}
}

// duplicate is the event again. Half of them come from a producer that hashes keys otherwise, and writes otherwise.
func (t *Traffic) duplicate(event *ledger.Event) Message {
	again := *event
	if t.world.chance(500) {
		again.PartitionKey = "again-" + strconv.FormatUint(t.world.below(1000), 10)
	}
	m := Message{Kind: KindDuplicate, Event: &again}
	if t.door == DoorLog && t.world.chance(500) {
		m.Format = Format(t.world.below(uint64(formats))) //nolint:gosec // a small number
	}
	return m
}

// conflicting has the event's id and a unit more of its amount; nil where it moves none.
func conflicting(event *ledger.Event) *ledger.Event {
	other := *event
	data, ok := proto.Clone(event.Data).(ledger.Data)
	if !ok {
		return nil
	}
	paid, ok := data.(interface{ GetAmount() *eventsv1.Money })
	if !ok {
		return nil
	}
	amount := paid.GetAmount()
	units, err := strconv.ParseUint(amount.GetValue(), 10, 64)
	if err != nil {
		return nil
	}
	amount.Value = strconv.FormatUint(units+1, 10)
	other.Data = data
	return &other
}

// Expected is what all that was sent comes to, once Next is false; nil unless Options.Expect is set.
func (t *Traffic) Expected() *Expected {
	e := t.events.Expected()
	if e == nil {
		return nil
	}
	e.Traffic = t.Told()
	if t.door == DoorLog {
		e.Quarantine = maps.Clone(e.Traffic.Refused)
	}
	return e
}

// Told is how much was sent of what.
func (t *Traffic) Told() ExpectedTraffic {
	told := t.told
	told.Refused = maps.Clone(told.Refused)
	return told
}

// hold is a message that waits until so many were sent; of two the one that waits for longer goes first.
type hold struct {
	due, order int64
	message    Message
}

type holds []hold //nolint:recvcheck // as container/heap has it

func (h *holds) take() Message {
	held, _ := heap.Pop(h).(hold)
	return held.message
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (h holds) Len() int { return len(h) }

func (h holds) Less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].order < h[j].order
}

func (h holds) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds one at the end.
func (h *holds) Push(x any) {
	held, _ := x.(hold)
	*h = append(*h, held)
}

// Pop removes the last one.
func (h *holds) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = hold{} // lets go of the event
	*h = (*h)[:len(*h)-1]
	return last
}
