package chaos

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// journal is the driver's own list of what it published, and of what was acknowledged.
type journal struct {
	broken int // records that are no events, all of them acknowledged in the end
	// mayRepeat: what was not acknowledged when Kafka crashed may be in the log twice.
	mayRepeat bool

	mu        sync.Mutex
	events    map[uuid.UUID]*entry
	aborted   int               // batches of which nothing is in the log
	uncertain [][]*ledger.Event // batches of which all or nothing is
	byPublish int               // events that `tributary publish` said to be acknowledged
}

// entry is how often an event is in the log at least and at most, and what it says.
type entry struct {
	least, most int
	content     [ledger.HashBytes]byte
}

func newJournal(mayRepeat bool) *journal {
	return &journal{mayRepeat: mayRepeat, events: map[uuid.UUID]*entry{}}
}

// publish is called before events are sent, once for each time.
func (j *journal) publish(events ...*ledger.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, event := range events {
		one := j.events[event.ID]
		if one == nil {
			one = &entry{content: event.ContentHash()}
			j.events[event.ID] = one
		}
		one.most++
	}
}

// acknowledge is called for each time that events are acknowledged.
func (j *journal) acknowledge(events ...*ledger.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, event := range events {
		j.events[event.ID].least++
	}
}

// printed is called with what `tributary publish` printed as acknowledged.
func (j *journal) printed(events ...*ledger.Event) {
	j.acknowledge(events...)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.byPublish += len(events)
}

// settle keeps what was said of a batch: that all of it is in, or none; of others only that it is the one or the other.
func (j *journal) settle(events []*ledger.Event, outcome error) error {
	if outcome == nil {
		j.acknowledge(events...)
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case errors.Is(outcome, eventlog.ErrAborted):
		j.aborted++
		for _, event := range events {
			j.events[event.ID].most--
		}
	case errors.Is(outcome, eventlog.ErrUncertain):
		j.uncertain = append(j.uncertain, events)
	default:
		return fmt.Errorf("a batch neither in nor out: %w", outcome)
	}
	return nil
}

// check compares the log with the list, and returns which events are in it.
func (j *journal) check(t *testing.T, log map[uuid.UUID]int, contents map[uuid.UUID][ledger.HashBytes]byte) {
	t.Helper()
	wrong, acknowledged, repeated := map[string]int{}, 0, 0
	for id, one := range j.events {
		acknowledged += min(one.least, 1)
		switch in := log[id]; {
		case in < one.least:
			wrong["an acknowledged event is lost"]++
		case in > 0 && contents[id] != one.content:
			wrong["an event is not as it was published"]++
		case in > one.most && j.mayRepeat:
			repeated++
		case in > one.most:
			wrong["an event is there more often than it was published"]++
		}
	}
	for id := range log {
		if j.events[id] == nil {
			wrong["an event is there that nobody published"]++
		}
	}
	found := 0
	for _, batch := range j.uncertain {
		in := 0
		for _, event := range batch {
			in += log[event.ID]
		}
		if in == len(batch) {
			found++
		} else if in > 0 {
			wrong["a batch is there in part"]++
		}
	}
	require.Empty(t, wrong)
	t.Logf("%d events acknowledged, %d of them printed by publish, none lost; %d written again by a retry over a crash of Kafka; "+
		"%d batches aborted, none there; %d batches of unknown outcome, %d there",
		acknowledged, j.byPublish, repeated, j.aborted, len(j.uncertain), found)
}
