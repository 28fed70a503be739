package audit_test

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/projections/revenue"
	"github.com/tributary-ledger/tributary/projections/subjects"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// stack is a log and a database of a test's own.
type stack struct {
	kafka eventlog.Config
	pool  *pgxpool.Pool
	admin *eventlog.Admin
	log   *kgo.Client
	// clickhouse is nil where a test does not ask for one.
	clickhouse *devstack.ClickHouse
	conn       driver.Conn
}

// all are the projections that are audited.
func all(pool *pgxpool.Pool) []postgres.Projection {
	return []postgres.Projection{balances.New(pool, nil), quarantine.New(), receipts.New(), receivers.New(), subjects.New()}
}

// store is that of the projection of a name.
func (s *stack) store(t testing.TB, name string) projections.Store {
	t.Helper()
	if name == revenue.Name {
		return clickhouse.NewStore(s.pool, s.conn, revenue.New(), clickhouse.Options{Interval: time.Millisecond})
	}
	for _, projection := range all(s.pool) {
		if projection.Definition().Name == name {
			return postgres.NewStore(s.pool, projection, postgres.Options{})
		}
	}
	require.Fail(t, "no such projection", name)
	return nil
}

func migrate(ctx context.Context, url string) error {
	pool, err := postgres.Open(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = postgres.Migrate(ctx, pool, all(pool), nil)
	return err
}

const partitions = 3

func open(t testing.TB) *stack {
	t.Helper()
	s := &stack{kafka: eventlog.Config{Brokers: stacktest.Kafka(t)}}
	var err error
	s.pool, err = postgres.Open(t.Context(), stacktest.PostgresFrom(t, "migrated", migrate))
	require.NoError(t, err)
	t.Cleanup(s.pool.Close)
	s.admin, err = eventlog.NewAdmin(s.kafka)
	require.NoError(t, err)
	t.Cleanup(s.admin.Close)
	_, err = s.admin.Ensure(t.Context(), eventlog.TopicSettings{Partitions: partitions})
	require.NoError(t, err)
	s.log, err = eventlog.NewClient(s.kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(s.log.Close)
	return s
}

// put appends events to a partition.
func (s *stack) put(t testing.TB, partition int32, events ...*ledger.Event) {
	t.Helper()
	require.NoError(t, s.append(t.Context(), partition, events...))
}

func (s *stack) append(ctx context.Context, partition int32, events ...*ledger.Event) error {
	records := make([]*kgo.Record, len(events))
	for i, event := range events {
		record, bad := eventlog.Encode(event)
		if bad != nil {
			return bad
		}
		record.Partition = partition
		records[i] = record
	}
	return s.log.ProduceSync(ctx, records...).FirstErr()
}

// project runs projections until they have all of the log; the balances when none is named.
func (s *stack) project(t testing.TB, names ...string) {
	t.Helper()
	if len(names) == 0 {
		names = []string{balances.Name}
	}
	for _, name := range names {
		store := s.store(t, name)
		runner := projections.NewRunner(store, s.kafka, projections.Settings{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- runner.Run(ctx) }()
		ends, err := s.admin.EndOffsets(t.Context(), store.Definition().Topics...)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return maps.Equal(ends, s.reached(t, name))
		}, 2*time.Minute, 10*time.Millisecond)
		cancel()
		require.NoError(t, <-done)
	}
}

func (s *stack) reached(t testing.TB, name string) map[eventlog.TopicPartition]int64 {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), `SELECT topic, "partition", next_offset FROM books.progress WHERE projection = $1`, name)
	require.NoError(t, err)
	defer rows.Close()
	reached := map[eventlog.TopicPartition]int64{}
	for rows.Next() {
		var p eventlog.TopicPartition
		var next int64
		require.NoError(t, rows.Scan(&p.Topic, &p.Partition, &next))
		reached[p] = next
	}
	require.NoError(t, rows.Err())
	return reached
}

// verify is the report on one projection.
func (s *stack) verify(t testing.TB, name string) audit.Projection {
	t.Helper()
	report, err := audit.New(s.pool, s.kafka, s.conn).Verify(t.Context(), audit.Live(name), nil)
	require.NoError(t, err)
	require.Len(t, report.Projections, 1)
	require.Equal(t, report.Agrees(), report.Projections[0].DifferencesTotal == 0)
	return report.Projections[0]
}

// compared is how many rows each check looked at.
func compared(p audit.Projection) map[string]int64 {
	rows := map[string]int64{}
	for _, check := range p.Checks {
		rows[check.Name] = check.Compared
	}
	return rows
}

// tamper changes the tables as no projector would; it must hit as many rows as said.
func (s *stack) tamper(t testing.TB, hit int64, sql string, arguments ...any) {
	t.Helper()
	tag, err := s.pool.Exec(t.Context(), sql, arguments...)
	require.NoError(t, err)
	require.Equal(t, hit, tag.RowsAffected(), sql)
}

func money(cents int) *eventsv1.Money {
	return &eventsv1.Money{Value: strconv.Itoa(cents), AssetCode: "EUR", AssetScale: proto.Uint32(2)}
}

// numbered is an event id.
func numbered(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("01890000-0000-7000-8000-%012d", n))
}

func event(n int, data ledger.Data) *ledger.Event {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8_000, time.UTC).Add(time.Duration(n) * time.Second)
	return ledger.NewEvent(numbered(n), at, "urn:test", data)
}

func posted(n, cents int) *ledger.Event {
	return event(n, &eventsv1.PaymentPosted{
		PaymentId: fmt.Sprintf("pay-%d", n), TransactionId: fmt.Sprintf("tx-%d", n), UserId: "ann", PaymentType: "credit",
		Provider: "till", MerchantId: fmt.Sprintf("m%d", n%2), Amount: money(cents), Fee: money(cents / 10),
	})
}
