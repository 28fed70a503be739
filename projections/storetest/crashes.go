package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections"
)

// LastStep is the step that every store names when a commit is done and its answer on the way.
const LastStep = "answer"

// stepsOf are the steps of a commit, in order, found out by watching one of a partition that no test uses.
func stepsOf(t *testing.T, h Harness) []string {
	t.Helper()
	l := log{}
	var mu sync.Mutex
	var steps []string
	store := h.Open(t, 0, func(_ context.Context, next string) error {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, next)
		return nil
	})
	l.fill(partition(99), 1)
	acquire(t, store, partition(99)).finish(t, l)
	require.GreaterOrEqual(t, len(steps), 3)
	require.Equal(t, LastStep, steps[len(steps)-1])
	return steps
}

// testCrashes kills an owner before each step in turn, in a batch of new events, of events that are in already, and of
// both. The next owner must go on from what is in, and end with each event once.
func testCrashes(t *testing.T, probe Harness, open func(t *testing.T) Harness) {
	t.Helper()
	for _, step := range stepsOf(t, probe) {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			l := log{}
			l.fill(partition(0), 400)
			crash(t, h, l, step)
			for _, record := range slices.Clone(l[partition(0)][:300]) { // Seen before, and some new.
				l.add(partition(0), record.Event)
			}
			l.fill(partition(0), 100)
			crash(t, h, l, step)
			acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
			requireAllOnce(t, h, l)
		})
	}
}

// crash has an owner die before a step of its batch, and the next owner find all of it in, or nothing.
func crash(t *testing.T, h Harness, l log, step string) {
	t.Helper()
	a := acquire(t, h.Open(t, 0, crashAt(step)), partition(0))
	before := a.owned[partition(0)].NextOffset
	batch := a.batch(l, len(l[partition(0)]))
	rows := len(h.Rows(t))
	_, err := a.put(t.Context(), batch)
	require.ErrorIs(t, err, errCrash)
	b := acquire(t, h.Open(t, 0, nil), partition(0))
	if next := b.owned[partition(0)].NextOffset; next == before {
		require.Len(t, h.Rows(t), rows, "no offset moved, so no row may be there")
	} else {
		require.Equal(t, batch.Ranges[0].To, next)
	}
	b.finish(t, l)
}

// testRandomCrashes is a random history of appends, duplicates, commits that die anywhere, and owners that replace each
// other; old owners go on trying.
func testRandomCrashes(t *testing.T, h Harness) {
	t.Helper()
	steps := append(stepsOf(t, h), "none")
	number := int32(1_000)
	rapid.Check(t, func(rt *rapid.T) {
		number++
		p := partition(number)
		l := log{}
		var owners []*owner
		var known []*ledger.Event
		for range rapid.IntRange(1, 12).Draw(rt, "actions") {
			switch rapid.SampledFrom([]string{"append", "repeat", "commit", "takeover", "zombie"}).Draw(rt, "action") {
			case "append":
				for range rapid.IntRange(1, 5).Draw(rt, "events") {
					known = append(known, l.add(p, event("1")).Event)
				}
			case "repeat":
				if len(known) > 0 {
					l.add(p, rapid.SampledFrom(known).Draw(rt, "event"))
				}
			case "takeover":
				owners = append(owners, acquire(t, h.Open(t, 0, nil), p))
			case "commit":
				step := rapid.SampledFrom(steps).Draw(rt, "crash before")
				o := acquire(t, h.Open(t, 0, crashAt(step)), p)
				owners = append(owners, o)
				_, _ = o.put(t.Context(), o.batch(l, rapid.IntRange(1, 4).Draw(rt, "batch")))
			case "zombie":
				if len(owners) > 0 {
					o := rapid.SampledFrom(owners).Draw(rt, "owner")
					tryZombie(t, o, o.batch(l, 3))
				}
			}
		}
		acquire(t, h.Open(t, 0, nil), p).finish(t, l)
		rows := h.Rows(t)
		for id := range l.ids() {
			require.Equal(rt, 1, rows[id])
		}
	})
}

// tryZombie has an owner, perhaps one that was replaced long ago, try a batch: it is in or refused.
func tryZombie(t *testing.T, o *owner, batch projections.Batch) {
	t.Helper()
	if len(batch.Ranges) == 0 {
		return
	}
	if _, err := o.put(t.Context(), batch); err != nil {
		requireFenced(t, err, batch.Ranges[0].TopicPartition)
	}
}
