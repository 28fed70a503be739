package devstack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

const rowsABatch = 5000

// A kill, or a full disk, between the steps of CREATE DATABASE leaves an empty file, which ClickHouse refuses to start with.
func TestClickHouseStartsAfterADatabaseWasHalfMade(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	server, err := devstack.StartClickHouse(t.Context(), devstack.ClickHouseOptions{Home: home, Small: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	sql(t, server.URL(), "CREATE DATABASE whole")
	sql(t, server.URL(), "CREATE DATABASE half")
	require.NoError(t, server.Kill())
	require.NoError(t, os.Truncate(filepath.Join(home, "data", "metadata", "half.sql"), 0))
	require.NoError(t, server.Restart(t.Context()))
	require.Equal(t, "whole\n", sql(t, server.URL(), "SELECT name FROM system.databases WHERE name IN ('whole', 'half')"))
	sql(t, server.URL(), "CREATE DATABASE half")
	sql(t, server.URL(), "CREATE VIEW half.one AS SELECT 1 AS one")
	require.NoError(t, server.Restart(t.Context()))
	require.Equal(t, "1\n", sql(t, server.URL(), "SELECT one FROM half.one"))
}

// Killed at random points of inserts, it has every batch that it acknowledged, and of no batch a part.
func TestClickHouseKeepsWhatItAcknowledgedThroughKills(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouseServer(t)
	base := server.URL()
	sql(t, base, `CREATE TABLE batches (batch UInt32, n UInt64) ENGINE = MergeTree ORDER BY (batch, n)
		SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`)
	acknowledged := map[string]bool{}
	tried := 0
	for range 25 {
		killed := make(chan error, 1)
		usual := 20 * time.Millisecond // how long an insert takes
		for last := tried + 1 + rand.IntN(3); ; {
			tried++
			if tried == last {
				go killAfter(server, rand.N(usual*5/4), killed)
			}
			began := time.Now()
			if err := insertBatch(t, base, tried); err != nil {
				break
			}
			usual = time.Since(began)
			acknowledged[strconv.Itoa(tried)] = true
		}
		require.NoError(t, <-killed)
		require.NoError(t, server.Restart(t.Context()))
		require.Empty(t, sql(t, base, fmt.Sprintf("SELECT batch FROM batches GROUP BY batch HAVING uniqExact(n) != %d", rowsABatch)))
	}
	kept := strings.Fields(sql(t, base, "SELECT batch FROM batches GROUP BY batch HAVING count() = uniqExact(n)"))
	t.Logf("%d batches tried, %d acknowledged, %d kept", tried, len(acknowledged), len(kept))
	for _, batch := range kept {
		delete(acknowledged, batch)
	}
	require.Empty(t, acknowledged)
}

func killAfter(server *devstack.ClickHouse, delay time.Duration, killed chan<- error) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	<-timer.C
	killed <- server.Kill()
}

// insertBatch sends a batch's rows in the body; nil means that the server says they are in.
func insertBatch(t *testing.T, base string, number int) error {
	t.Helper()
	rows := make([]byte, 0, rowsABatch*8)
	for n := range uint64(rowsABatch) {
		rows = binary.LittleEndian.AppendUint64(rows, n)
	}
	query := fmt.Sprintf("INSERT INTO batches SELECT %d, n FROM input('n UInt64') FORMAT RowBinary", number)
	target := base + "/?" + url.Values{"query": {query}}.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, bytes.NewReader(rows))
	require.NoError(t, err)
	resp, err := plainClient().Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return err
}

func TestClickHouseIsStartedAgainAfterACrash(t *testing.T) {
	t.Parallel()
	server, err := devstack.StartClickHouse(t.Context(), devstack.ClickHouseOptions{
		Home: t.TempDir(), Small: true, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) }()
	base := server.URL()
	sql(t, base, "CREATE TABLE kept AS system.one ENGINE = MergeTree ORDER BY ()")
	for range 2 {
		crashed := server.PID()
		require.NoError(t, syscall.Kill(crashed, syscall.SIGKILL))
		require.Eventually(t, func() bool { return server.PID() != crashed }, patience, 5*time.Millisecond)
		require.Equal(t, "0\n", sql(t, base, "SELECT count() FROM kept"))
	}
	// One that we killed stays dead.
	require.NoError(t, server.Kill())
	<-server.Done()
	require.Error(t, clickHouse(t, base).Ping(t.Context()))
	require.NoError(t, server.Restart(t.Context()))
	require.Equal(t, "0\n", sql(t, base, "SELECT count() FROM kept"))
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

// The engine shares its process with the Go runtime, whose threads it must leave whole: this query sends each of them a signal.
func TestClickHouseLeavesTheGoRuntimeAlone(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouseServer(t)
	for range 20 {
		require.NotEqual(t, "0\n", sql(t, server.URL(), "SELECT count() FROM system.stack_trace WHERE NOT ignore(trace)"))
	}
	require.NoError(t, server.Stop(context.WithoutCancel(t.Context())))
	require.NoError(t, server.Exit())
}
