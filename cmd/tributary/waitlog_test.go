package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// patience bounds waits that only a bug can exceed.
const patience = 2 * time.Minute

// waitForLog waits until every projection has all of the log. It is patient for as long as they go on.
func waitForLog(t testing.TB, log eventlog.Config, pool *pgxpool.Pool) {
	t.Helper()
	admin, err := eventlog.NewAdmin(log)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	rows, err := pool.Query(t.Context(), `SELECT projection FROM tributary.live`)
	require.NoError(t, err)
	live, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	kept := slices.DeleteFunc(definitions(), func(d projections.Definition) bool { return !slices.Contains(live, d.Name) })
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for moved, least := time.Now(), int64(math.MaxInt64); ; <-ticker.C {
		at, err := readBehind(t.Context(), pool, kept, ends)
		require.NoError(t, err)
		switch {
		case at.total == 0:
			return
		case at.total < least:
			moved, least = time.Now(), at.total
		case time.Since(moved) > patience:
			require.FailNow(t, "the projections do not go on", "%s", at)
		}
	}
}
