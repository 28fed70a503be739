package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// span is when something began and ended.
type span struct{ from, to time.Time }

func (s span) took() time.Duration { return s.to.Sub(s.from) }

// meets tells whether two of them have a moment in common.
func (s span) meets(others []span) bool {
	return slices.ContainsFunc(others, func(o span) bool { return s.from.Before(o.to) && o.from.Before(s.to) })
}

// timedStore measures how long it takes until a batch is in: from the first try of its commit to the end of the one that worked, be it
// another owner's of the same offsets.
type timedStore struct {
	projections.Store

	mu      sync.Mutex
	began   map[eventlog.TopicPartition]time.Time
	commits []span
}

// Check is the store's.
func (s *timedStore) Check(ctx context.Context, held []projections.Held) error {
	return s.Store.(projections.Checker).Check(ctx, held)
}

// Prepare is the store's, and notes the commit.
func (s *timedStore) Prepare(ctx context.Context, batch projections.Batch) (projections.Change, error) {
	change, err := s.Store.Prepare(ctx, batch)
	return &timedChange{change, s, batch}, err
}

type timedChange struct {
	projections.Change

	store *timedStore
	batch projections.Batch
}

// Commit is the change's.
func (c *timedChange) Commit(ctx context.Context) (projections.Committed, error) {
	c.note(func(p eventlog.TopicPartition, now time.Time) {
		if c.store.began[p].IsZero() {
			c.store.began[p] = now
		}
	})
	committed, err := c.Change.Commit(ctx)
	if err != nil {
		return committed, err
	}
	var commit span
	c.note(func(p eventlog.TopicPartition, now time.Time) {
		if began := c.store.began[p]; commit.from.IsZero() || began.Before(commit.from) {
			commit = span{began, now}
		}
		delete(c.store.began, p)
	})
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.store.commits = append(c.store.commits, commit)
	return committed, nil
}

func (c *timedChange) note(f func(eventlog.TopicPartition, time.Time)) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	now := time.Now()
	for _, r := range c.batch.Ranges {
		f(r.TopicPartition, now)
	}
}

// report says what was measured, and requires what swaps may cost at most.
func (f *following) report(t *testing.T) {
	t.Helper()
	var waits, met, others []span
	for _, probe := range f.probes {
		if probe.meets(f.swaps) {
			waits = append(waits, probe)
		}
	}
	for _, commit := range f.store.commits {
		if commit.meets(f.swaps) {
			met = append(met, commit)
		} else {
			others = append(others, commit)
		}
	}
	t.Logf("%d swaps under %d events: %d questions, %d errors, %d impossible answers", len(f.swaps), f.published, f.asked.Load(),
		f.errors.Load(), f.impossible.Load())
	t.Logf("a swap: %s; from the locks on: %s; who waited for its lock: %s", durations(f.swaps), durations(f.locks), durations(waits))
	t.Logf("commits that met a swap, with the takeover after it: %s; others: %s", durations(met), durations(others))
	require.NotEmpty(t, met, "no commit met a swap, so nothing was measured")
	for _, wait := range waits {
		require.Less(t, wait.took(), longestLock, "a swap kept others waiting")
	}
}

// durations says how long they took.
func durations(spans []span) string {
	if len(spans) == 0 {
		return "none"
	}
	all := make([]time.Duration, len(spans))
	for i, s := range spans {
		all[i] = s.took().Round(time.Millisecond / 10)
	}
	slices.Sort(all)
	const percent = 100
	at := func(p int) time.Duration { return all[(len(all)-1)*p/percent] }
	return fmt.Sprintf("%d, p50 %s, p99 %s, max %s", len(all), at(50), at(99), at(percent))
}
