package storetest

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// Run runs the suite; open gives a harness over a fresh database.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Harness){
		"CommitMovesRowsAndOffsetsTogether":    testCommit,
		"EachEventCountsOnce":                  testDuplicates,
		"ConflictsAreCountedNotApplied":        testConflicts,
		"ALostAnswerIsFoundOut":                testLostAnswer,
		"AnOwnerThatWasReplacedIsRefused":      testFence,
		"OneFencedPartitionRefusesTheBatch":    testFenceOfOne,
		"APausedOwnerCannotCommitAfterwards":   testPaused,
		"OwnersOfOneIDCountItOnce":             testTwoOwners,
		"RefusedDataIsNotAnInfrastructure":     testRefused,
		"ARecreatedTopicIsNoticed":             testRecreated,
		"ASwapWaitsAndFencesBothGenerations":   testSwap,
		"GenerationsDoNotSeeEachOther":         testGenerations,
		"ASwapLetsTheOtherCatchUp":             testCatchUp,
		"ASwapIsBounded":                       testSlowCatchUp,
		"ASwapLosesNoRowPastTheOffsets":        func(t *testing.T, h Harness) { t.Helper(); testRowsPastOffsets(t, h, open(t)) },
		"AGenerationHasNames":                  testNames,
		"ADropIsFinishedByTheNext":             testDrop,
		"AnotherVersionWritesNothing":          testVersion,
		"ACrashBetweenAnyTwoStepsLeavesNoHalf": func(t *testing.T, h Harness) { t.Helper(); testCrashes(t, h, open) },
		"RandomCrashesAndTakeovers":            testRandomCrashes,
		"RandomOwnersOfSharedIDs":              testRandomOwners,
		"ADuplicateIsSeenNotBeforeItsOriginal": func(t *testing.T, h Harness) { t.Helper(); testAwaited(t, h, open) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// requireAllOnce is the end state that every test must reach.
func requireAllOnce(t *testing.T, h Harness, l log) {
	t.Helper()
	want, got := l.ids(), h.Rows(t)
	wrong := 0
	for id, n := range got {
		if want[id] != n {
			wrong++
		}
	}
	require.Truef(t, maps.Equal(want, got), "want one row for each of %d events, got rows for %d, a wrong number for %d",
		len(want), len(got), wrong)
	require.Equal(t, l.ends(), h.Next(t), "the offsets are at the end of the log")
}

func testCommit(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 500)
	l.fill(partition(1), 3)
	a := acquire(t, h.Open(t, 0, nil), partition(0), partition(1))
	require.Empty(t, h.Rows(t))
	batch := a.batch(l, 2)
	_, err := a.put(t.Context(), batch)
	require.NoError(t, err)
	require.Len(t, h.Rows(t), 4)
	require.Equal(t, map[eventlog.TopicPartition]int64{partition(0): 2, partition(1): 2}, h.Next(t))
	a.finish(t, l)
	requireAllOnce(t, h, l)
	again := acquire(t, h.Open(t, 0, nil), partition(0), partition(1))
	require.Equal(t, int64(500), again.owned[partition(0)].NextOffset)
	require.Greater(t, again.owned[partition(0)].Epoch, a.owned[partition(0)].Epoch)
}

func testDuplicates(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 300)
	for i, record := range l[partition(0)] { // Again on another partition, and within the batch, and later.
		l.add(partition(1), record.Event)
		if i%3 == 0 {
			l.add(partition(1), record.Event)
		}
	}
	for _, record := range l[partition(0)][:50] {
		l.add(partition(0), record.Event)
	}
	a := acquire(t, h.Open(t, 0, nil), partition(0), partition(1))
	committed := a.finish(t, l)
	require.Equal(t, projections.Committed{Duplicates: 450}, committed)
	requireAllOnce(t, h, l)
}

func testConflicts(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	first := l.add(partition(0), event("1"))
	l.add(partition(0), eventWithID(first.Event.ID, "2"))
	a := acquire(t, h.Open(t, 0, nil), partition(0), partition(1))
	require.Equal(t, projections.Committed{Duplicates: 1, Conflicts: 1}, a.finish(t, l))
	l.add(partition(1), eventWithID(first.Event.ID, "3"))
	require.Equal(t, projections.Committed{Duplicates: 1, Conflicts: 1}, a.finish(t, l))
	requireAllOnce(t, h, l)
}

// errCrash is what a step fails with where a test kills the owner.
var errCrash = errors.New("killed here")

// crashAt is a step that fails once, at the named step.
func crashAt(name string) projections.Step {
	var once sync.Once
	return func(_ context.Context, next string) (err error) {
		if next == name {
			once.Do(func() { err = errCrash })
		}
		return err
	}
}

func testLostAnswer(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 10)
	a := acquire(t, h.Open(t, 0, crashAt(LastStep)), partition(0))
	change, err := a.store.Prepare(t.Context(), a.batch(l, 10))
	require.NoError(t, err)
	_, err = change.Commit(t.Context())
	require.ErrorIs(t, err, errCrash)
	_, err = change.Commit(t.Context())
	require.NoError(t, err, "the second try finds that the first was done")
	requireAllOnce(t, h, l)
}

func requireFenced(t *testing.T, err error, want ...eventlog.TopicPartition) {
	t.Helper()
	var fenced *projections.FencedError
	require.ErrorAs(t, err, &fenced)
	assert.ElementsMatch(t, want, fenced.Partitions)
}

func testFence(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 20)
	a := acquire(t, h.Open(t, 0, nil), partition(0))
	prepared, err := a.store.Prepare(t.Context(), a.batch(l, 20))
	require.NoError(t, err)
	b := acquire(t, h.Open(t, 0, nil), partition(0))
	_, err = prepared.Commit(t.Context())
	requireFenced(t, err, partition(0))
	require.Empty(t, h.Rows(t))
	b.finish(t, l)
	_, err = prepared.Commit(t.Context())
	requireFenced(t, err, partition(0))
	requireAllOnce(t, h, l)
}

func testFenceOfOne(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 5)
	l.fill(partition(1), 5)
	a := acquire(t, h.Open(t, 0, nil), partition(0), partition(1))
	b := acquire(t, h.Open(t, 0, nil), partition(1))
	_, err := a.put(t.Context(), a.batch(l, 5))
	requireFenced(t, err, partition(1))
	require.Empty(t, h.Rows(t), "the other partition's range did not go in either")
	b.finish(t, l)
	acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
	requireAllOnce(t, h, l)
}

// testPaused stops an owner inside its commit, as SIGSTOP would, until another has taken over.
func testPaused(t *testing.T, h Harness) {
	t.Helper()
	for _, at := range stepsOf(t, h) {
		if at == LastStep {
			continue // It is done by then.
		}
		l := log{}
		p := partition(100 + int32(len(at))) // A partition of its own for each step.
		l.fill(p, 10)
		reached, resume := make(chan struct{}), make(chan struct{})
		var once sync.Once
		a := acquire(t, h.Open(t, 0, func(_ context.Context, next string) error {
			if next == at {
				once.Do(func() { close(reached); <-resume })
			}
			return nil
		}), p)
		batch := a.batch(l, 10)
		change, err := a.store.Prepare(t.Context(), batch)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { _, err := change.Commit(t.Context()); done <- err }()
		<-reached
		b := acquire(t, h.Open(t, 0, nil), p)
		require.Zero(t, b.owned[p].NextOffset, "stopped before %s", at)
		close(resume)
		require.Error(t, <-done, "stopped before %s", at)
		_, err = change.Commit(t.Context())
		requireFenced(t, err, p)
		b.finish(t, l)
		for id := range l.ids() {
			require.Equal(t, 1, h.Rows(t)[id], "stopped before %s", at)
		}
	}
}

// testTwoOwners has the same ids in two partitions, whose owners commit at the same time.
func testTwoOwners(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 2_000)
	for i := range l[partition(0)] { // In the other order: the one that deadlocks if anything does.
		l.add(partition(1), l[partition(0)][len(l[partition(0)])-1-i].Event)
	}
	var owners sync.WaitGroup
	for number := range int32(2) {
		o := acquire(t, h.Open(t, 0, nil), partition(number))
		owners.Go(func() {
			for {
				batch := o.batch(l, 250)
				if len(batch.Ranges) == 0 {
					return
				}
				_, err := o.put(t.Context(), batch)
				if !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	owners.Wait()
	requireAllOnce(t, h, l)
}

// testAwaited has an owner die at each step of a batch whose events come again on another partition. Who waits for the
// copies must not be told that they are in before the originals are.
func testAwaited(t *testing.T, probe Harness, open func(t *testing.T) Harness) {
	t.Helper()
	for _, step := range stepsOf(t, probe) {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			l := log{}
			l.fill(partition(0), 300)
			l.fill(partition(1), 2)
			for _, record := range l[partition(0)] {
				l.add(partition(1), record.Event)
			}
			a := acquire(t, h.Open(t, 0, crashAt(step)), partition(0))
			_, err := a.put(t.Context(), a.batch(l, 200))
			require.ErrorIs(t, err, errCrash)
			b := acquire(t, h.Open(t, 0, nil), partition(1))
			for range 4 {
				_, err = b.put(t.Context(), b.batch(l, 100))
				require.NoError(t, err, "one owner does not wait for another")
				requireVisible(t, h, l)
			}
			next := h.CreateGeneration(t)
			ahead := acquire(t, h.Open(t, next, nil), partition(1), partition(0))
			ahead.finish(t, l)
			acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
			requireAllOnce(t, h, l)
			require.NoError(t, h.Swap(t.Context(), next, nil))
			requireAllOnce(t, h, l)
		})
	}
}

func testRefused(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.add(partition(0), event("1"))
	l.add(partition(0), event(PoisonAmount))
	a := acquire(t, h.Open(t, 0, nil), partition(0))
	_, err := a.put(t.Context(), a.batch(l, 2))
	var refused *projections.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, err.Error(), "payments/0@0..2")
	require.Empty(t, h.Rows(t))
	_, err = a.put(t.Context(), a.batch(l, 1))
	require.NoError(t, err, "the store is as good as before")
	require.Len(t, h.Rows(t), 1)
}

func testRecreated(t *testing.T, h Harness) {
	t.Helper()
	store := h.Open(t, 0, nil)
	acquire(t, store, partition(0))
	other := eventlog.TopicID(uuid.New())
	_, err := store.Acquire(t.Context(), []projections.Claim{{TopicPartition: partition(0), TopicID: other}})
	require.ErrorIs(t, err, eventlog.ErrRecreated)
}

func testSwap(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 30)
	live := acquire(t, h.Open(t, 0, nil), partition(0))
	live.finish(t, l)
	next := h.CreateGeneration(t)
	require.ErrorIs(t, h.Swap(t.Context(), next, nil), h.ErrBehind())
	shadow := acquire(t, h.Open(t, next, nil), partition(0))
	_, err := shadow.put(t.Context(), shadow.batch(l, 29))
	require.NoError(t, err)
	require.ErrorIs(t, h.Swap(t.Context(), next, nil), h.ErrBehind())
	requireAllOnce(t, h, l) // Readers still see the old one.
	shadow.finish(t, l)
	require.NoError(t, h.Swap(t.Context(), next, nil))
	requireAllOnce(t, h, l)
	l.fill(partition(0), 5)
	for _, o := range []*owner{live, shadow} {
		_, err = o.put(t.Context(), o.batch(l, 5))
		requireFenced(t, err, partition(0))
	}
	follower := acquire(t, h.Open(t, 0, nil), partition(0))
	require.Equal(t, next, follower.owned[partition(0)].Generation)
	follower.finish(t, l)
	requireAllOnce(t, h, l)
}

func testGenerations(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 30)
	next := h.CreateGeneration(t)
	acquire(t, h.Open(t, next, nil), partition(0)).finish(t, l)
	require.Empty(t, h.Rows(t))
	require.Empty(t, h.Next(t))
	acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
	requireAllOnce(t, h, l)
}
