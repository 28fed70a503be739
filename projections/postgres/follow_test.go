package postgres_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// swapUnderWay swaps the other generation in, which catches up while the live one waits.
func (f *flow) swapUnderWay(t *testing.T, to int32, rebuild *projections.Rebuild) {
	t.Helper()
	for {
		vector := map[eventlog.TopicPartition]int64{}
		rows, err := f.pool.Query(t.Context(), `SELECT topic, "partition", next_offset FROM tributary.progress
			WHERE generation = (SELECT generation FROM tributary.live WHERE projection = 'tally')`)
		require.NoError(t, err)
		var p eventlog.TopicPartition
		var next int64
		_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &next}, func() error { vector[p] = next; return nil })
		require.NoError(t, err)
		require.NoError(t, rebuild.To(t.Context(), vector))
		err = postgres.Swap(t.Context(), f.pool, tally{}.Definition(), to, rebuild.To)
		if err == nil {
			return
		}
		require.ErrorIs(t, err, postgres.ErrBehind)
	}
}

// watchReaders reads as fast as it can until it is stopped: what it sees never goes back, and each answer is of one generation.
func (f *flow) watchReaders(t *testing.T, queries, failed *atomic.Int64) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			count, sum := int64(0), int64(0)
			for ctx.Err() == nil {
				var n, distinct, amount, promised int64
				err := f.pool.QueryRow(ctx, `SELECT count(*), count(DISTINCT event_id), coalesce(sum(amount), 0)::int8,
					(SELECT coalesce(sum(next_offset), 0)::int8 FROM books.progress) FROM books.tally`).Scan(&n, &distinct, &amount, &promised)
				if ctx.Err() != nil {
					return
				}
				queries.Add(1)
				if err != nil || n != distinct || n != amount || n < count || amount < sum || n < promised {
					failed.Add(1)
					assert.Fail(t, "an impossible answer", "%d rows of %d events, sum %d, after %d and %d, of %d promised: %v",
						n, distinct, amount, count, sum, promised, err)
				}
				count, sum = n, amount
			}
		})
	}
	return func() { cancel(); readers.Wait() }
}

// TestRunnersFollowSwapsUnderReaders swaps to and fro while events come and readers read. Nothing is lost, doubled or seen to go
// back; the projector stays in its group and is ready all the time.
func TestRunnersFollowSwapsUnderReaders(t *testing.T) {
	t.Parallel()
	const swaps = 20
	f := openFlow(t)
	f.takeoverAfter = time.Second // As in production: a swap is not to be cut short by who takes over.
	r := f.run(t, nil)
	f.publish(t, 500)
	f.waitAllOnce(t)
	var first int32
	require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT generation FROM tributary.live`).Scan(&first))
	second := f.CreateGeneration(t)

	var queries, failed, unready atomic.Int64
	stopReaders := f.watchReaders(t, &queries, &failed)
	ctx, stop := context.WithCancel(t.Context())
	var background sync.WaitGroup
	var published []*ledger.Event
	background.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			<-ticker.C
			events := make([]*ledger.Event, 50)
			for i := range events {
				events[i] = payment("1")
			}
			if _, err := f.writer.PublishAll(context.WithoutCancel(ctx), events); !assert.NoError(t, err) {
				return
			}
			published = append(published, events...)
		}
	})
	background.Go(func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if err := r.Health().Ready(); err != nil && unready.Add(1) == 1 {
				t.Logf("not ready: %v", err)
			}
			<-ticker.C
		}
	})
	pauses := make([]time.Duration, 0, swaps)
	for i := range swaps {
		to := []int32{second, first}[i%2]
		rebuild := projections.NewRebuild(f.Open(t, to, nil), f.log, projections.Settings{BatchEvents: 2_000})
		f.swapUnderWay(t, to, rebuild)
		pauses = append(pauses, f.untilCommit(t, to))
	}
	stop()
	background.Wait()
	f.events = append(f.events, published...)
	require.Eventually(t, func() bool {
		var n int
		return f.pool.QueryRow(t.Context(), `SELECT count(*) FROM books.tally`).Scan(&n) == nil && n >= len(f.events)
	}, patience, 10*time.Millisecond)
	stopReaders()
	rows := f.Rows(t)
	require.Len(t, rows, len(f.events))
	for _, event := range f.events {
		require.Equal(t, 1, rows[event.ID])
	}
	require.Zero(t, failed.Load())
	require.Zero(t, unready.Load(), "readiness turned red by a swap")
	slices.Sort(pauses)
	t.Logf("%d swaps under %d events: %d queries, %d errors; from a swap to the next commit p50 %s, max %s",
		swaps, len(f.events), queries.Load(), failed.Load(), pauses[swaps/2], pauses[swaps-1])
}

// untilCommit is how long it takes until the projector has committed to a generation since now.
func (f *flow) untilCommit(t *testing.T, generation int32) time.Duration {
	t.Helper()
	began := time.Now()
	sum := func() (n int64) {
		require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT coalesce(sum(next_offset), 0)::int8
			FROM tributary.progress WHERE generation = $1`, generation).Scan(&n))
		return n
	}
	before := sum()
	require.Eventually(t, func() bool { return sum() > before }, patience, time.Millisecond)
	return time.Since(began)
}

// TestADropWaitsForOldReaders holds that a transaction from before a swap reads the same after it, and a drop waits for it.
func TestADropWaitsForOldReaders(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.run(t, nil)
	f.publish(t, 300)
	f.waitAllOnce(t)
	var old int32
	require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT generation FROM tributary.live`).Scan(&old))
	reader, err := f.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	require.NoError(t, err)
	defer reader.Rollback(t.Context()) //nolint:errcheck // It only reads.
	read := func() (n int) {
		require.NoError(t, reader.QueryRow(t.Context(), `SELECT count(*) FROM books.tally`).Scan(&n))
		return n
	}
	_, err = reader.Exec(t.Context(), `SELECT 1`) // The snapshot is taken, and no table is touched.
	require.NoError(t, err)
	next := f.CreateGeneration(t)
	f.swapUnderWay(t, next, projections.NewRebuild(f.Open(t, next, nil), f.log, projections.Settings{}))
	f.publish(t, 100)
	f.untilCommit(t, next)
	briefly, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = postgres.DropGeneration(briefly, f.pool, tally{}, old)
	require.ErrorContains(t, err, "may still read it")
	require.Equal(t, 300, read(), "after the swap and the attempt to drop")
	dropped := make(chan error, 1)
	go func() { dropped <- postgres.DropGeneration(t.Context(), f.pool, tally{}, old) }()
	require.Equal(t, 300, read())
	require.NoError(t, reader.Rollback(t.Context()))
	require.NoError(t, <-dropped)
	f.waitAllOnce(t)
}

// TestAnInterruptedDetachIsFinished interrupts a drop while it waits for a transaction that has the table locked.
func TestAnInterruptedDetachIsFinished(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	next := f.CreateGeneration(t)
	holder, err := f.pool.Begin(t.Context())
	require.NoError(t, err)
	defer holder.Rollback(t.Context()) //nolint:errcheck // It only reads.
	_, err = holder.Exec(t.Context(), `SELECT count(*) FROM tally.identity`)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	dropped := make(chan error, 1)
	go func() { dropped <- postgres.DropGeneration(ctx, f.pool, tally{}, next) }()
	pending := func() (n int) {
		require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_inherits WHERE inhdetachpending`).Scan(&n))
		return n
	}
	require.Eventually(t, func() bool { return pending() == 1 }, patience, time.Millisecond)
	cancel()
	require.Error(t, <-dropped)
	require.Eventually(t, func() bool { // Until the server has heard of it, too: else it goes on once the holder lets it.
		var detaching bool
		return f.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
			AND pid <> pg_backend_pid() AND state = 'active' AND query ILIKE '%DETACH PARTITION%')`).Scan(&detaching) == nil && !detaching
	}, patience, time.Millisecond)
	require.NoError(t, holder.Rollback(t.Context()))
	require.Equal(t, 1, pending(), "nothing was interrupted, so nothing was shown")
	other := f.CreateGeneration(t)
	require.NoError(t, postgres.DropGeneration(t.Context(), f.pool, tally{}, other), "another one is not held up by that")
	require.NoError(t, postgres.DropGeneration(t.Context(), f.pool, tally{}, next))
	require.Zero(t, pending())
}
