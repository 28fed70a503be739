package queries

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
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
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/projections/revenue"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

func folds(pool *pgxpool.Pool) []postgres.Projection {
	return []postgres.Projection{balances.New(pool, nil), receipts.New(), receivers.New(), quarantine.New()}
}

// books are a log and what runners make of it, and the API over it.
type books struct {
	pool    *pgxpool.Pool
	log     eventlog.Config
	writer  *eventlog.Writer
	queries *Queries
	mux     *http.ServeMux
}

// migrated is a URL of a database that has the tables.
func migrated(t testing.TB) string {
	t.Helper()
	return stacktest.PostgresFrom(t, "queries", migrate)
}

func migrate(ctx context.Context, url string) error {
	pool, err := postgres.Open(ctx, url)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer pool.Close()
	_, err = postgres.Migrate(ctx, pool, folds(pool), nil)
	return err
}

func open(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// newBooks runs these projections over an empty log, the revenue too where there is a ClickHouse.
func newBooks(t testing.TB, url string, warehouse driver.Conn, replicas []string, only ...projection) *books {
	t.Helper()
	b := &books{pool: open(t, url), log: eventlog.Config{Brokers: stacktest.Kafka(t)}}
	admin, err := eventlog.NewAdmin(b.log)
	require.NoError(t, err)
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{Partitions: 3})
	require.NoError(t, err)
	admin.Close()
	b.writer, err = eventlog.NewWriter(b.log)
	require.NoError(t, err)
	t.Cleanup(b.writer.Close)
	for _, fold := range folds(b.pool) {
		if slices.ContainsFunc(only, func(p projection) bool { return p.name == fold.Definition().Name }) {
			b.project(t, postgres.NewStore(b.pool, fold, postgres.Options{}))
		}
	}
	if warehouse != nil {
		_, err := clickhouse.Migrate(t.Context(), b.pool, warehouse, []clickhouse.Projection{revenue.New()})
		require.NoError(t, err)
		b.project(t, clickhouse.NewStore(b.pool, warehouse, revenue.New(), clickhouse.Options{Interval: time.Millisecond}))
	}
	b.serve(t, warehouse, replicas)
	return b
}

func (b *books) serve(t testing.TB, warehouse driver.Conn, replicas []string) {
	t.Helper()
	config := Config{Postgres: b.pool, ClickHouse: warehouse}
	for _, url := range replicas {
		config.Replicas = append(config.Replicas, open(t, url))
	}
	b.queries = New(config)
	background(t, b.queries.Run)
	b.mux = http.NewServeMux()
	b.queries.Register(web.NewAPI(b.mux, web.APIConfig{Version: "test", Authenticate: authenticate}))
}

// background runs until the test ends.
func background(t testing.TB, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func (b *books) project(t testing.TB, store projections.Store) {
	t.Helper()
	background(t, projections.NewRunner(store, b.log, projections.Settings{}).Run)
}

// The callers of tests, by their keys.
func authenticate(_ context.Context, token string) (*web.Principal, error) {
	owners, known := map[string][]string{"main": nil, "other": nil, "acme": {"acme", "my-blog"}, "none": nil}[token]
	if !known {
		return nil, web.NewProblem(http.StatusUnauthorized, web.CodeUnauthenticated, "no such key")
	}
	p := &web.Principal{ID: token, Ledger: "main", Scopes: web.Scopes(), Owners: owners}
	switch token {
	case "other":
		p.Ledger = "other"
	case "none":
		p.Scopes = nil
	}
	return p, nil
}

// publish writes events, and says where they are as a header does.
func (b *books) publish(t testing.TB, events ...*ledger.Event) string {
	t.Helper()
	positions, err := b.writer.PublishAll(t.Context(), events)
	require.NoError(t, err)
	return said(positions)
}

func said(positions []eventlog.Position) string {
	last := map[eventlog.TopicPartition]eventlog.Position{}
	for _, p := range positions {
		if p.Offset >= last[p.TopicPartition()].Offset {
			last[p.TopicPartition()] = p
		}
	}
	texts := make([]string, 0, len(last))
	for _, p := range last {
		texts = append(texts, p.String())
	}
	return strings.Join(slices.Sorted(slices.Values(texts)), ",")
}

// reply is what was answered.
type reply struct {
	status int
	header http.Header
	body   string
}

// get asks as a caller, again where the books are not as far yet, which on a busy machine may be; headers are names and values in
// turn.
func (b *books) get(t testing.TB, as, path string, headers ...string) reply {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		got := b.once(t, as, path, headers...)
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, string(web.CodeNotYet)) || time.Now().After(end) {
			return got
		}
	}
}

func (b *books) once(t testing.TB, as, path string, headers ...string) reply {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	request.Header.Set("Authorization", "Bearer "+as)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	b.mux.ServeHTTP(recorder, request)
	return reply{recorder.Code, recorder.Header(), recorder.Body.String()}
}

// read is what is answered with 200.
func read200[T any](t testing.TB, b *books, as, path string) T {
	t.Helper()
	got := b.get(t, as, path)
	require.Equal(t, http.StatusOK, got.status, "%s: %s", path, got.body)
	var value T
	decoder := json.NewDecoder(strings.NewReader(got.body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&value), got.body)
	return value
}

// problem is what is answered with another status.
func problem(t testing.TB, got reply, status int, code web.Code) web.Problem {
	t.Helper()
	require.Equal(t, status, got.status, got.body)
	require.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
	var p web.Problem
	require.NoError(t, json.Unmarshal([]byte(got.body), &p))
	require.Equal(t, string(code), p.Code)
	return p
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func gbp(pence int64) *eventsv1.Money {
	return &eventsv1.Money{Value: strconv.FormatInt(pence, 10), AssetCode: "GBP", AssetScale: new(uint32(2))}
}

func event(at time.Time, data ledger.Data) *ledger.Event {
	return ledger.NewEvent(uuid.Must(uuid.NewV7()), at, "urn:test", data)
}

// posted is a payment of 139.12 of which the platform took 1.39.
func posted(id, merchant string, at time.Time) *ledger.Event {
	return event(at, &eventsv1.PaymentPosted{
		PaymentId: "pay-" + id, ReceiptId: "rcpt-" + id, TransactionId: "txn-" + id, UserId: "user-1", PaymentType: "credit", Provider: "sandbox",
		MerchantId: merchant, Amount: gbp(13912), Fee: gbp(139), Lines: []*eventsv1.Line{
			{Sku: "85123A", Description: "A <white> heart", Quantity: "6", UnitPrice: gbp(255)},
			{Sku: "D", Quantity: "1", UnitPrice: gbp(-100)},
		},
	})
}

func refunded(id, merchant string, at time.Time, pence int64) *ledger.Event {
	return event(at, &eventsv1.PaymentRefunded{
		PaymentId: "pay-" + id, RefundId: "ref-" + uuid.NewString(), TransactionId: "txn-r-" + id, Provider: "sandbox", MerchantId: merchant,
		Amount: gbp(pence),
	})
}

func in(name string, e *ledger.Event) *ledger.Event {
	e.Ledger = name
	return e
}
