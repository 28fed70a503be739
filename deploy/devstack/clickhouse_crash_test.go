package devstack_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

const rowsABatch = 5000

// Killed at random points of inserts, it has every batch that it acknowledged, and of no batch a part.
func TestClickHouseKeepsWhatItAcknowledgedThroughKills(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouseServer(t)
	conn := clickHouse(t, server.URL())
	require.NoError(t, conn.Exec(t.Context(), `CREATE TABLE batches (batch UInt32, n UInt32, text String)
		ENGINE = MergeTree ORDER BY (batch, n) SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`))
	acknowledged := map[uint32]bool{}
	last := uint32(0)
	for range 25 {
		killed := make(chan error, 1)
		go func() {
			timer := time.NewTimer(time.Duration(rand.IntN(60)) * time.Millisecond)
			defer timer.Stop()
			<-timer.C
			killed <- server.Kill()
		}()
		for {
			last++
			if err := insertBatch(t.Context(), conn, last); err != nil {
				break
			}
			acknowledged[last] = true
		}
		require.NoError(t, <-killed)
		require.NoError(t, server.Restart(t.Context()))
		require.Zero(t, count(t, conn, "SELECT count() FROM (SELECT batch FROM batches GROUP BY batch HAVING count() != $1)", rowsABatch))
	}
	rows, err := conn.Query(t.Context(), "SELECT DISTINCT batch FROM batches")
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	kept := 0
	for rows.Next() {
		var batch uint32
		require.NoError(t, rows.Scan(&batch))
		delete(acknowledged, batch)
		kept++
	}
	require.NoError(t, rows.Err())
	require.Empty(t, acknowledged)
	t.Logf("%d batches tried, %d kept", last, kept)
}

func insertBatch(ctx context.Context, conn driver.Conn, number uint32) error {
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO batches")
	if err != nil {
		return err
	}
	defer func() { _ = batch.Close() }()
	for n := range uint32(rowsABatch) {
		if err := batch.Append(number, n, fmt.Sprintf("row %d of batch %d", n, number)); err != nil {
			return err
		}
	}
	return batch.Send()
}

func TestClickHouseIsStartedAgainAfterACrash(t *testing.T) {
	t.Parallel()
	server, err := devstack.StartClickHouse(t.Context(), devstack.ClickHouseOptions{
		Home: t.TempDir(), Small: true, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) }()
	url := server.URL()
	sql(t, url, "CREATE TABLE kept AS system.one ENGINE = MergeTree ORDER BY ()")
	for range 2 {
		crashed := server.PID()
		require.NoError(t, syscall.Kill(crashed, syscall.SIGKILL))
		require.Eventually(t, func() bool { return server.PID() != crashed }, patience, 5*time.Millisecond)
		require.Equal(t, "0\n", sql(t, url, "SELECT count() FROM kept"))
	}
	// One that we killed stays dead.
	require.NoError(t, server.Kill())
	<-server.Done()
	require.Error(t, clickHouse(t, url).Ping(t.Context()))
	require.NoError(t, server.Restart(t.Context()))
	require.Equal(t, "0\n", sql(t, url, "SELECT count() FROM kept"))
}

func TestClickHouseThatAlwaysCrashesIsLeftAlone(t *testing.T) {
	t.Parallel()
	stack := stacktest.Stack(t, devstack.Options{
		Only: []string{devstack.ServerClickHouse}, Logger: slog.New(slog.DiscardHandler),
	})
	server := stack.ClickHouse()
	waited := make(chan error, 1)
	go func() { waited <- stack.Wait(t.Context()) }()
	for {
		_ = syscall.Kill(server.PID(), syscall.SIGKILL)
		select {
		case err := <-waited:
			require.ErrorContains(t, err, "ClickHouse ended by itself (signal: killed)")
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestASecondClickHouseOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	options := devstack.ClickHouseOptions{Home: home, Small: true}
	server, err := devstack.StartClickHouse(t.Context(), options)
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) }()
	_, err = devstack.StartClickHouse(t.Context(), options)
	require.ErrorContains(t, err, "the ClickHouse data in "+home+" is in use")
}
