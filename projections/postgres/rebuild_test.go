package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/storetest"
)

// rebuild is a rebuild of the live generation, in place of a runner.
func (f *flow) rebuild(t *testing.T, step projections.Step, settings projections.Settings) *projections.Rebuild {
	t.Helper()
	if settings.BatchEvents == 0 {
		settings.BatchEvents = 300
	}
	settings.RetryMax = 200 * time.Millisecond
	return projections.NewRebuild(f.Open(t, 0, step), f.log, settings)
}

// ends are where the log ends.
func (f *flow) ends(t *testing.T) map[eventlog.TopicPartition]int64 {
	t.Helper()
	admin, err := eventlog.NewAdmin(f.log)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	return ends
}

// publishMixed publishes batches that are all or nothing, committed and aborted ones, and single events between them. The last are
// aborted ones. It returns the positions of those that count.
func (f *flow) publishMixed(t *testing.T) map[uuid.UUID]eventlog.Position {
	t.Helper()
	writer, err := eventlog.NewAtomicWriter(f.log, "rebuild-test")
	require.NoError(t, err)
	defer writer.Close()
	places := map[uuid.UUID]eventlog.Position{}
	note := func(batch []*ledger.Event, positions []eventlog.Position) {
		for i, event := range batch {
			places[event.ID] = positions[i]
		}
	}
	for i := range 12 {
		batch := make([]*ledger.Event, 30)
		for j := range batch {
			batch[j] = payment("1")
		}
		ctx, cancel := context.WithCancel(t.Context())
		if i%4 == 3 {
			cancel()
		}
		if positions, err := writer.PublishAtomic(ctx, batch); err == nil {
			note(batch, positions)
		}
		cancel()
		if i < 11 {
			single := []*ledger.Event{payment("1"), payment("1")}
			positions, err := f.writer.PublishAll(t.Context(), single)
			require.NoError(t, err)
			note(single, positions)
		}
	}
	return places
}

func TestARebuildEndsExactlyWhereItIsTold(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	places := f.publishMixed(t)
	ends := f.ends(t)
	var last, total int64
	r := f.rebuild(t, nil, projections.Settings{Progress: func(done, of int64) { last, total = done, of }})
	to := map[eventlog.TopicPartition]int64{}
	for range 8 {
		want := int64(0)
		for p, end := range ends {
			to[p] += rand.Int64N(end - to[p] + 1)
			want += to[p]
		}
		require.NoError(t, r.To(t.Context(), to))
		require.Equal(t, want, last)
		require.Equal(t, want, total)
		f.requirePrefix(t, places, to)
	}
	require.NoError(t, r.To(t.Context(), ends), "what is last was aborted")
	f.requirePrefix(t, places, ends)
	require.NoError(t, r.To(t.Context(), to), "to be past it is no error")
	f.requirePrefix(t, places, ends)
	require.NoError(t, f.rebuild(t, nil, projections.Settings{}).To(t.Context(), ends), "and neither is another's")
	runner := f.run(t, nil)
	f.publish(t, 50)
	require.Eventually(t, func() bool { return len(f.Rows(t)) == len(places)+50 }, patience, 10*time.Millisecond, "a runner goes on")
	require.Zero(t, runner.metric(t, "tributary_projection_retries_total"))
}

// requirePrefix requires exactly the events below the offsets to be in.
func (f *flow) requirePrefix(t *testing.T, places map[uuid.UUID]eventlog.Position, to map[eventlog.TopicPartition]int64) {
	t.Helper()
	next := f.Next(t)
	want := map[uuid.UUID]int{}
	for p, offset := range to {
		require.Equal(t, offset, next[p], p.String())
	}
	for id, at := range places {
		if at.Offset < to[at.TopicPartition()] {
			want[id] = 1
		}
	}
	require.Equal(t, want, f.Rows(t))
}

func TestARebuildGoesOnAfterEachFailure(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.publish(t, 4_000)
	var mu sync.Mutex
	failed := map[string]int{}
	step := func(_ context.Context, next string) error {
		mu.Lock()
		defer mu.Unlock()
		if failed[next] < 3 {
			failed[next]++
			return errors.New("as if killed here")
		}
		return nil
	}
	require.NoError(t, f.rebuild(t, step, projections.Settings{Workers: 2}).To(t.Context(), f.ends(t)))
	require.Equal(t, map[string]int{"fence": 3, "identity": 3, "rows": 3, "commit": 3, "answer": 3}, failed)
	f.waitAllOnce(t)
}

func TestARebuildRidesOutAnOutageOfPostgres(t *testing.T) {
	t.Parallel()
	server := stacktest.PostgresServer(t)
	pool, err := postgres.Open(t.Context(), server.URL())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = postgres.Migrate(t.Context(), pool, []postgres.Projection{tally{}}, nil)
	require.NoError(t, err)
	f := newFlow(t, pool, foldtest.Log(t))
	f.publish(t, 4_000)
	killed := make(chan struct{})
	var once sync.Once
	step := func(_ context.Context, next string) error {
		if next == storetest.LastStep {
			once.Do(func() { close(killed) })
		}
		return nil
	}
	ends, done := f.ends(t), make(chan error, 1)
	go func() { done <- f.rebuild(t, step, projections.Settings{}).To(t.Context(), ends) }()
	<-killed
	require.NoError(t, server.Kill())
	require.NoError(t, server.Restart(t.Context()))
	require.NoError(t, <-done)
	f.waitAllOnce(t)
}

func TestARebuildStopsAtARefusedEvent(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.publish(t, 700)
	positions, err := f.writer.PublishAll(t.Context(), []*ledger.Event{payment(storetest.PoisonAmount)})
	require.NoError(t, err)
	f.publish(t, 700)
	err = f.rebuild(t, nil, projections.Settings{}).To(t.Context(), f.ends(t))
	var refused *projections.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, err.Error(), positions[0].String()+"..")
	require.Equal(t, positions[0].Offset, f.Next(t)[positions[0].TopicPartition()], "all before it is in")
}

func TestARebuildThatWasReplacedEnds(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.publish(t, 4_000)
	ends := f.ends(t)
	reached, replaced := make(chan struct{}), make(chan struct{})
	var once sync.Once
	first := f.rebuild(t, func(_ context.Context, next string) error {
		if next == "fence" {
			once.Do(func() { close(reached); <-replaced })
		}
		return nil
	}, projections.Settings{Workers: 1})
	done := make(chan error, 1)
	go func() { done <- first.To(t.Context(), ends) }()
	<-reached
	require.NoError(t, f.rebuild(t, nil, projections.Settings{}).To(t.Context(), ends))
	close(replaced)
	var fenced *projections.FencedError
	require.ErrorAs(t, <-done, &fenced)
	f.waitAllOnce(t)
}

func TestARebuildIsNoFasterThanItsRate(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	const rate, seconds = 500, 3
	f.publish(t, rate*seconds)
	started := time.Now()
	require.NoError(t, f.rebuild(t, nil, projections.Settings{EventsPerSecond: rate}).To(t.Context(), f.ends(t)))
	require.Greater(t, time.Since(started), (seconds-1)*time.Second)
	f.waitAllOnce(t)
}

func TestARebuildEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.publish(t, 1_000)
	ctx, cancel := context.WithCancelCause(t.Context())
	told := errors.New("told to stop")
	err := f.rebuild(t, func(context.Context, string) error { cancel(told); return nil }, projections.Settings{}).To(ctx, f.ends(t))
	require.ErrorIs(t, err, told)
	require.NoError(t, f.rebuild(t, nil, projections.Settings{}).To(t.Context(), f.ends(t)))
	f.waitAllOnce(t)
}
