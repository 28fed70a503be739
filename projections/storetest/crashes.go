package storetest

import (
	"context"
	"flag"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
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
	rows := h.Rows(t)
	_, err := a.put(t.Context(), batch)
	require.ErrorIs(t, err, errCrash)
	b := acquire(t, h.Open(t, 0, nil), partition(0))
	if next := b.owned[partition(0)].NextOffset; next == before {
		requireNoneOf(t, h, batch, rows)
	} else {
		require.Equal(t, batch.Ranges[0].To, next)
	}
	requireVisible(t, h, l)
	b.finish(t, l)
}

// requireNoneOf requires that nothing of a batch is in but what was before, or, where rows move before offsets, all of it.
func requireNoneOf(t *testing.T, h Harness, batch projections.Batch, before map[uuid.UUID]int) {
	t.Helper()
	now := h.Rows(t)
	if h.Together() || len(now) == len(before) {
		require.Equal(t, before, now, "no offset moved, so no row may be there")
		return
	}
	all := maps.Clone(before)
	for _, record := range batch.Records {
		all[record.Event.ID] = 1
	}
	require.Equal(t, all, now, "some rows of the batch are in, so all must be, once")
}

// requireVisible requires that every event below what readers see as the next offset is in.
func requireVisible(t *testing.T, h Harness, l log) {
	t.Helper()
	next := h.Next(t) // First: what it promises must be in by now.
	rows := h.Rows(t)
	for p, to := range next {
		for _, record := range l[p][:min(to, int64(len(l[p])))] {
			require.Equal(t, 1, rows[record.Event.ID], "the event at %s is below %d", record.Position, to)
		}
	}
}

// FewerHistories lets a run draw a third of the usual random histories, unless -rapid.checks says how many: here each costs dozens of
// commits in a real store. For a TestMain, before the flags are read.
func FewerHistories() {
	if err := flag.Set("rapid.checks", "35"); err != nil {
		panic(err) // rapid has that flag
	}
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

// testRandomOwners is a random history over three partitions that share ids, with owners of any of them: an id may be claimed
// by one owner from one partition, and come again to another that owns that partition too.
func testRandomOwners(t *testing.T, h Harness) {
	t.Helper()
	steps := append(stepsOf(t, h), "none", "none")
	number := int32(2_000)
	rapid.Check(t, func(rt *rapid.T) {
		number += 3
		partitions := []eventlog.TopicPartition{partition(number), partition(number + 1), partition(number + 2)}
		l := log{}
		var known []*ledger.Event
		for range rapid.IntRange(1, 10).Draw(rt, "actions") {
			for range rapid.IntRange(0, 4).Draw(rt, "events") {
				p := rapid.SampledFrom(partitions).Draw(rt, "partition")
				if len(known) > 0 && rapid.Bool().Draw(rt, "again") {
					l.add(p, rapid.SampledFrom(known).Draw(rt, "event"))
					continue
				}
				known = append(known, l.add(p, event("1")).Event)
			}
			first := rapid.IntRange(0, 2).Draw(rt, "first owned")
			last := rapid.IntRange(first, 2).Draw(rt, "last owned")
			step := rapid.SampledFrom(steps).Draw(rt, "crash before")
			o := acquire(t, h.Open(t, 0, crashAt(step)), partitions[first:last+1]...)
			_, _ = o.put(t.Context(), o.batch(l, rapid.IntRange(1, 4).Draw(rt, "batch")))
			requireVisible(t, h, l)
		}
		acquire(t, h.Open(t, 0, nil), partitions...).finish(t, l)
		rows, next := h.Rows(t), h.Next(t)
		for id := range l.ids() {
			require.Equal(rt, 1, rows[id])
		}
		for p, end := range l.ends() {
			require.Equal(rt, end, next[p])
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
