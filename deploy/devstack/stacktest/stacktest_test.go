package stacktest_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	var answer string
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&answer))
	return answer
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := stacktest.Postgres(t)
			require.Equal(t, "made", query(t, url, "WITH t AS (SELECT 1) SELECT 'made' FROM t"))
			require.Equal(t, "0", query(t, url, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"))
			require.Equal(t, "CREATE TABLE", execute(t, url, "CREATE TABLE mine (n int)"))
		})
	}
}

func TestDatabasesAreCopiedFromATemplate(t *testing.T) {
	t.Parallel()
	prepared := 0
	prepare := func(ctx context.Context, url string) error {
		prepared++
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "CREATE TABLE filled AS SELECT 'yes' AS answer")
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}
	for range 3 {
		require.Equal(t, "yes", query(t, stacktest.PostgresFrom(t, "filled", prepare), "SELECT answer FROM filled"))
	}
	require.Equal(t, 1, prepared)
}

func execute(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	tag, err := conn.Exec(t.Context(), sql)
	require.NoError(t, err)
	return tag.String()
}

func TestEachTestHasItsOwnKafka(t *testing.T) {
	t.Parallel()
	first, second := stacktest.Kafka(t), stacktest.Kafka(t)
	require.NotEqual(t, first, second)
	for _, brokers := range [][]string{first, second} {
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
		require.NoError(t, err)
		require.NoError(t, client.Ping(t.Context()))
		client.Close()
	}
}

func TestEachTestHasItsOwnClickHouse(t *testing.T) {
	t.Parallel()
	first, second := stacktest.ClickHouse(t), stacktest.ClickHouse(t)
	require.NotEqual(t, first, second)
}

func TestAStandbyHasWhatItsPrimaryHas(t *testing.T) {
	t.Parallel()
	primary := stacktest.PostgresServer(t)
	execute(t, primary.URL(), "CREATE TABLE seen (n int)")
	standby := stacktest.Standby(t, primary)
	shows := func(count string) func() bool {
		return func() bool { return query(t, standby.URL(), "SELECT count(*)::text FROM seen") == count }
	}
	require.Equal(t, "true", query(t, standby.URL(), "SELECT pg_is_in_recovery()::text"))
	execute(t, primary.URL(), "INSERT INTO seen VALUES (1)")
	require.Eventually(t, shows("1"), patience, tick)
	require.NoError(t, standby.Kill())
	execute(t, primary.URL(), "INSERT INTO seen VALUES (2)")
	require.NoError(t, standby.Restart(t.Context()))
	require.Eventually(t, shows("2"), patience, tick)
}

const patience, tick = time.Minute, 10 * time.Millisecond
