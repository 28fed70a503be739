package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
)

func names(pool *pgxpool.Pool) *postgres.Dictionary[string] {
	return postgres.NewDictionary(pool, "public.names", []string{"name"}, func(name string) []string { return []string{name} }, strings.Clone)
}

// Owners that begin a log together meet the same new names: none waits for all that another one adds.
func TestNewNamesAreSharedBeforeAllOfThemAreAdded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pool := foldtest.Open(t, tally{})
	_, err := pool.Exec(ctx, `CREATE TABLE public.names (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE)`)
	require.NoError(t, err)
	all := make([]string, 2_000)
	for i := range all {
		all[i] = fmt.Sprintf("name %04d", i)
	}

	// Somebody has added the last one, and does not end.
	holder, err := pool.Begin(ctx)
	require.NoError(t, err)
	defer holder.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // Done already where all is well.
	_, err = holder.Exec(ctx, `INSERT INTO public.names (name) VALUES ($1)`, all[len(all)-1])
	require.NoError(t, err)
	type answer struct {
		ids []int32
		err error
	}
	slow := make(chan answer, 1)
	go func() {
		ids, err := names(pool).Resolve(ctx, all)
		slow <- answer{ids, err}
	}()
	require.Eventually(t, func() bool {
		var waiting bool
		err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waiting)
		return err == nil && waiting
	}, patience, time.Millisecond)

	first, err := names(pool).Resolve(ctx, all[:100])
	require.NoError(t, err, "another waits for names that are added already")
	require.NoError(t, holder.Rollback(ctx))
	whole := <-slow
	require.NoError(t, whole.err)
	require.Equal(t, whole.ids[:100], first)
	again, err := names(pool).Resolve(ctx, all)
	require.NoError(t, err)
	require.Equal(t, whole.ids, again)
}

// What a dictionary answers is on the disk, though what it adds need not be at first: a server that crashes and comes back by itself has
// the life that it had, and what was cached of it stays.
func TestNumbersOfNamesOutliveACrash(t *testing.T) {
	t.Parallel()
	server := stacktest.PostgresServer(t)
	pool, err := postgres.Open(t.Context(), server.URL())
	require.NoError(t, err)
	defer pool.Close()
	for _, statement := range []string{
		`CREATE TABLE public.names (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE)`,
		`ALTER SYSTEM SET wal_writer_delay = '10s'`, `SELECT pg_reload_conf()`,
	} {
		_, err = pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	var before []int32 // Many times, so that the last is behind what the server's writer of the log does by itself when it is told to wait.
	dictionary := names(pool)
	for n := range 100 {
		added, err := dictionary.Resolve(t.Context(), []string{fmt.Sprintf("name %04d", n)})
		require.NoError(t, err)
		before = append(before, added...)
	}
	require.NoError(t, server.Kill())
	require.NoError(t, server.Restart(t.Context()))
	pool.Reset()
	var after []int32
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT coalesce(array_agg(id ORDER BY name), '{}') FROM public.names`).Scan(&after))
	require.Equal(t, before, after)
}
