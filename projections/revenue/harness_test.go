package revenue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// books are the projection's tables and views on real servers, and their only owner.
type books struct {
	url    string
	pool   *pgxpool.Pool
	conn   driver.Conn
	owner  *foldtest.Owner
	offset int64
}

func newBooks(t testing.TB) *books {
	t.Helper()
	start := stacktest.ClickHouseServer
	if _, measured := t.(*testing.B); measured {
		start = stacktest.LargeClickHouse
	}
	url := start(t).URL()
	conn, err := clickhouse.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	pool, err := postgres.Open(t.Context(), stacktest.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = clickhouse.Migrate(t.Context(), pool, conn, []clickhouse.Projection{New()})
	require.NoError(t, err)
	store := clickhouse.NewStore(pool, conn, New(), clickhouse.Options{Interval: time.Microsecond})
	return &books{url: url, pool: pool, conn: conn, owner: foldtest.OwnStore(store)}
}

// partitions are as many as events are dealt to.
const partitions = 3

// commit puts events in as one batch.
func (b *books) commit(t testing.TB, events ...*ledger.Event) {
	t.Helper()
	records := make([]eventlog.Record, len(events))
	for i, event := range events {
		records[i] = foldtest.Record(event, int32(b.offset%partitions), b.offset)
		b.offset++
	}
	b.owner.Commit(t, records...)
}

// rows are what a query answers, a line a row, as ClickHouse writes them.
func (b *books) rows(t testing.TB, sql string, arguments ...any) []string {
	t.Helper()
	rows, err := b.query(t.Context(), sql, arguments...)
	require.NoError(t, err, sql)
	return rows
}

func (b *books) query(ctx context.Context, sql string, arguments ...any) ([]string, error) {
	rows, err := b.conn.Query(ctx, "SELECT formatRow('TSV', *) AS line FROM ("+sql+")", arguments...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read on: %w", err)
	}
	return lines, nil
}

// plan is how a query would be answered.
func (b *books) plan(t testing.TB, sql string) string {
	t.Helper()
	rows, err := b.conn.Query(t.Context(), "EXPLAIN indexes = 1 "+sql)
	require.NoError(t, err, sql)
	defer func() { require.NoError(t, rows.Close()) }()
	var lines []string
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		lines = append(lines, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(lines, "\n")
}

// money is an amount with three decimals.
func money(thousandths int64, asset string) *eventsv1.Money {
	return &eventsv1.Money{Value: strconv.FormatInt(thousandths, 10), AssetCode: asset, AssetScale: new(uint32(3))}
}

// visit is what a reader of a post brought in.
func visit(at time.Time, site, post string, thousandths int64) *ledger.Event {
	return ledger.NewEvent(uuid.New(), at, "urn:test", &eventsv1.MonetizationReceived{
		PluginId: site, PaymentPointer: "$wallet.example/" + site, PostId: post, SessionId: "s", Amount: money(thousandths, "USD"),
	})
}
