package projections

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Health knows whether a runner does its work, and if not, why.
type Health struct {
	stuckAfter time.Duration

	mu         sync.Mutex
	member     bool
	absentFrom time.Time // since when it is no member
	partitions int
	failures   map[string]failure
	places     map[eventlog.TopicPartition]*place
	behindFrom time.Time
}

type failure struct {
	err   error
	since time.Time
}

// place is how far a partition is in, and how far the log goes.
type place struct {
	next, end  int64
	recordedAt time.Time
}

// Lag is how far a partition is behind.
type Lag struct {
	// Events counts offsets, which is a little more than events where transactions are used.
	Events int64
	// Time is the age of the last committed record while there is lag, else 0.
	Time time.Duration
}

func newHealth(stuckAfter time.Duration) *Health {
	return &Health{
		stuckAfter: stuckAfter,
		absentFrom: time.Now(),
		failures:   map[string]failure{},
		places:     map[eventlog.TopicPartition]*place{},
	}
}

// Trouble is a reason why a runner does not do its work.
type Trouble struct {
	// Kind is what it tries: "commit", "acquire"; TroubleJoining and TroubleBehind where it tries nothing that fails.
	Kind  string
	Err   error
	Since time.Time
}

// The kinds of trouble that are no failure of a try.
const (
	// TroubleJoining is the moment, or longer, until a runner is a member of its group.
	TroubleJoining = "joining"
	// TroubleBehind says that there is something to commit, and nothing was for a while.
	TroubleBehind = "behind"
)

// explained is the trouble and how long it has lasted.
func (t Trouble) explained() error {
	lasted := time.Since(t.Since).Round(time.Second)
	switch t.Kind {
	case TroubleJoining:
		return t.Err
	case TroubleBehind:
		return fmt.Errorf("%w for %s", t.Err, lasted)
	default:
		return fmt.Errorf("%s, for %s: %w", t.Kind, lasted, t.Err)
	}
}

// Ready is nil while the runner is a member of its group, retries nothing, and gets on; else it says why not.
func (h *Health) Ready() error {
	troubles := h.Troubles()
	problems := make([]error, len(troubles))
	for i := range troubles {
		problems[i] = troubles[i].explained()
	}
	return errors.Join(problems...)
}

// Troubles are the reasons, none while all is well.
func (h *Health) Troubles() []Trouble {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Trouble
	for _, kind := range slices.Sorted(maps.Keys(h.failures)) {
		f := h.failures[kind]
		all = append(all, Trouble{kind, f.err, f.since})
	}
	if len(all) == 0 && !h.member {
		all = append(all, Trouble{TroubleJoining, errors.New("not yet a member of the consumer group"), h.absentFrom})
	}
	if !h.behindFrom.IsZero() && time.Since(h.behindFrom) > h.stuckAfter {
		all = append(all, Trouble{TroubleBehind, errors.New("behind, and nothing was committed"), h.behindFrom})
	}
	return all
}

// fail notes that something is being retried; the first failure of a kind sets its time.
func (h *Health) fail(kind string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := time.Now()
	if before, ok := h.failures[kind]; ok {
		since = before.since
	}
	h.failures[kind] = failure{err, since}
}

// mend notes that it works again.
func (h *Health) mend(kind string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failures, kind)
}

// recovered notes that a session has come as far as to own partitions.
func (h *Health) recovered() {
	h.mend("session")
	h.mend("log_lost")
}

// spare notes that a session is a member without partitions.
func (h *Health) spare() {
	h.recovered()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.member = true
}

// left notes the end of a session. What it was retrying nobody retries any more: why it ended is the caller's to say.
func (h *Health) left() {
	h.assigned(0)
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.failures, func(kind string, _ failure) bool {
		return kind != "session" && kind != "log_lost" && kind != troubleStore
	})
}

// assigned notes how many partitions are owned; 0 forgets where they were.
func (h *Health) assigned(partitions int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.partitions = partitions
	if h.member && partitions == 0 {
		h.absentFrom = time.Now()
	}
	h.member = partitions > 0
	if partitions == 0 {
		clear(h.places)
		h.behindFrom = time.Time{}
	}
}

// committed notes progress.
func (h *Health) committed(batch Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range batch.Ranges {
		p := h.place(r.TopicPartition)
		p.next, p.recordedAt = r.To, r.RecordedAt
	}
	if !h.behindFrom.IsZero() {
		h.behindFrom = time.Now()
	}
}

// ended notes where a partition's log ends, and returns the lag.
func (h *Health) ended(at eventlog.TopicPartition, end int64) Lag {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.place(at).end = end
	behind := false
	for _, p := range h.places {
		behind = behind || p.end > p.next
	}
	switch {
	case !behind:
		h.behindFrom = time.Time{}
	case h.behindFrom.IsZero():
		h.behindFrom = time.Now()
	}
	p := h.place(at)
	lag := Lag{Events: max(p.end-p.next, 0)}
	if lag.Events > 0 && !p.recordedAt.IsZero() {
		lag.Time = time.Since(p.recordedAt)
	}
	return lag
}

// started notes where a new owner begins.
func (h *Health) started(at eventlog.TopicPartition, next int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.place(at).next = next
}

func (h *Health) forget(at eventlog.TopicPartition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.places, at)
}

func (h *Health) place(at eventlog.TopicPartition) *place {
	p, ok := h.places[at]
	if !ok {
		p = &place{}
		h.places[at] = p
	}
	return p
}

// next is up to where a partition is committed.
func (h *Health) next(at eventlog.TopicPartition) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.place(at).next
}

// Partitions is how many partitions are owned.
func (h *Health) Partitions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.partitions
}
