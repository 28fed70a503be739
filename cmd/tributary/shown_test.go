package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/revenue"
	"github.com/tributary-ledger/tributary/schemas/views"
)

// openGenerations gives the test a database in which each projection has a second generation: of balances, say, 1 and 7.
func openGenerations(t *testing.T) (*pgxpool.Pool, map[string][]int32) {
	t.Helper()
	url := stacktest.PostgresFrom(t, "generations", func(ctx context.Context, url string) error {
		pool, err := postgres.Open(ctx, url)
		if err != nil {
			return err
		}
		defer pool.Close()
		all := append(postgresProjections(pool, nil), postgres.RegistryProjection(revenue.New().Definition()))
		if _, err = postgres.Migrate(ctx, pool, all, views.Migrations()); err != nil {
			return err
		}
		for _, projection := range all {
			if _, err := postgres.CreateGeneration(ctx, pool, projection); err != nil {
				return err
			}
		}
		return nil
	})
	pool, err := postgres.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	numbers := map[string][]int32{}
	var name string
	var number int32
	rows, err := pool.Query(t.Context(), `SELECT projection, generation FROM tributary.generations ORDER BY generation`)
	require.NoError(t, err)
	_, err = pgx.ForEachRow(rows, []any{&name, &number}, func() error {
		numbers[name] = append(numbers[name], number)
		return nil
	})
	require.NoError(t, err)
	return pool, numbers
}

// publicViews are those that people read.
func publicViews(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT viewname FROM pg_views WHERE schemaname = 'books' ORDER BY viewname`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(names), 8)
	return names
}

// TestAViewReadsOneGeneration holds that of each table one leaf alone is looked at, that of the generation which the session
// asks for, also by a plan that was made before it asked.
func TestAViewReadsOneGeneration(t *testing.T) {
	t.Parallel()
	pool, numbers := openGenerations(t)
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	exec := func(sql string) {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	exec("SET plan_cache_mode = force_generic_plan")
	for _, view := range publicViews(t, pool) {
		exec(fmt.Sprintf("PREPARE %s AS SELECT * FROM books.%s", view, view))
	}
	for _, asked := range []int{0, 1, 0} { // The live one, the other, and the live one again, by the same plans.
		for name, of := range numbers {
			exec(fmt.Sprintf("SET tributary.%s = '%d'", name, of[asked]))
			if asked == 0 {
				exec("RESET tributary." + name)
			}
		}
		for _, view := range publicViews(t, pool) {
			rows, err := conn.Query(t.Context(), "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) EXECUTE "+view)
			require.NoError(t, err)
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			requireOneGeneration(t, view, plan, numbers, asked)
		}
	}
}

var leafInPlan = regexp.MustCompile(` on (\w+)_g(\d+)\b`)

// requireOneGeneration requires that only leaves of the generations that were asked for are read.
func requireOneGeneration(t *testing.T, view string, plan []string, numbers map[string][]int32, asked int) {
	t.Helper()
	wanted := map[string]bool{}
	for _, of := range numbers {
		wanted[strconv.Itoa(int(of[asked]))] = true
	}
	of, others := 0, 0
	for _, line := range plan {
		leaf := leafInPlan.FindStringSubmatch(line)
		switch {
		case leaf == nil:
		case wanted[leaf[2]]:
			of++
		default:
			others++
			assert.Contains(t, line, "never executed", "%s with generation %d:\n%s", view, asked, strings.Join(plan, "\n"))
		}
	}
	if view != "progress" { // It reads tables that have no leaves.
		require.Positive(t, min(of, others), "no leaf was in the plan of %s, so nothing was shown:\n%s", view, strings.Join(plan, "\n"))
	}
}

// TestWhoReadsViewsNeedsNothingElse holds for the role that docs/operations.md gives to readers.
func TestWhoReadsViewsNeedsNothingElse(t *testing.T) {
	t.Parallel()
	pool, numbers := openGenerations(t)
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // The role goes with it.
	role := "reader_of_" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "_"))
	for _, sql := range []string{
		"CREATE ROLE " + role, "GRANT USAGE ON SCHEMA books TO " + role,
		"GRANT SELECT ON ALL TABLES IN SCHEMA books TO " + role, "SET LOCAL ROLE " + role,
		fmt.Sprintf("SET LOCAL tributary.receipts = %d", numbers["receipts"][1]),
	} {
		_, err = tx.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	for _, view := range publicViews(t, pool) {
		_, err = tx.Exec(t.Context(), "SELECT * FROM books."+view)
		require.NoError(t, err, view)
	}
}

// TestASessionAsksForAGeneration holds what tributary.shown answers and refuses.
func TestASessionAsksForAGeneration(t *testing.T) {
	t.Parallel()
	pool, numbers := openGenerations(t)
	balances, receipts := numbers["balances"], numbers["receipts"]
	shown := func(tx pgx.Tx) int32 {
		var number int32
		require.NoError(t, tx.QueryRow(t.Context(), `SELECT tributary.shown('balances')`).Scan(&number))
		return number
	}
	inTx := func(f func(tx pgx.Tx)) {
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		defer tx.Rollback(t.Context()) //nolint:errcheck // There is nothing in it to keep.
		f(tx)
	}
	inTx(func(tx pgx.Tx) {
		require.Equal(t, balances[0], shown(tx))
		require.NoError(t, postgres.Show(t.Context(), tx, "balances", balances[1]))
		require.Equal(t, balances[1], shown(tx))
		require.NoError(t, postgres.Show(t.Context(), tx, "balances", balances[0]))
	})
	inTx(func(tx pgx.Tx) {
		require.Equal(t, balances[0], shown(tx), "after the transaction the session asks for nothing")
	})
	for asked, why := range map[string]string{
		strconv.Itoa(int(receipts[0])): "a generation of another projection", "99": "no generation", "-1": "no generation", "one": "no number",
	} {
		inTx(func(tx pgx.Tx) {
			_, err := tx.Exec(t.Context(), fmt.Sprintf("SET LOCAL tributary.balances = '%s'", asked))
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), "SELECT * FROM books.conflicts")
			require.ErrorContains(t, err, "there is no generation "+asked+" of balances", why)
		})
	}
	inTx(func(tx pgx.Tx) {
		require.ErrorContains(t, postgres.Show(t.Context(), tx, "balances", receipts[1]), "there is no generation")
	})
	_, err := pool.Exec(t.Context(), `UPDATE tributary.generations SET state = 'dropping' WHERE generation = $1`, balances[1])
	require.NoError(t, err)
	inTx(func(tx pgx.Tx) {
		require.ErrorContains(t, postgres.Show(t.Context(), tx, "balances", balances[1]), "there is no generation")
	})
	var none *int32
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT tributary.shown('nothing')`).Scan(&none))
	require.Nil(t, none, "a projection without a live generation shows none")
}

// TestNamesShowWhatBooksDo holds the names of a generation against what books shows to whoever asks for it: the same views, the
// same columns, the same readers.
func TestNamesShowWhatBooksDo(t *testing.T) {
	t.Parallel()
	pool, numbers := openGenerations(t)
	exec := func(sql string) {
		_, err := pool.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	role := "names_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	exec("CREATE ROLE " + role)
	exec("GRANT USAGE ON SCHEMA books TO " + role)
	exec("GRANT SELECT ON ALL TABLES IN SCHEMA books TO " + role)
	described := func(schema string) []string {
		rows, err := pool.Query(t.Context(), `SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' '
				|| coalesce(col_description(c.oid, a.attnum), '') || coalesce(obj_description(c.oid, 'pg_class'), '')
				|| has_table_privilege($2, c.oid, 'SELECT')
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
			WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'v' ORDER BY c.relname, a.attnum`, schema, role)
		require.NoError(t, err)
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return all
	}
	columns := 0
	for name, of := range numbers {
		require.NoError(t, postgres.NameGeneration(t.Context(), pool, name, of[1]))
		named := described(postgres.NamesOf(of[1]))
		require.Subset(t, described("books"), named)
		columns += len(named)
		var literal, shown int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE definition LIKE '%generation = ' || $2 || '%'),
			count(*) FILTER (WHERE definition LIKE '%shown(''' || $3 || '''%') FROM pg_views WHERE schemaname = $1`,
			postgres.NamesOf(of[1]), strconv.Itoa(int(of[1])), name).Scan(&literal, &shown))
		require.Positive(t, literal)
		require.Zero(t, shown, "the names of %s show another generation of it", name)
	}
	require.Greater(t, columns, len(described("books")), "orphans and progress are there more than once")
	names := postgres.NamesOf(numbers["receipts"][1])
	exec("SET ROLE " + role + "; SELECT * FROM " + names + ".receipts; RESET ROLE")
	exec("DROP VIEW books.refunds")
	exec("CREATE VIEW books.refunds AS SELECT 1 AS first, ledger FROM receipts.refunds " +
		"WHERE generation = (SELECT tributary.shown('receipts'))")
	before := described(names)
	require.NoError(t, postgres.NameGeneration(t.Context(), pool, "receipts", numbers["receipts"][1]))
	require.NotEqual(t, before, described(names), "a view whose columns changed is made anew")
	exec("DROP OWNED BY " + role)
	exec("DROP ROLE " + role)
}
