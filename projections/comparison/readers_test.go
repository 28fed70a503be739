package comparison_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Every view of the books is declared, and what is declared as a key is one. The progress tells of all projections.
func TestEveryViewIsDeclaredWithAKey(t *testing.T) {
	t.Parallel()
	pool := open(t)
	l := simulated(t, 1, 3_000, true)
	declared := map[string]bool{"books.progress": true}
	for _, projection := range all(pool) {
		l.build(t, pool, projection, 0, 500, nil)
	}
	for _, projection := range all(pool) {
		for _, view := range projection.Readers() {
			declared[view.Name] = true
			from := view.Name
			if view.From != "" {
				from = "(" + view.From + ") v"
			}
			if view.Where != "" {
				from += " WHERE " + view.Where
			}
			keys := make([]string, len(view.Key))
			for i, key := range view.Key {
				keys[i] = pgx.Identifier{key}.Sanitize()
			}
			var rows, distinct int64
			require.NoError(t, pool.QueryRow(t.Context(), fmt.Sprintf(`SELECT coalesce(sum(n), 0), count(*) FROM (
				SELECT count(*) AS n FROM %s GROUP BY %s) x`, from, strings.Join(keys, ", "))).Scan(&rows, &distinct))
			require.Equal(t, rows, distinct, "%s has several rows of one key", view.Name)
			require.Positive(t, rows, view.Name)
		}
	}
	rows, err := pool.Query(t.Context(), `SELECT 'books.' || table_name FROM information_schema.views WHERE table_schema = 'books'`)
	require.NoError(t, err)
	views, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, view := range views {
		require.True(t, declared[view], "%s is not declared: two generations would be held to be the same where readers of it see others", view)
	}
}
