package comparison_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/comparison"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/projections/subjects"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
	"github.com/tributary-ledger/tributary/schemas/views"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// all are the projections in Postgres.
func all(pool *pgxpool.Pool) []postgres.Readable {
	return []postgres.Readable{balances.New(pool, nil), receipts.New(), receivers.New(), quarantine.New(), subjects.New()}
}

func migrate(ctx context.Context, address string) error {
	pool, err := postgres.Open(ctx, address)
	if err != nil {
		return err
	}
	defer pool.Close()
	var stored []postgres.Projection
	for _, projection := range all(pool) {
		stored = append(stored, projection)
	}
	_, err = postgres.Migrate(ctx, pool, stored, views.Migrations())
	return err
}

func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	address, err := url.Parse(databaseURL(t))
	require.NoError(t, err)
	query := address.Query()
	query.Set("pool_max_conns", "64") // Each subtest holds two, and asks for more.
	address.RawQuery = query.Encode()
	pool, err := postgres.Open(t.Context(), address.String())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// databaseURL is a database with the tables of all projections, for a benchmark on a server of the usual size.
func databaseURL(t testing.TB) string {
	t.Helper()
	if _, measured := t.(*testing.B); measured {
		address := stacktest.LargePostgres(t).URL()
		require.NoError(t, migrate(t.Context(), address))
		return address
	}
	return stacktest.PostgresFrom(t, "all", migrate)
}

const partitions = 3

// partitioned is a log in memory: records in the order in which they were written, dealt to partitions without regard to their keys,
// so that copies and conflicts of an event lie on different ones.
type partitioned struct {
	records []eventlog.Record
	next    map[eventlog.TopicPartition]int64
	at      time.Time
}

func (l *partitioned) add(t testing.TB, record *kgo.Record, partition int32) eventlog.Record {
	t.Helper()
	if l.next == nil {
		l.next, l.at = map[eventlog.TopicPartition]int64{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	p := eventlog.TopicPartition{Topic: record.Topic, Partition: partition}
	l.at = l.at.Add(time.Second)
	record.Partition, record.Offset, record.Timestamp = partition, l.next[p], l.at
	l.next[p]++
	l.records = append(l.records, eventlog.Decode(record))
	return l.records[len(l.records)-1]
}

// event adds an event.
func (l *partitioned) event(t testing.TB, partition int32, event *ledger.Event) eventlog.Record {
	t.Helper()
	record, bad := eventlog.Encode(event)
	require.Nil(t, bad)
	return l.add(t, record, partition)
}

// simulated is a log of simulated events, with copies and bad ones; conflicts on request.
func simulated(t testing.TB, seed uint64, events int64, conflicts bool) *partitioned {
	t.Helper()
	s, err := simulation.New(simulation.Options{Seed: seed, Events: events, Accounts: 50})
	require.NoError(t, err)
	troubles := simulation.Troubles{Duplicates: simulation.Whole / 20, Bad: simulation.Whole / 50}
	if conflicts {
		troubles.Conflicts = simulation.Whole / 50
	}
	traffic, err := s.Traffic(troubles, simulation.DoorLog)
	require.NoError(t, err)
	l := &partitioned{}
	random := rand.New(rand.NewPCG(seed, 1))
	for {
		message, ok := traffic.Next()
		if !ok {
			break
		}
		r := message.Record()
		record := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		l.add(t, record, random.Int32N(partitions))
	}
	for n := range 2 { // The simulation's providers report a transaction once.
		l.event(t, int32(n), posted(n, "same", "m1", 100))
	}
	l.event(t, 0, orphan(2, &eventsv1.PaymentRefunded{
		PaymentId: "nothing", RefundId: "r", TransactionId: "t", Provider: "till", MerchantId: "m1", Amount: money(1),
	}))
	l.event(t, 0, orphan(3, &eventsv1.ReceiverPaymentDetected{
		ReceiverId: "nothing", MerchantId: "m1", Chain: "dash", Txid: "t", Vout: proto.Uint32(0), Address: "a", Amount: money(1),
		InstantLocked: new(true),
	}))
	return l
}

// orphan is an event about something that no other names.
func orphan(n int, data ledger.Data) *ledger.Event {
	return ledger.NewEvent(numbered(n), time.Date(2026, 3, 4, 5, n%60, 0, 0, time.UTC), "urn:test", data)
}

// posted is a payment of that many cents.
func posted(n int, transaction, merchant string, cents int) *ledger.Event {
	return ledger.NewEvent(numbered(n), time.Date(2026, 3, 4, 5, n%60, 0, 0, time.UTC), "urn:test", &eventsv1.PaymentPosted{
		PaymentId: fmt.Sprintf("pay-%d", n), TransactionId: transaction, UserId: "ann", PaymentType: "credit", Provider: "till",
		MerchantId: merchant, Amount: money(cents), Fee: money(cents / 10),
	})
}

func money(cents int) *eventsv1.Money {
	return &eventsv1.Money{Value: strconv.Itoa(cents), AssetCode: "EUR", AssetScale: proto.Uint32(2)}
}

// numbered is an event id.
func numbered(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("01890000-0000-7000-8000-%012d", n))
}

// ends are the offsets past the last records.
func (l *partitioned) ends() map[eventlog.TopicPartition]int64 { return maps.Clone(l.next) }

// build puts a log into a generation: in its order, or in another one that keeps that of each partition; in pieces of up to batch
// records.
func (l *partitioned) build(
	t testing.TB, pool *pgxpool.Pool, projection postgres.Projection, generation int32, batch int, random *rand.Rand,
) {
	t.Helper()
	store := postgres.NewStore(pool, projection, postgres.Options{Generation: generation})
	l.commit(t, foldtest.OwnStore(store), projection.Definition(), batch, random)
}

func (l *partitioned) commit(t testing.TB, owner *foldtest.Owner, of projections.Definition, batch int, random *rand.Rand) {
	t.Helper()
	records := slices.Clone(l.records)
	if random != nil {
		// Each partition comes at its own pace.
		due, now := map[eventlog.Position]int64{}, map[eventlog.TopicPartition]int64{}
		pace := map[eventlog.TopicPartition]int64{}
		for i := range records {
			p := records[i].TopicPartition()
			if pace[p] == 0 {
				pace[p] = 100 + random.Int64N(1_000)
			}
			now[p] += random.Int64N(pace[p])
			due[records[i].Position] = now[p]
		}
		slices.SortStableFunc(records, func(a, b eventlog.Record) int { return cmp.Compare(due[a.Position], due[b.Position]) })
	}
	var wanted []eventlog.Record
	for i := range records {
		if slices.Contains(of.Topics, records[i].Topic) {
			wanted = append(wanted, records[i])
		}
	}
	for piece := range slices.Chunk(wanted, batch) {
		owner.Commit(t, piece...)
	}
}

// create makes an empty generation.
func create(t testing.TB, pool *pgxpool.Pool, projection postgres.Projection) int32 {
	t.Helper()
	generation, err := postgres.CreateGeneration(t.Context(), pool, projection)
	require.NoError(t, err)
	return generation
}

// live is the number of the live generation.
func live(t testing.TB, pool *pgxpool.Pool, projection postgres.Projection) int32 {
	t.Helper()
	var generation int32
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT generation FROM tributary.live WHERE projection = $1`,
		projection.Definition().Name).Scan(&generation))
	return generation
}

// show is a snapshot that reads a generation.
func show(t testing.TB, pool *pgxpool.Pool, projection postgres.Projection, generation int32) pgx.Tx {
	t.Helper()
	return showNamed(t, pool, projection.Definition().Name, generation)
}

func showNamed(t testing.TB, pool *pgxpool.Pool, projection string, generation int32) pgx.Tx {
	t.Helper()
	tx, err := postgres.BeginSnapshot(t.Context(), pool)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tx.Rollback(context.WithoutCancel(t.Context()))) })
	require.NoError(t, postgres.Show(t.Context(), tx, projection, generation))
	return tx
}

// compare compares the live generation with another.
func compare(t testing.TB, pool *pgxpool.Pool, projection postgres.Readable, generation int32) comparison.Report {
	t.Helper()
	report, err := comparison.Postgres(t.Context(), show(t, pool, projection, live(t, pool, projection)),
		show(t, pool, projection, generation), projection.Readers(), nil)
	require.NoError(t, err)
	return report
}

// viewOf is the outcome for a view.
func viewOf(t testing.TB, report comparison.Report, name string) comparison.View {
	t.Helper()
	for _, view := range report.Views {
		if view.Name == name {
			return view
		}
	}
	require.Fail(t, "no such view", name)
	return comparison.View{}
}
