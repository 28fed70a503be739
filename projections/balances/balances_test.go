package balances

import (
	"context"
	"fmt"
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

func TestMain(m *testing.M) { stacktest.Main(m) }

func open(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), stacktest.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = postgres.Migrate(t.Context(), pool, []postgres.Projection{New(pool, nil)}, nil)
	require.NoError(t, err)
	return pool
}

func posted(i int) *ledger.Event {
	scale := uint32(2)
	fee := uint32(2)
	return ledger.NewEvent(uuid.New(), time.Now(), "urn:test", &eventsv1.PaymentPosted{
		PaymentId: fmt.Sprintf("pay-%d", i), TransactionId: "t", UserId: "u", PaymentType: "credit", Provider: "till",
		MerchantId: fmt.Sprintf("m%d", i%10),
		Amount:     &eventsv1.Money{Value: "1000", AssetCode: "EUR", AssetScale: &scale},
		Fee:        &eventsv1.Money{Value: "25", AssetCode: "EUR", AssetScale: &fee},
	})
}

func TestEventsBecomeBalances(t *testing.T) {
	t.Parallel()
	pool := open(t)
	kafka := eventlog.Config{Brokers: stacktest.Kafka(t)}
	admin, err := eventlog.NewAdmin(kafka)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{})
	require.NoError(t, err)
	writer, err := eventlog.NewWriter(kafka)
	require.NoError(t, err)
	defer writer.Close()
	const n = 1000
	events := make([]*ledger.Event, n)
	for i := range events {
		events[i] = posted(i)
	}
	for range 2 { // The second publication changes nothing.
		_, err = writer.PublishAll(t.Context(), events)
		require.NoError(t, err)
	}
	runner := projections.NewRunner(postgres.NewStore(pool, New(pool, nil), postgres.Options{}), kafka, projections.Settings{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	require.Eventually(t, func() bool {
		var n int64
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT coalesce(sum(next_offset), 0) FROM books.progress`).Scan(&n))
		return n == 2000
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, runner.Health().Ready())
	cancel()
	require.NoError(t, <-done)
	var debits, credits, fees string
	require.NoError(t, pool.QueryRow(t.Context(),
		`SELECT sum(debits)::text, sum(credits)::text FROM books.account_balances`).Scan(&debits, &credits))
	require.Equal(t, "10000", debits)
	require.Equal(t, debits, credits)
	require.NoError(t, pool.QueryRow(t.Context(),
		`SELECT balance::text FROM books.account_balances WHERE account = 'platform:fees'`).Scan(&fees))
	require.Equal(t, "250", fees)
}
