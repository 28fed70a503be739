package clickhouse_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/storetest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) {
	storetest.FewerHistories()
	stacktest.Main(m)
}

// tally is a projection that keeps a row an event, without a key, in a database of its own.
type tally struct {
	name string
	// parts are more of the table of rows.
	parts []string
}

var tallies atomic.Int32 //nolint:gochecknoglobals // Names that no other test of this binary has can come from nowhere else.

func newTally() tally { return tally{name: fmt.Sprintf("tally_%d", tallies.Add(1))} }

func (p tally) Definition() projections.Definition {
	return projections.Definition{Name: p.name, Version: 1, Topics: eventlog.Topics()}
}

func (p tally) Rows() clickhouse.Table {
	return clickhouse.Table{
		Name: "rows", Columns: []string{"event_id UUID", "amount Decimal(38, 18)"}, OrderBy: "event_id",
		Parts: append([]string{"CONSTRAINT sane CHECK amount != " + storetest.PoisonAmount}, p.parts...),
	}
}

func (tally) Asides() []clickhouse.Table {
	return []clickhouse.Table{{
		Name: "merchants", Columns: []string{"merchant String", "seen Int64"}, Engine: "ReplacingMergeTree(seen)", OrderBy: "merchant",
	}}
}

func (tally) LiveViews(g clickhouse.Generation) []clickhouse.View {
	return []clickhouse.View{
		{Name: "rows", Comment: "A row an event.", Select: "SELECT event_id, amount, topic, `partition`, kafka_offset FROM " + g.Table("rows")},
		{Name: "merchants", Comment: "Who's who.", Select: "SELECT merchant FROM " + g.Table("merchants") + " FINAL"},
	}
}

func (p tally) Views() []clickhouse.View {
	return []clickhouse.View{
		{Name: "counts", Comment: "Of each event.", Select: "SELECT event_id, count() AS n FROM " + p.name + ".rows GROUP BY event_id"},
		{Name: "above", Comment: "With a parameter.", Select: "SELECT * FROM " + p.name + ".rows WHERE amount > {least:Int32}"},
	}
}

func (tally) Counts(record *eventlog.Record) bool { return record.Event != nil }

func (tally) Fold(records []eventlog.Record) proto.Input {
	ids, amounts := make(proto.ColUUID, len(records)), make(proto.ColDecimal128, len(records))
	for i, record := range records {
		amount := ledger.MoneyAmount(record.Event.Data.(*eventsv1.PaymentPosted).GetAmount())
		ids[i], amounts[i] = record.Event.ID, proto.Decimal128{Low: amount.Lo, High: amount.Hi}
	}
	return proto.Input{
		{Name: "event_id", Data: &ids}, {Name: "amount", Data: proto.Alias(&amounts, "Decimal(38, 18)")},
	}
}

func (tally) FoldAside(records []eventlog.Record) map[string]proto.Input {
	merchants, seen := new(proto.ColStr), new(proto.ColInt64)
	for _, record := range records {
		merchants.Append(record.Event.Data.(*eventsv1.PaymentPosted).GetMerchantId())
		seen.Append(record.Offset)
	}
	return map[string]proto.Input{"merchants": {{Name: "merchant", Data: merchants}, {Name: "seen", Data: seen}}}
}

// harness shows the store to the suite.
type harness struct {
	tally

	pool *pgxpool.Pool
	conn driver.Conn
}

func open(t *testing.T) storetest.Harness {
	t.Helper()
	return newHarness(t, stacktest.ClickHouse(t))
}

func newHarness(t testing.TB, url string, parts ...string) *harness {
	t.Helper()
	pool, err := postgres.Open(t.Context(), stacktest.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	h := &harness{newTally(), pool, connect(t, url)}
	h.parts = parts
	_, err = clickhouse.Migrate(t.Context(), pool, h.conn, []clickhouse.Projection{h.tally})
	require.NoError(t, err)
	return h
}

func connect(t testing.TB, url string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}

// through opens a store whose owner speaks to ClickHouse through a proxy.
func (h *harness) through(t *testing.T, p *proxy) projections.Store {
	t.Helper()
	return clickhouse.NewStore(h.pool, connect(t, p.URL()), h.tally, clickhouse.Options{Interval: time.Microsecond})
}

func (h *harness) Open(_ *testing.T, generation int32, step projections.Step) projections.Store {
	return clickhouse.NewStore(h.pool, h.conn, h.tally, clickhouse.Options{
		Generation: generation, Step: step, TakeoverAfter: 50 * time.Millisecond, Interval: time.Microsecond,
	})
}

func (h *harness) Rows(t *testing.T) map[uuid.UUID]int {
	t.Helper()
	rows, err := h.conn.Query(t.Context(), "SELECT event_id, n FROM "+h.name+".counts")
	require.NoError(t, err)
	counts := map[uuid.UUID]int{}
	for rows.Next() {
		var id uuid.UUID
		var n uint64
		require.NoError(t, rows.Scan(&id, &n))
		counts[id] = int(n)
	}
	require.NoError(t, rows.Err())
	return counts
}

func (h *harness) Next(t *testing.T) map[eventlog.TopicPartition]int64 {
	t.Helper()
	return foldtest.Next(t, h.pool)
}

func (h *harness) Together() bool { return false }

func (h *harness) CreateGeneration(t *testing.T) int32 {
	t.Helper()
	number, err := clickhouse.CreateGeneration(t.Context(), h.pool, h.conn, h.tally)
	require.NoError(t, err)
	return number
}

func (h *harness) Swap(
	ctx context.Context, generation int32, catchUp func(context.Context, map[eventlog.TopicPartition]int64) error,
) error {
	return clickhouse.Swap(ctx, h.pool, h.conn, h.tally, generation, catchUp)
}

func (h *harness) Drop(ctx context.Context, generation int32, step projections.Step) error {
	return clickhouse.Drop(ctx, h.pool, h.conn, h.tally, generation, step)
}

func (h *harness) SetVersion(t *testing.T, generation int32, version int) {
	t.Helper()
	_, err := h.pool.Exec(t.Context(), `UPDATE tributary.generations SET version = $2 WHERE generation = $1`, generation, version)
	require.NoError(t, err)
}

func (h *harness) Name(ctx context.Context, generation int32) error {
	return clickhouse.NameGeneration(ctx, h.pool, h.conn, h.tally, generation)
}

func (h *harness) Named(ctx context.Context, generation int32) (int, error) {
	var rows uint64
	names := clickhouse.NamesOf(clickhouse.Generation{Database: h.name, Number: generation})
	err := h.conn.QueryRow(ctx, "SELECT count() FROM "+names+".rows").Scan(&rows)
	return int(rows), err
}

func (h *harness) ErrBehind() error { return postgres.ErrBehind }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}
