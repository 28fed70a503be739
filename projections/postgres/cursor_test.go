package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// TestASlowCursorReadsItsSnapshot has a cursor that is fetched from across a swap, and while a drop waits for it. It keeps neither swaps
// nor commits nor other readers waiting, and reads exactly what was there when it began.
func TestASlowCursorReadsItsSnapshot(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.run(t, nil)
	f.publish(t, 2_000)
	f.waitAllOnce(t)
	old, there := f.live(t), f.Rows(t)
	reader, err := f.pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	require.NoError(t, err)
	defer reader.Rollback(t.Context()) //nolint:errcheck // It only reads.
	_, err = reader.Exec(t.Context(), `DECLARE slow NO SCROLL CURSOR FOR SELECT event_id FROM books.tally`)
	require.NoError(t, err)
	read := map[uuid.UUID]int{}
	fetch := func() int {
		rows, _ := reader.Query(t.Context(), `FETCH 100 FROM slow`)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		require.NoError(t, err)
		for _, id := range ids {
			read[id]++
		}
		return len(ids)
	}
	fetch()
	next := f.CreateGeneration(t)
	f.swapOnward(t, next)
	fetch()
	dropping, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	dropped := make(chan error, 1)
	go func() { dropped <- postgres.DropGeneration(dropping, f.pool, tally{}, old) }()
	require.Eventually(t, func() bool {
		var state string
		return f.pool.QueryRow(t.Context(), `SELECT state FROM tributary.generations WHERE generation = $1`, old).Scan(&state) == nil &&
			state == "dropping"
	}, patience, time.Millisecond)
	fetch()
	f.swapOnward(t, f.CreateGeneration(t)) // Under the drop that waits.
	for fetch() > 0 {
		_, err := f.pool.Exec(t.Context(), `SELECT count(*) FROM books.tally`) // Time goes by.
		require.NoError(t, err)
	}
	require.Equal(t, there, read)
	select {
	case err := <-dropped:
		require.Fail(t, "the drop did not wait", err)
	default:
	}
	require.NoError(t, reader.Rollback(t.Context()))
	require.NoError(t, <-dropped)
}

// live is the generation that readers see.
func (f *flow) live(t *testing.T) (generation int32) {
	t.Helper()
	require.NoError(t, f.pool.QueryRow(t.Context(), `SELECT generation FROM tributary.live`).Scan(&generation))
	return generation
}

// swapOnward swaps another generation in, and sees that commits and readers go on in it: neither waits.
func (f *flow) swapOnward(t *testing.T, to int32) {
	t.Helper()
	began := time.Now()
	f.swapUnderWay(t, to, projections.NewRebuild(f.Open(t, to, nil), f.log, projections.Settings{}))
	swapped := time.Since(began)
	f.publish(t, 100)
	committed := f.untilCommit(t, to)
	began = time.Now()
	rows := f.Rows(t)
	require.GreaterOrEqual(t, len(rows), len(f.events)-100)
	require.Equal(t, to, f.live(t))
	t.Logf("beside a slow cursor a rebuild and swap took %s, the next commit %s, a reader %s", swapped, committed, time.Since(began))
}
