package devstack_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// endless runs until it is killed.
const endless = "SELECT count() FROM numbers(1e15) WHERE NOT ignore(sipHash64(number))"

// tunedClickHouse is a server with settings of its own.
func tunedClickHouse(t *testing.T, settings map[string]string) *devstack.ClickHouse {
	t.Helper()
	server, err := devstack.StartClickHouse(t.Context(), devstack.ClickHouseOptions{Home: t.TempDir(), Small: true, Settings: settings})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	return server
}

// underWay returns when a query that matches condition runs.
func underWay(t *testing.T, base, condition string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return sql(t, base, "SELECT count() FROM system.processes WHERE "+condition) == "1\n"
	}, patience, 5*time.Millisecond)
}

func TestClickHouseKillsWhatItIsToldTo(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	conn := clickHouse(t, base)
	sql(t, base, "CREATE TABLE filled (n UInt64) ENGINE = MergeTree ORDER BY n")
	for name, statement := range map[string]string{"query": endless, "insert": "INSERT INTO filled " + endless} {
		for by, condition := range map[string]string{
			"its id": "query_id = 'id of " + name + "'", "its comment": "position(Settings['log_comment'], '|payments/3:41|" + name + "') > 0",
		} {
			ended := make(chan error, 1)
			go func() {
				ended <- conn.Exec(clickhouse.Context(t.Context(), clickhouse.WithQueryID("id of "+name), clickhouse.WithSettings(
					clickhouse.Settings{"log_comment": "|payments/3:41|" + name})), statement)
			}()
			underWay(t, base, condition)
			require.Contains(t, sql(t, base, "KILL QUERY WHERE "+condition+" SYNC"), "finished", by)
			// SYNC came back after the end.
			require.Equal(t, "0\n", sql(t, base, "SELECT count() FROM system.processes WHERE "+condition))
			var refusal *clickhouse.Exception
			require.ErrorAs(t, <-ended, &refusal, by)
			require.EqualValues(t, 394, refusal.Code)
		}
	}
	require.Equal(t, "0\n", sql(t, base, "SELECT count() FROM filled"))
}

// An insert whose body has not arrived in full is under way too, once 256 KiB of it have (max_query_size), and a KILL ends it; SYNC waits
// until the client has said nothing for http_receive_timeout.
func TestClickHouseKillsAnInsertThatIsStillComing(t *testing.T) {
	t.Parallel()
	base := tunedClickHouse(t, map[string]string{"http_receive_timeout": "1"}).URL()
	sql(t, base, "CREATE TABLE filled (n UInt64) ENGINE = MergeTree ORDER BY n")
	reader, writer := io.Pipe()
	params := url.Values{"query": {"INSERT INTO filled FORMAT TSV"}, "query_id": {"slow"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/?"+params.Encode(), reader)
	require.NoError(t, err)
	status := make(chan string, 1)
	go func() {
		resp, err := plainClient().Do(req)
		if err != nil {
			status <- err.Error()
			return
		}
		_ = resp.Body.Close()
		status <- resp.Status
	}()
	_, err = io.WriteString(writer, strings.Repeat("1\n", 200_000))
	require.NoError(t, err)
	underWay(t, base, "query_id = 'slow'")
	sql(t, base, "KILL QUERY WHERE query_id = 'slow' SYNC")
	require.Equal(t, "0\n", sql(t, base, "SELECT count() FROM system.processes WHERE query_id = 'slow'"))
	require.NoError(t, writer.Close())
	require.NotContains(t, <-status, "200")
	require.Equal(t, "0\n", sql(t, base, "SELECT count() FROM filled"))
}

func TestClickHouseServesReadersWhileAnInsertRuns(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	sql(t, base, "CREATE TABLE filled (n UInt64) ENGINE = MergeTree ORDER BY n")
	sql(t, base, "INSERT INTO filled VALUES (1)")
	var group errgroup.Group
	group.Go(func() error {
		return clickHouse(t, base).Exec(clickhouse.Context(t.Context(), clickhouse.WithQueryID("long")), "INSERT INTO filled "+endless)
	})
	underWay(t, base, "query_id = 'long'")
	conn := clickHouse(t, base)
	for range 50 {
		require.Equal(t, uint64(1), count(t, conn, "SELECT count() FROM filled"))
	}
	sql(t, base, "INSERT INTO filled VALUES (2)")
	require.Equal(t, uint64(2), count(t, conn, "SELECT count() FROM filled"))
	sql(t, base, "KILL QUERY WHERE query_id = 'long' SYNC")
	require.Error(t, group.Wait())
}

func TestClickHouseServesManyAtOnce(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	options, err := clickhouse.ParseDSN(base)
	require.NoError(t, err)
	options.MaxOpenConns, options.MaxIdleConns = 200, 200
	conn, err := clickhouse.Open(options)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	var group errgroup.Group
	for i := range uint64(200) {
		group.Go(func() error {
			var n uint64
			if err := conn.QueryRow(t.Context(), "SELECT sum(number) FROM numbers($1)", i+1).Scan(&n); err != nil {
				return err
			}
			if n != i*(i+1)/2 {
				return fmt.Errorf("%d became %d", i, n)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

func TestClickHouseBoundsHowManyQueriesRun(t *testing.T) {
	t.Parallel()
	server := tunedClickHouse(t, map[string]string{"max_concurrent_queries_for_all_users": "2"})
	base := server.URL()
	var group errgroup.Group
	group.Go(func() error { return clickHouse(t, base).Exec(t.Context(), endless) })
	underWay(t, base, "query LIKE '%sipHash%' AND query NOT LIKE '%processes%'")
	group.Go(func() error { return clickHouse(t, base).Exec(t.Context(), endless) })
	require.Eventually(t, func() bool {
		got := tell(t, base, ask{body: "SELECT 1"})
		return got.header.Get("X-Clickhouse-Exception-Code") == "202"
	}, patience, 5*time.Millisecond)
	// It also ends in order while queries run, which are cut.
	require.NoError(t, server.Stop(context.WithoutCancel(t.Context())))
	require.Error(t, group.Wait())
}

// residentBytes is how much memory of its own a process has: the engine's code, which it shares with others, does not count.
func residentBytes(t testing.TB, pid int) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(raw), "RssAnon:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	require.NoError(t, err)
	return kilobytes << 10
}

// Neither a large result nor a large insert is held in memory.
func TestClickHouseStreams(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouseServer(t)
	base := server.URL()
	const rows = 20_000_000
	most := int64(0)
	reads := 0
	look := func() {
		reads++
		if reads%100 == 1 {
			most = max(most, residentBytes(t, server.PID()))
		}
	}
	look()
	idle := most
	sql(t, base, "CREATE TABLE filled (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1")
	select1 := fmt.Sprintf("SELECT number FROM numbers(%d) FORMAT RowBinary", rows)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/", strings.NewReader(select1))
	require.NoError(t, err)
	resp, err := plainClient().Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	params := url.Values{"query": {"INSERT INTO filled FORMAT RowBinary"}}
	insert, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/?"+params.Encode(), &watched{resp.Body, look})
	require.NoError(t, err)
	done, err := plainClient().Do(insert)
	require.NoError(t, err)
	require.NoError(t, done.Body.Close())
	require.Equal(t, http.StatusOK, done.StatusCode)
	require.Equal(t, fmt.Sprintf("%d\t%d\n", rows, rows*(rows-1)/2), sql(t, base, "SELECT count(), sum(n) FROM filled"))
	t.Logf("idle %d MB, at most %d MB while %d MB went out and in", idle>>20, most>>20, rows*8>>20)
	require.Less(t, most, int64(400<<20))
}

// watched calls look every so often while it is read.
type watched struct {
	io.Reader

	look func()
}

func (w *watched) Read(p []byte) (int, error) {
	w.look()
	return w.Reader.Read(p)
}
