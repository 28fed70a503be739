package postgres_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/storetest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// patience bounds waits that only a bug can exceed.
const patience = time.Minute

// flow is a log, a database, and runners between them.
type flow struct {
	*harness

	log    eventlog.Config
	writer *eventlog.Writer
	events []*ledger.Event
}

func newFlow(t *testing.T, pool *pgxpool.Pool, log eventlog.Config) *flow {
	t.Helper()
	writer, err := eventlog.NewWriter(log)
	require.NoError(t, err)
	t.Cleanup(writer.Close)
	return &flow{harness: &harness{pool, 50 * time.Millisecond}, log: log, writer: writer}
}

func openFlow(t *testing.T) *flow {
	t.Helper()
	return newFlow(t, foldtest.Open(t, tally{}), foldtest.Log(t))
}

// payment is an event with a key that spreads over the partitions.
func payment(amount string) *ledger.Event {
	scale := uint32(0)
	return ledger.NewEvent(uuid.New(), time.UnixMilli(1_600_000_000_000), "urn:runner", &eventsv1.PaymentPosted{
		PaymentId: "payment-" + strconv.Itoa(rand.IntN(1_000)), TransactionId: "t", UserId: "u", PaymentType: "credit",
		Provider: "till", MerchantId: "acme", Amount: &eventsv1.Money{Value: amount, AssetCode: "EUR", AssetScale: &scale},
	})
}

// publish appends n events.
func (f *flow) publish(t *testing.T, n int) {
	t.Helper()
	events := make([]*ledger.Event, n)
	for i := range events {
		events[i] = payment("1")
	}
	_, err := f.writer.PublishAll(t.Context(), events)
	require.NoError(t, err)
	f.events = append(f.events, events...)
}

// running is a runner that was started.
type running struct {
	*projections.Runner

	registry *prometheus.Registry
	stop     func() error
	done     chan error
}

func (f *flow) run(t *testing.T, step projections.Step) *running {
	t.Helper()
	registry := prometheus.NewRegistry()
	r := &running{
		Runner: projections.NewRunner(f.Open(t, 0, step), f.log, projections.Settings{
			BatchEvents: 500, SessionTimeout: 6 * time.Second, RetryMax: 200 * time.Millisecond, Registerer: registry,
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		}),
		registry: registry,
		done:     make(chan error, 1),
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { r.done <- r.Run(ctx); close(r.done) }()
	r.stop = func() error { cancel(); return <-r.done }
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// waitAllOnce waits until every event published has its row, and checks that none has two.
func (f *flow) waitAllOnce(t *testing.T) {
	t.Helper()
	want := len(f.events)
	require.Eventually(t, func() bool {
		var n int
		err := f.pool.QueryRow(t.Context(), `SELECT count(*) FROM tally.rows`).Scan(&n)
		return err == nil && n >= want
	}, patience, 10*time.Millisecond)
	rows := f.Rows(t)
	require.Len(t, rows, want)
	for _, event := range f.events {
		require.Equal(t, 1, rows[event.ID])
	}
}

func (r *running) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func TestCopiesShareThePartitionsAndPassThemOn(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.publish(t, 3_000)
	first := f.run(t, nil)
	f.publish(t, 1_000)
	second := f.run(t, nil)
	for range 20 {
		f.publish(t, 200)
	}
	require.Eventually(t, func() bool {
		return first.Health().Partitions() > 0 && second.Health().Partitions() > 0
	}, patience, 10*time.Millisecond, "both copies own partitions")
	f.publish(t, 1_000)
	require.NoError(t, first.stop())
	f.publish(t, 1_000)
	f.waitAllOnce(t)
	require.NoError(t, second.Health().Ready())
}

func TestAnOwnerThatIsFencedJoinsAgain(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	r := f.run(t, nil)
	f.publish(t, 100)
	f.waitAllOnce(t)
	identities := identities(t, f.log)
	for range 3 { // Somebody else takes every partition, as a new owner would.
		claims := make([]projections.Claim, 0, len(identities))
		for p, identity := range identities {
			claims = append(claims, projections.Claim{TopicPartition: p, TopicID: identity.TopicID})
		}
		_, err := f.Open(t, 0, nil).Acquire(t.Context(), claims)
		require.NoError(t, err)
		f.publish(t, 100)
		f.waitAllOnce(t)
	}
	require.GreaterOrEqual(t, r.metric(t, "tributary_projection_fenced_total"), 1.0)
	require.Eventually(t, func() bool { return r.Health().Ready() == nil }, patience, 10*time.Millisecond)
}

func identities(t *testing.T, log eventlog.Config) map[eventlog.TopicPartition]eventlog.LogIdentity {
	t.Helper()
	admin, err := eventlog.NewAdmin(log)
	require.NoError(t, err)
	defer admin.Close()
	found, err := admin.Identities(t.Context(), eventlog.Topics()...)
	require.NoError(t, err)
	return found
}

func TestARefusedEventStopsTheRunnerAtItsPosition(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.publish(t, 700)
	poison := payment(storetest.PoisonAmount)
	positions, err := f.writer.PublishAll(t.Context(), []*ledger.Event{poison})
	require.NoError(t, err)
	f.publish(t, 700)
	r := f.run(t, nil)
	err = <-r.done
	var refused *projections.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, err.Error(), positions[0].String()+"..")
	require.Len(t, refused.Batch.Records, 1)
	require.ErrorContains(t, r.Health().Ready(), positions[0].String())
	require.Equal(t, positions[0].Offset, f.Next(t)[positions[0].TopicPartition()], "all before it is in")
	_, err = f.pool.Exec(t.Context(), `ALTER TABLE tally.rows_g1 DROP CONSTRAINT rows_amount_check`)
	if err != nil { // It is the parent's.
		_, err = f.pool.Exec(t.Context(), `ALTER TABLE tally.rows DROP CONSTRAINT rows_amount_check`)
	}
	require.NoError(t, err)
	f.events = append(f.events, poison)
	f.run(t, nil)
	f.waitAllOnce(t)
}

func TestARecreatedTopicIsNeverSkippedSilently(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.publish(t, 200)
	first := f.run(t, nil)
	f.waitAllOnce(t)
	require.NoError(t, first.stop())
	admin, err := eventlog.NewAdmin(f.log)
	require.NoError(t, err)
	defer admin.Close()
	client, err := eventlog.NewClient(f.log)
	require.NoError(t, err)
	defer client.Close()
	_, err = kadm.NewClient(client).DeleteTopic(t.Context(), eventlog.TopicPayments)
	require.NoError(t, err)
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{})
	require.NoError(t, err)
	again, err := eventlog.NewWriter(f.log)
	require.NoError(t, err)
	defer again.Close()
	_, err = again.PublishAll(t.Context(), []*ledger.Event{payment("1"), payment("1")})
	require.NoError(t, err)
	second := f.run(t, nil)
	require.Eventually(t, func() bool {
		err := second.Health().Ready()
		return err != nil && strings.Contains(err.Error(), "created again")
	}, patience, 10*time.Millisecond)
	f.waitAllOnce(t) // Nothing of the new log was taken for the old one's.
}

func TestAnOutageOfPostgresIsRiddenOut(t *testing.T) {
	t.Parallel()
	server := stacktest.PostgresServer(t)
	pool, err := postgres.Open(t.Context(), server.URL())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = postgres.Migrate(t.Context(), pool, []postgres.Projection{tally{}}, nil)
	require.NoError(t, err)
	f := newFlow(t, pool, foldtest.Log(t))
	var commits atomic.Int64
	r := f.run(t, func(_ context.Context, next string) error {
		if next == storetest.LastStep {
			commits.Add(1)
		}
		return nil
	})
	for range 3 {
		f.publish(t, 2_000)
		before := commits.Load()
		require.Eventually(t, func() bool { return commits.Load() > before }, patience, time.Millisecond)
		require.NoError(t, server.Kill())
		f.publish(t, 500)
		require.Eventually(t, func() bool { return r.Health().Ready() != nil }, patience, time.Millisecond)
		require.NoError(t, server.Restart(t.Context()))
		f.waitAllOnce(t)
	}
	require.Positive(t, r.metric(t, "tributary_projection_retries_total"))
	require.Eventually(t, func() bool { return r.Health().Ready() == nil }, patience, 10*time.Millisecond)
}

func TestAnOutageOfKafkaIsRiddenOut(t *testing.T) {
	t.Parallel()
	kafka := stacktest.KafkaProcess(t, devstack.KafkaConfig{})
	log := eventlog.Config{Brokers: kafka.Brokers()}
	admin, err := eventlog.NewAdmin(log)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{})
	require.NoError(t, err)
	f := newFlow(t, foldtest.Open(t, tally{}), log)
	r := f.run(t, nil)
	for range 2 {
		f.publish(t, 1_000)
		require.NoError(t, kafka.Kill())
		require.Eventually(t, func() bool { return r.Health().Ready() != nil }, patience, 10*time.Millisecond)
		require.NoError(t, kafka.Restart(t.Context()))
		f.publish(t, 1_000)
		f.waitAllOnce(t)
	}
	require.Eventually(t, func() bool { return r.Health().Ready() == nil }, patience, 10*time.Millisecond)
}

func TestTransactionMarkersLeaveNoLag(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	atomicWriter, err := eventlog.NewAtomicWriter(f.log, "runner-test")
	require.NoError(t, err)
	defer atomicWriter.Close()
	for i := range 5 {
		batch := make([]*ledger.Event, 10)
		for j := range batch {
			batch[j] = payment("1")
		}
		ctx, cancel := context.WithCancel(t.Context())
		if i == 3 {
			cancel() // Nothing of this one may be seen.
		}
		if _, err := atomicWriter.PublishAtomic(ctx, batch); err == nil {
			f.events = append(f.events, batch...)
		}
		cancel()
	}
	require.Len(t, f.events, 40)
	r := f.run(t, nil)
	f.waitAllOnce(t)
	admin, err := eventlog.NewAdmin(f.log)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context(), eventlog.TopicPayments)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		for p, next := range f.Next(t) {
			if next != ends[p] {
				return false
			}
		}
		return true
	}, patience, 10*time.Millisecond, "the next offsets come to the very end, past the markers")
	require.Eventually(t, func() bool {
		return r.metric(t, "tributary_projection_lag_events") == 0
	}, patience, 10*time.Millisecond)
}

func TestMetricsAreNamedAsPromised(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	r := f.run(t, nil)
	f.publish(t, 10)
	f.waitAllOnce(t)
	for _, name := range []string{
		"tributary_projection_lag_events", "tributary_projection_lag_seconds", "tributary_projection_events_total",
		"tributary_projection_batch_seconds", "tributary_projection_fenced_total", "tributary_projection_conflicts_total",
	} {
		require.Eventually(t, func() bool {
			n, err := testutil.GatherAndCount(r.registry, name)
			return err == nil && n > 0
		}, patience, 10*time.Millisecond, name)
	}
}

// TestBatchesAreSpaced has records come one by one, and many at once: each batch must hold what came while the one before was young.
func TestBatchesAreSpaced(t *testing.T) {
	t.Parallel()
	const interval = 300 * time.Millisecond
	for name, c := range map[string]struct {
		settings    projections.Settings
		times, most int
	}{
		"one by one":   {projections.Settings{PollInterval: interval}, 300, 1},
		"many at once": {projections.Settings{PollInterval: time.Millisecond, BusyInterval: interval}, 30, 1_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFlow(t)
			registry := prometheus.NewRegistry()
			c.settings.Registerer = registry
			runner := projections.NewRunner(f.Open(t, 0, nil), f.log, c.settings)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			started := time.Now()
			go func() { done <- runner.Run(ctx) }()
			for range c.times {
				f.publish(t, c.most)
			}
			f.waitAllOnce(t)
			took := time.Since(started)
			cancel()
			require.NoError(t, <-done)
			batches := (&running{registry: registry}).metric(t, "tributary_projection_batch_seconds")
			require.GreaterOrEqual(t, batches, 2.0)
			if c.most == 1 {
				require.LessOrEqual(t, batches, float64(took/interval)+2)
				return
			}
			// A batch of few may be between two of many.
			require.LessOrEqual(t, batches, 2*float64(took/interval)+float64(c.times)/2)
		})
	}
}
