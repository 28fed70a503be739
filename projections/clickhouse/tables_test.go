package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

func (h *harness) migrate(t *testing.T) []string {
	t.Helper()
	done, err := clickhouse.Migrate(t.Context(), h.pool, h.conn, []clickhouse.Projection{h.tally})
	require.NoError(t, err)
	return done
}

func (h *harness) execf(t *testing.T, format string, args ...any) {
	t.Helper()
	require.NoError(t, h.conn.Exec(t.Context(), fmt.Sprintf(format, args...)))
}

// Whatever is missing, as after a kill half way, or is not as it should be, is made by the next migration, and nothing else.
func TestMigrateMakesWhatIsMissing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	require.Empty(t, h.migrate(t), "the harness has migrated")
	for harm, mended := range map[string][]string{
		"DROP VIEW %[1]s.counts":                                {"clickhouse: view %[1]s.counts"},
		"DROP VIEW %[1]s.rows":                                  {"clickhouse: view %[1]s.rows"},
		"CREATE OR REPLACE VIEW %[1]s.above AS SELECT 1 AS one": {"clickhouse: view %[1]s.above"},
		"DROP TABLE %[1]s.merchants_g1 SYNC SETTINGS check_table_dependencies = 0": {
			"clickhouse: table %[1]s.merchants_g1",
		},
		"DROP DATABASE %[1]s SYNC": {
			"clickhouse: table %[1]s.fence", "clickhouse: table %[1]s.rows_g1", "clickhouse: table %[1]s.merchants_g1",
			"clickhouse: view %[1]s.rows", "clickhouse: view %[1]s.merchants", "clickhouse: view %[1]s.counts",
			"clickhouse: view %[1]s.above",
		},
	} {
		h.execf(t, harm, h.name)
		want := strings.Split(fmt.Sprintf(strings.Join(mended, "\n"), h.name), "\n")
		require.Equal(t, want, h.migrate(t), harm)
		require.Empty(t, h.migrate(t), "again, after %s", harm)
	}
	l := newLog(10)
	own(t, h.Open(t, 0, nil), l).finish(t)
	l.requireOnce(t, h)
}

func TestMigrationsAtOnceTakeTurns(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	h.execf(t, "DROP DATABASE %s SYNC", h.name)
	var migrations sync.WaitGroup
	done := make([][]string, 4)
	for i := range done {
		migrations.Go(func() {
			var err error
			done[i], err = clickhouse.Migrate(t.Context(), h.pool, h.conn, []clickhouse.Projection{h.tally})
			assert.NoError(t, err)
		})
	}
	migrations.Wait()
	all := 0
	for _, lines := range done {
		all += len(lines)
	}
	require.Equal(t, 7, all, "each thing is made once")
}

// A swapper that dies before it has replaced the views leaves that to the next owner, and before anything is committed; so
// does one that comes back and shows an old generation.
func TestViewsFollowTheLiveGeneration(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	l := newLog(10)
	own(t, h.Open(t, 0, nil), l).finish(t)
	next := h.CreateGeneration(t)
	shown := func() string {
		var query string
		require.NoError(t, h.conn.QueryRow(t.Context(), "SELECT as_select FROM system.tables WHERE name = 'rows' AND database = '"+
			h.name+"'").Scan(&query))
		return query
	}
	own(t, h.Open(t, next, nil), l).finish(t)
	l.fill(5)
	own(t, h.Open(t, next, nil), l).finish(t) // Ahead of the live one, which has none.
	kill := postgres.Elsewhere{
		Name: h.Name,
		Settle: func(context.Context, int32, map[eventlog.TopicPartition]int64) (map[eventlog.TopicPartition]int64, error) {
			return map[eventlog.TopicPartition]int64{}, nil
		},
	}
	require.NoError(t, postgres.SwapElsewhere(t.Context(), h.pool, h.Definition(), next, kill, nil))
	require.Contains(t, shown(), "rows_g1")
	for _, promised := range h.Next(t) {
		require.EqualValues(t, 10, promised, "what the views show is behind what is live")
	}
	require.ErrorIs(t, postgres.SwapElsewhere(t.Context(), h.pool, h.Definition(), next-1, kill, nil), postgres.ErrNotShown)
	own(t, h.Open(t, 0, nil), l)
	for _, promised := range h.Next(t) {
		require.EqualValues(t, 15, promised)
	}
	require.Contains(t, shown(), "rows_g2")
	h.execf(t, "CREATE OR REPLACE VIEW %[1]s.rows AS SELECT * FROM %[1]s.rows_g1", h.name)
	a := own(t, h.Open(t, 0, nil), l)
	require.Contains(t, shown(), "rows_g2")
	l.fill(5)
	a.finish(t)
	l.requireOnce(t, h)
}

// A swapper that dies while it gives the live generation its names has changed nothing that readers see, and the next one completes them.
func TestASwapCompletesNames(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	l := newLog(10)
	own(t, h.Open(t, 0, nil), l).finish(t)
	next := h.CreateGeneration(t)
	own(t, h.Open(t, next, nil), l).finish(t)
	killed := errors.New("killed here")
	dying := postgres.Elsewhere{Name: func(ctx context.Context, generation int32) error {
		require.NoError(t, h.Name(ctx, generation))
		names := clickhouse.NamesOf(clickhouse.Generation{Database: h.name, Number: generation})
		require.NoError(t, h.conn.Exec(ctx, "DROP VIEW "+names+".rows"))
		return killed
	}}
	require.ErrorIs(t, postgres.SwapElsewhere(t.Context(), h.pool, h.Definition(), next, dying, nil), killed)
	_, err := h.Named(t.Context(), next-1)
	require.Error(t, err)
	l.fill(5)
	own(t, h.Open(t, 0, nil), l).finish(t)
	l.requireOnce(t, h)
	own(t, h.Open(t, next, nil), l).finish(t)
	require.NoError(t, h.Swap(t.Context(), next, nil))
	rows, err := h.Named(t.Context(), next-1)
	require.NoError(t, err)
	require.Equal(t, 15, rows)
	l.requireOnce(t, h)
}

// The tables of a generation whose maker died are made by its first owner.
func TestAGenerationWithoutTablesIsCompleted(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	number, err := postgres.CreateGeneration(t.Context(), h.pool, postgres.RegistryProjection(h.Definition()))
	require.NoError(t, err)
	l := newLog(10)
	own(t, h.Open(t, number, nil), l).finish(t)
	require.NoError(t, h.Swap(t.Context(), number, nil))
	l.requireOnce(t, h)
}

// What is in is read from the aggregate, whatever the number of rows.
func TestPositionsAreReadFromTheAggregate(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	own(t, h.Open(t, 0, nil), newLog(10)).finish(t)
	rows, err := h.conn.Query(t.Context(), "EXPLAIN "+clickhouse.PositionsSQL(h.name+".rows_g1"))
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan.WriteString(line)
	}
	require.NoError(t, rows.Err())
	require.Contains(t, plan.String(), "ReadFromMergeTree (positions)")
}
