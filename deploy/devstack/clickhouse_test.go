package devstack_test

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// clickHouse connects as the product does.
func clickHouse(t testing.TB, url string) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(url)
	require.NoError(t, err)
	conn, err := clickhouse.Open(options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // a second time, some
	return conn
}

func count(t testing.TB, conn driver.Conn, sql string, args ...any) (n uint64) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func TestClickHouseAnswersAndKeepsWhatItWasTold(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouseServer(t)
	url := server.URL()
	conn := clickHouse(t, url)
	require.NoError(t, conn.Exec(t.Context(), "CREATE DATABASE revenue"))
	require.NoError(t, conn.Exec(t.Context(), "CREATE TABLE revenue.numbers (n UInt64) ENGINE = MergeTree ORDER BY n"))
	insertAll(t, conn, "INSERT INTO revenue.numbers", func(batch driver.Batch) error { return appendNumbers(batch, 1000) })
	require.Equal(t, uint64(1000), count(t, conn, "SELECT count() FROM revenue.numbers"))
	require.NoError(t, server.Kill())
	require.Error(t, conn.Ping(t.Context()))
	require.NoError(t, server.Restart(t.Context()))
	require.Equal(t, url, server.URL())
	require.Equal(t, uint64(1000), count(t, conn, "SELECT count() FROM revenue.numbers"))
	require.NoError(t, conn.Close()) // a stop in order waits five seconds for open connections, as any ClickHouse server does
	require.NoError(t, server.Restart(t.Context()))
	require.Equal(t, uint64(1000), count(t, clickHouse(t, url), "SELECT count() FROM revenue.numbers"))
}

func appendNumbers(batch driver.Batch, n uint64) error {
	for i := range n {
		if err := batch.Append(i); err != nil {
			return err
		}
	}
	return nil
}
