package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

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
	old := f.live(t)
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
