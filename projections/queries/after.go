package queries

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// After is the input of every read: positions that the answer must include.
type After struct {
	After []string `query:"after,explode" maxItems:"1000" example:"[\"payments/3@1042\"]" doc:"Wait until the books are past these positions, as a write's Tributary-Position says them, separated by commas: 2 s at most, then 503. Positions that this read does not depend on are passed over."`
}

// afterPatience is how long a read waits for its positions.
const afterPatience = 2 * time.Second

// positions reads the input.
func (a After) positions() ([]eventlog.Position, error) {
	var all []eventlog.Position
	for _, one := range a.After {
		for text := range strings.SplitSeq(one, ",") {
			at, err := eventlog.ParsePosition(strings.TrimSpace(text))
			if err == nil && !slices.Contains(eventlog.Topics(), at.Topic) {
				err = fmt.Errorf("%q: there is no topic %s", text, at.Topic)
			}
			if err != nil {
				return nil, invalid("query.after", err.Error()+"; send what a Tributary-Position header says")
			}
			all = append(all, at)
		}
	}
	return all, nil
}

func invalid(path, detail string) *web.Problem {
	return web.NewProblem(http.StatusUnprocessableEntity, web.CodeInvalid, detail).At(path)
}

// waiter is a read that waits until a store is past its positions. Whoever looks at a store tells the waiters, so that many of
// them cost no more queries than one.
type waiter struct {
	of    projection
	at    []eventlog.Position
	not   []*store
	ready chan *store
}

// pastAll gives a store that shows these positions, but for some; it waits for the first to do so.
func (q *Queries) pastAll(ctx context.Context, p projection, at []eventlog.Position, not []*store) (*store, error) {
	w := &waiter{p, at, not, make(chan *store, 1)}
	q.mu.Lock()
	s := q.pastNow(w)
	if s == nil {
		q.waiting[w] = struct{}{}
	}
	q.mu.Unlock()
	if s != nil {
		return s, nil
	}
	q.primary.lookNow()
	for _, replica := range q.replicas {
		replica.lookNow()
	}
	ctx, cancel := context.WithTimeout(ctx, afterPatience)
	defer cancel()
	select {
	case s := <-w.ready:
		return s, nil
	case <-ctx.Done():
		q.mu.Lock()
		delete(q.waiting, w)
		q.mu.Unlock()
		return nil, web.NewProblem(http.StatusServiceUnavailable, web.CodeNotYet,
			fmt.Sprintf("the %s are not past %s yet: ask again", p.name, described(at))).After(time.Second)
	}
}

func described(at []eventlog.Position) string {
	const few = 3
	var texts []string
	for _, p := range at[:min(few, len(at))] {
		texts = append(texts, p.String())
	}
	if len(at) > few {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ",")
}

// pastNow is a store that is past a waiter's positions as of its last look, a standby if there is one; or nil.
func (q *Queries) pastNow(w *waiter) *store {
	turn := int(q.turn.Add(1) % (1 << 30))
	for i := range q.replicas {
		if s := q.replicas[(turn+i)%len(q.replicas)]; w.takes(s) {
			return s
		}
	}
	if w.takes(q.primary) {
		return q.primary
	}
	return nil
}

func (w *waiter) takes(s *store) bool { return !slices.Contains(w.not, s) && s.past(w.of, w.at) }

// serveWaiting gives a store to those who waited for what its last look showed.
func (q *Queries) serveWaiting(s *store) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for w := range q.waiting {
		if w.takes(s) {
			delete(q.waiting, w)
			w.ready <- s
		}
	}
}

// lookedFor are the projections to look for: those that are waited for or, where nobody waits, all.
func (q *Queries) lookedFor() (names []string, waited bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for w := range q.waiting {
		if !slices.Contains(names, w.of.name) {
			names = append(names, w.of.name)
		}
	}
	if len(names) > 0 {
		return names, true
	}
	return []string{ofBalances.name, ofQuarantine.name, ofReceipts.name, ofReceivers.name, ofRevenue.name}, false
}
