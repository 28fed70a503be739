package balances

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// BenchmarkRebuild builds the balances from a full log: payouts between 100,000 zipf-distributed merchants and banks. First a
// projector does it, then rebuilds do, of one worker and of two.
//
//	go test -run '^$' -bench Rebuild -benchtime 500000x ./projections/balances
func BenchmarkRebuild(b *testing.B) {
	pool, err := postgres.Open(b.Context(), stacktest.LargePostgres(b).URL())
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	_, err = postgres.Migrate(b.Context(), pool, []postgres.Projection{New(pool, nil)}, nil)
	require.NoError(b, err)
	kafka := eventlog.Config{Brokers: stacktest.Kafka(b)}
	fill(b, kafka, b.N)
	rate := func(started time.Time) float64 { return float64(b.N) / time.Since(started).Seconds() }
	runner := projections.NewRunner(postgres.NewStore(pool, New(pool, nil), postgres.Options{}), kafka, projections.Settings{})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	b.ResetTimer()
	started := time.Now()
	go func() { done <- runner.Run(ctx) }()
	waitFor(b, pool, int64(b.N))
	b.ReportMetric(rate(started), "events/s")
	cancel()
	require.NoError(b, <-done)
	admin, err := eventlog.NewAdmin(kafka)
	require.NoError(b, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(b.Context())
	require.NoError(b, err)
	for _, workers := range []int{1, 2} {
		generation, err := postgres.CreateGeneration(b.Context(), pool, New(pool, nil))
		require.NoError(b, err)
		store := postgres.NewStore(pool, New(pool, nil), postgres.Options{Generation: generation})
		started := time.Now()
		require.NoError(b, projections.NewRebuild(store, kafka, projections.Settings{Workers: workers}).To(b.Context(), ends))
		b.ReportMetric(rate(started), fmt.Sprintf("rebuilt-by-%d/s", workers))
	}
}

func waitFor(tb testing.TB, pool *pgxpool.Pool, events int64) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		var n int64
		require.NoError(tb, pool.QueryRow(tb.Context(),
			`SELECT coalesce(sum(next_offset), 0) FROM books.progress`).Scan(&n))
		return n >= events
	}, 10*time.Minute, 20*time.Millisecond)
}

func fill(tb testing.TB, kafka eventlog.Config, n int) {
	tb.Helper()
	admin, err := eventlog.NewAdmin(kafka)
	require.NoError(tb, err)
	defer admin.Close()
	_, err = admin.Ensure(tb.Context(), eventlog.TopicSettings{})
	require.NoError(tb, err)
	writer, err := eventlog.NewWriter(kafka)
	require.NoError(tb, err)
	defer writer.Close()
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.1, 50, 100_000)
	scale := uint32(2)
	for i := range n {
		id, err := uuid.NewV7()
		require.NoError(tb, err)
		writer.Publish(tb.Context(), ledger.NewEvent(id, time.Now(), "urn:bench", &eventsv1.PayoutSent{
			PayoutId: fmt.Sprintf("payout-%d", i), MerchantId: fmt.Sprintf("m%d", zipf.Uint64()),
			Bank:   fmt.Sprintf("b%d", zipf.Uint64()),
			Amount: &eventsv1.Money{Value: strconv.Itoa(1 + random.IntN(100_000)), AssetCode: "USD", AssetScale: &scale},
		}), func(_ eventlog.Position, err error) {
			if err != nil {
				tb.Errorf("publish: %v", err)
			}
		})
	}
	require.NoError(tb, writer.Flush(tb.Context()))
}
