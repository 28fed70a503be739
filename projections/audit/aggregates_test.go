package audit_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/revenue"
)

// Aggregates in a part that cannot be read are made anew by whoever takes over, and that one goes on meanwhile.
func TestAnUnreadableAggregateIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]struct {
		aggregates []string
		restarted  bool
	}{
		"both":                  {[]string{"positions", "quarter_hours"}, false},
		"what projectors read":  {[]string{"positions"}, false},
		"what readers read":     {[]string{"quarter_hours"}, false},
		"both before a restart": {[]string{"positions", "quarter_hours"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := earned(t)
			s.disturb(t, "SYSTEM STOP MERGES EVENTS")
			parts := s.parts(t)
			if harm.restarted {
				require.NoError(t, s.clickhouse.Kill())
			}
			for _, aggregate := range harm.aggregates {
				emptyMarks(t, filepath.Join(parts[len(parts)-1].path, aggregate+".proj"))
			}
			if harm.restarted {
				require.NoError(t, s.clickhouse.Restart(t.Context())) // The server finds out by itself, and leaves them out.
			} else {
				s.disturb(t, "SYSTEM DROP MARK CACHE")
				s.disturb(t, "SYSTEM START MERGES EVENTS")
				require.ErrorContains(t, s.read(t, harm.aggregates[len(harm.aggregates)-1]), "Empty marks file")
			}
			s.put(t, 0, posted(30, 100), visit(31, 7))
			s.project(t, revenue.Name)
			require.Eventually(t, func() bool { return s.mended(t) }, time.Minute, 10*time.Millisecond)
			require.NoError(t, s.read(t, "positions"))
			require.NoError(t, s.read(t, "quarter_hours"))
			p := s.verify(t, revenue.Name)
			require.Empty(t, failed(p))
			require.Empty(t, p.Differences)
		})
	}
}

// emptyMarks does to an aggregate in a part what a disk did that was full.
func emptyMarks(t testing.TB, folder string) {
	t.Helper()
	marks, err := filepath.Glob(filepath.Join(folder, "*mrk*"))
	require.NoError(t, err)
	require.NotEmpty(t, marks)
	for _, file := range marks {
		require.NoError(t, os.Truncate(file, 0))
	}
}

// read reads an aggregate, as those do whom it is for.
func (s *stack) read(t testing.TB, aggregate string) error {
	t.Helper()
	return s.conn.Exec(t.Context(), map[string]string{
		"positions":     "SELECT topic, `partition`, max(kafka_offset), count() FROM " + s.events(t) + " GROUP BY topic, `partition`",
		"quarter_hours": "SELECT year, sum(events), sum(gross), sum(fees), sum(refunds) FROM revenue.by_month GROUP BY year",
	}[aggregate])
}

// mended tells whether each part has both aggregates, and whole.
func (s *stack) mended(t testing.TB) bool {
	t.Helper()
	var broken, running uint64
	require.NoError(t, s.conn.QueryRow(t.Context(), `SELECT countIf(is_broken) FROM system.projection_parts
		WHERE active AND database || '.' || table = ?`, s.events(t)).Scan(&broken))
	require.NoError(t, s.conn.QueryRow(t.Context(), `SELECT count() FROM system.mutations
		WHERE NOT is_done AND database || '.' || table = ?`, s.events(t)).Scan(&running))
	return broken+running == 0
}
