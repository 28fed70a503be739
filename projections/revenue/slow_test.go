package revenue

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
)

// slow is a reader that takes its answer off the wire when it is told to. What it has not taken stays with the server: between them is
// room for some MB.
type slow struct {
	id   string
	body io.ReadCloser
	ids  *bufio.Scanner
	read map[string]int
}

// askSlowly asks for the ids of a view of events, in an answer of a kB for each.
func (b *books) askSlowly(t *testing.T, view string) *slow {
	t.Helper()
	address, err := url.Parse(b.url)
	require.NoError(t, err)
	s := &slow{id: uuid.NewString(), read: map[string]int{}}
	address.Path, address.RawQuery = "/", url.Values{
		"query":    {"SELECT event_id, repeat('x', 1000) FROM " + view + " FORMAT TSV"},
		"query_id": {s.id}, "max_block_size": {"500"}, "max_threads": {"1"}, "http_send_timeout": {"60"},
	}.Encode()
	dial := func(ctx context.Context, network, host string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, host)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(1 << 16)
		}
		return conn, err
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: dial}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address.String(), http.NoBody)
	require.NoError(t, err)
	response, err := (&http.Client{Transport: transport}).Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		said, err := io.ReadAll(response.Body)
		require.Fail(t, response.Status, "%s %v", said, err)
	}
	s.body, s.ids = response.Body, bufio.NewScanner(response.Body)
	s.take(t, 10)
	return s
}

// take reads so many rows, fewer where there are no more.
func (s *slow) take(t *testing.T, rows int) (more bool) {
	t.Helper()
	for range rows {
		if !s.ids.Scan() {
			require.NoError(t, s.ids.Err())
			return false
		}
		id, _, _ := strings.Cut(s.ids.Text(), "\t")
		s.read[id]++
	}
	return true
}

// requireAll reads the rest, slowly, and requires each of the events once.
func (s *slow) requireAll(t *testing.T, records []eventlog.Record) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for s.take(t, 500) {
		<-ticker.C
	}
	require.Len(t, s.read, len(records))
	for _, record := range records {
		require.Equal(t, 1, s.read[record.Event.ID.String()])
	}
}

// requireUnderWay requires the servers to be at the queries still, so that what was done meanwhile was done under them.
func (b *books) requireUnderWay(t *testing.T, all ...*slow) {
	t.Helper()
	for _, s := range all {
		require.Equal(t, []string{"1"}, b.rows(t, "SELECT count() FROM system.processes WHERE query_id = '"+s.id+"'"))
	}
}

// A reader that is slower than a swap, and than the drop of what it reads, keeps nobody waiting and gets its whole answer.
func TestASlowReaderGetsItsWholeAnswer(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	records := make([]eventlog.Record, 20_000)
	for i := range records {
		event := visit(time.Unix(1_300_000_000, 0), fmt.Sprintf("site-%d", i%3), "post", 1)
		records[i] = foldtest.Record(event, 0, int64(i))
	}
	b.owner.Commit(t, records...)
	require.NoError(t, clickhouse.NameGeneration(t.Context(), b.pool, b.conn, New(), 1))
	live, named := b.askSlowly(t, "revenue.events"), b.askSlowly(t, "revenue_g1.events")
	next, err := clickhouse.CreateGeneration(t.Context(), b.pool, b.conn, New())
	require.NoError(t, err)
	foldtest.OwnStore(b.store(next)).Commit(t, records...)

	began := time.Now()
	require.NoError(t, clickhouse.Swap(t.Context(), b.pool, b.conn, New(), next, nil))
	swapped := time.Since(began)
	more := foldtest.Record(visit(time.Unix(1_300_000_000, 0), "site-0", "post", 1), 0, int64(len(records)))
	foldtest.OwnStore(b.store(0)).Commit(t, more)
	require.Equal(t, []string{"20001"}, b.rows(t, "SELECT sum(events) FROM revenue.by_month"))
	require.Equal(t, []string{"20000"}, b.rows(t, "SELECT count() FROM revenue_g1.events"), "what was live is there by its name")
	b.requireUnderWay(t, live, named)

	began = time.Now()
	require.NoError(t, clickhouse.DropGeneration(t.Context(), b.pool, b.conn, New(), 1))
	t.Logf("under two slow readers a swap took %s, and a drop %s", swapped, time.Since(began))
	require.Equal(t, []string{"0"}, b.rows(t, "SELECT count() FROM system.tables WHERE database = 'revenue' AND name LIKE '%\\_g1'"))
	require.Equal(t, []string{"0"}, b.rows(t, "SELECT count() FROM system.databases WHERE name = 'revenue_g1'"))
	require.Equal(t, []string{"20001"}, b.rows(t, "SELECT sum(events) FROM revenue.by_month"))
	b.requireUnderWay(t, live, named)
	live.requireAll(t, records)
	named.requireAll(t, records)
}
