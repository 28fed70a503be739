package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// to has an owner commit all that is below a vector.
func (o *owner) to(ctx context.Context, l log, vector map[eventlog.TopicPartition]int64) error {
	below := log{}
	for p, next := range vector {
		below[p] = l[p][:next]
	}
	batch := o.batch(below, len(l[partition(0)])+1)
	if len(batch.Ranges) == 0 {
		return nil
	}
	_, err := o.put(ctx, batch)
	return err
}

// swapInTime swaps, again where the time was up that a swap has: on a machine that others use that is no more than bad luck.
func swapInTime(t *testing.T, h Harness, to int32, catchUp func(context.Context, map[eventlog.TopicPartition]int64) error) error {
	t.Helper()
	for {
		if err := h.Swap(t.Context(), to, catchUp); !errors.Is(err, h.ErrBehind()) || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// testCatchUp has the other generation catch up while the live one waits, at each of several swaps to and fro.
func testCatchUp(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 30)
	l.fill(partition(1), 30)
	acquire(t, h.Open(t, 0, nil), partition(0), partition(1)).finish(t, l)
	first := acquire(t, h.Open(t, 0, nil), partition(0)).owned[partition(0)].Generation
	second := h.CreateGeneration(t)
	for range 3 {
		for _, to := range []int32{second, first} {
			l.fill(partition(0), 7)
			acquire(t, h.Open(t, 0, nil), partition(0), partition(1)).finish(t, l)
			require.ErrorIs(t, h.Swap(t.Context(), to, nil), h.ErrBehind(), "an old generation comes back only when it has all")
			other := acquire(t, h.Open(t, to, nil), partition(0), partition(1))
			next, all := h.Next(t), len(l.ids())
			require.NoError(t, swapInTime(t, h, to, func(ctx context.Context, vector map[eventlog.TopicPartition]int64) error {
				require.Equal(t, l.ends(), vector)
				return other.to(ctx, l, vector)
			}))
			require.Equal(t, next, h.Next(t))
			requireAllOnce(t, h, l)
			named, err := h.Named(t.Context(), first+second-to)
			require.NoError(t, err, "what was live has its names")
			require.Equal(t, all, named)
			require.Equal(t, to, acquire(t, h.Open(t, 0, nil), partition(0)).owned[partition(0)].Generation)
			require.NoError(t, h.Swap(t.Context(), to, nil), "a swap to what is live does nothing")
		}
	}
}

// testSlowCatchUp has a generation that does not catch up in time; the live one goes on.
func testSlowCatchUp(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 10)
	acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
	next := h.CreateGeneration(t)
	for range 2 {
		began := time.Now()
		err := h.Swap(t.Context(), next, func(ctx context.Context, _ map[eventlog.TopicPartition]int64) error {
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, h.ErrBehind())
		require.Less(t, time.Since(began), 20*time.Second) // A second, on a machine that has time.
	}
	l.fill(partition(0), 10)
	acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
	requireAllOnce(t, h, l)
}

// testRowsPastOffsets has an owner die before each step of a batch, and then a swap: what a reader saw may never go away.
func testRowsPastOffsets(t *testing.T, probe, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 10)
	acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
	for _, step := range stepsOf(t, probe) {
		next := h.CreateGeneration(t)
		ready := acquire(t, h.Open(t, next, nil), partition(0))
		ready.finish(t, l)
		l.fill(partition(0), 5)
		dying := acquire(t, h.Open(t, 0, crashAt(step)), partition(0))
		_, err := dying.put(t.Context(), dying.batch(l, 5))
		require.ErrorIs(t, err, errCrash)
		seen := h.Rows(t)
		err = swapInTime(t, h, next, nil)
		if len(seen) > len(l[partition(0)])-5 {
			require.ErrorIs(t, err, h.ErrBehind(), "killed before %s", step)
			err = swapInTime(t, h, next, func(ctx context.Context, to map[eventlog.TopicPartition]int64) error {
				return ready.to(ctx, l, to)
			})
		}
		require.NoError(t, err, "killed before %s", step)
		now := h.Rows(t)
		for id := range seen {
			require.Equal(t, 1, now[id], "killed before %s", step)
		}
		acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
		for id := range l.ids() {
			require.Equal(t, 1, h.Rows(t)[id], "killed before %s", step)
		}
	}
}

func testNames(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 30)
	live := acquire(t, h.Open(t, 0, nil), partition(0))
	next := h.CreateGeneration(t)
	require.Error(t, h.Name(t.Context(), next+100))
	other := acquire(t, h.Open(t, next, nil), partition(0))
	for range 2 { // Again changes nothing.
		require.NoError(t, h.Name(t.Context(), next))
		require.NoError(t, h.Name(t.Context(), live.owned[partition(0)].Generation))
	}
	_, err := other.put(t.Context(), other.batch(l, 10))
	require.NoError(t, err)
	live.finish(t, l)
	rows, err := h.Named(t.Context(), next)
	require.NoError(t, err)
	require.Equal(t, 10, rows)
	rows, err = h.Named(t.Context(), live.owned[partition(0)].Generation)
	require.NoError(t, err)
	require.Equal(t, 30, rows)
}

// testDrop kills a drop before each of its steps, and drops again. The live generation is as it was, and of the other nothing is left.
func testDrop(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 30)
	live := acquire(t, h.Open(t, 0, nil), partition(0))
	live.finish(t, l)
	number := live.owned[partition(0)].Generation
	require.Error(t, h.Drop(t.Context(), number, nil), "the live one is not dropped")
	var steps []string
	for _, at := range []string{"", "names", "wait", "elsewhere", "detach", "tables", "forget"} {
		next := h.CreateGeneration(t)
		other := acquire(t, h.Open(t, next, nil), partition(0))
		other.finish(t, l)
		require.NoError(t, h.Name(t.Context(), next))
		err := h.Drop(t.Context(), next, func(_ context.Context, step string) error {
			if at == "" {
				steps = append(steps, step)
			}
			if step == at {
				return errCrash
			}
			return nil
		})
		if at != "" {
			require.ErrorIs(t, err, errCrash)
			require.Error(t, h.Swap(t.Context(), next, nil), "killed before %s", at)
			require.NoError(t, h.Drop(t.Context(), next, nil))
		} else {
			require.NoError(t, err)
			require.Equal(t, []string{"mark", "names", "wait", "elsewhere", "detach", "tables", "forget"}, steps)
		}
		_, err = h.Named(t.Context(), next)
		require.Error(t, err)
		_, err = h.Open(t, next, nil).Acquire(t.Context(), []projections.Claim{{TopicPartition: partition(0), TopicID: topicID()}})
		require.Error(t, err, "nobody writes to what was dropped")
		require.NoError(t, h.Drop(t.Context(), next, nil), "what is gone is gone")
		requireAllOnce(t, h, l)
	}
	l.fill(partition(0), 5)
	live.finish(t, l)
	requireAllOnce(t, h, l)
}

// testVersion has a program of another version take over: it is refused until a generation of its version is live.
func testVersion(t *testing.T, h Harness) {
	t.Helper()
	l := log{}
	l.fill(partition(0), 10)
	acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
	claims := []projections.Claim{{TopicPartition: partition(0), TopicID: topicID()}}
	newer := h.CreateGeneration(t)
	acquire(t, h.Open(t, newer, nil), partition(0)).finish(t, l)
	h.SetVersion(t, newer, 2)
	_, err := h.Open(t, newer, nil).Acquire(t.Context(), claims)
	var version *projections.VersionError
	require.ErrorAs(t, err, &version)
	require.NoError(t, h.Swap(t.Context(), newer, nil))
	_, err = h.Open(t, 0, nil).Acquire(t.Context(), claims)
	require.ErrorAs(t, err, &version)
	require.ErrorContains(t, err, "tributary replay")
	h.SetVersion(t, newer, 1)
	l.fill(partition(0), 10)
	acquire(t, h.Open(t, 0, nil), partition(0)).finish(t, l)
	requireAllOnce(t, h, l)
}
