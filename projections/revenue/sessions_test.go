package revenue

import (
	"testing"
	"time"

	clickhousego "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/stretchr/testify/require"
)

// What a period says does not depend on the settings that analysts' tools send, or that their users are given.
func TestPeriodsAreTheSameInEverySession(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	at := time.Date(2024, 11, 2, 0, 0, 59, 999_999_000, time.UTC) // New York's clocks are set back a day later.
	for i := range 40 {
		b.commit(t, visit(at.Add(time.Duration(i)*67*time.Minute), "blog", string(rune('a'+i%3)), int64(i)))
	}
	answers := func() map[string][]string {
		all := map[string][]string{}
		for _, p := range periods() {
			for _, view := range []string{p.name, p.name + "_in(tz = 'America/New_York')"} {
				all[view] = b.rows(t, "SELECT * FROM revenue."+view+" ORDER BY ALL")
				require.NotEmpty(t, all[view])
			}
		}
		return all
	}
	want := answers()
	for _, settings := range []clickhousego.Settings{
		{"join_use_nulls": 1, "group_by_use_nulls": 1}, // dbt sends the first.
		{"session_timezone": "Asia/Kolkata", "prefer_column_name_to_alias": 1, "transform_null_in": 1},
		{"optimize_use_projections": 0, "final": 1},
		{"enable_analyzer": 0},
		{"join_algorithm": "grace_hash", "join_default_strictness": "ALL", "any_join_distinct_right_table_keys": 1},
		{"readonly": 1},
	} {
		options, err := clickhousego.ParseDSN(b.url)
		require.NoError(t, err)
		options.Settings = settings
		conn, err := clickhousego.Open(options)
		require.NoError(t, err)
		b.conn = conn
		require.Equal(t, want, answers(), settings)
		require.NoError(t, conn.Close())
	}
}
