package postgres_test

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/storetest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) {
	storetest.FewerHistories()
	stacktest.Main(m)
}

// tally is a projection that keeps a row an event, without a key.
type tally struct{}

func (tally) Definition() projections.Definition {
	return projections.Definition{Name: "tally", Version: 1, Topics: eventlog.Topics()}
}

func (tally) Migrations() fs.FS {
	return fstest.MapFS{"migrations/00001_tally.sql": {Data: []byte(`-- +goose Up
		CREATE SCHEMA tally;
		CREATE TABLE tally.identity (event_id uuid NOT NULL, kafka_offset bigint NOT NULL, "partition" integer NOT NULL,
			generation integer NOT NULL, topic smallint NOT NULL, content_hash bytea NOT NULL) PARTITION BY LIST (generation);
		CREATE TABLE tally.rows (event_id uuid NOT NULL, amount numeric NOT NULL CHECK (amount <> ` + storetest.PoisonAmount + `),
			generation integer NOT NULL) PARTITION BY LIST (generation);
		CREATE VIEW books.tally AS SELECT event_id, amount FROM tally.rows WHERE generation = (SELECT tributary.shown('tally'));`)}}
}

func (tally) Tables() []postgres.Table {
	return []postgres.Table{{Name: "identity", Keys: []string{"PRIMARY KEY (event_id)"}}, {Name: "rows"}}
}

func (tally) Wants(record *eventlog.Record) bool { return record.Event != nil }

func (tally) Prepare(_ context.Context, generation postgres.Generation, records []eventlog.Record) (postgres.Writes, error) {
	w := tallyWrites{generation, postgres.NewRows(len(records), 50)}
	for _, record := range records {
		w.rows.Row(2)
		w.rows.UUID(record.Event.ID)
		w.rows.Amount(ledger.MoneyAmount(record.Event.Data.(*eventsv1.PaymentPosted).GetAmount()))
	}
	return w, nil
}

type tallyWrites struct {
	generation postgres.Generation
	rows       *postgres.Rows
}

func (w tallyWrites) Write(ctx context.Context, tx pgx.Tx) error {
	return postgres.Copy(ctx, tx, w.generation.Table("rows")+" (event_id, amount)", w.rows)
}

// harness shows the store to the suite.
type harness struct {
	pool          *pgxpool.Pool
	takeoverAfter time.Duration
}

func open(t *testing.T) storetest.Harness {
	t.Helper()
	pool, err := postgres.Open(t.Context(), stacktest.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = postgres.Migrate(t.Context(), pool, []postgres.Projection{tally{}}, nil)
	require.NoError(t, err)
	return &harness{pool, 50 * time.Millisecond}
}

func (h *harness) Open(_ *testing.T, generation int32, step projections.Step) projections.Store {
	return postgres.NewStore(h.pool, tally{}, postgres.Options{
		Generation: generation, Step: step, TakeoverAfter: h.takeoverAfter,
	})
}

func (h *harness) Rows(t *testing.T) map[uuid.UUID]int {
	t.Helper()
	rows, err := h.pool.Query(t.Context(), `SELECT event_id, count(*) FROM tally.rows
		WHERE generation = (SELECT tributary.shown('tally')) GROUP BY event_id`)
	require.NoError(t, err)
	counts := map[uuid.UUID]int{}
	var id uuid.UUID
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		counts[id] = n
		return nil
	})
	require.NoError(t, err)
	return counts
}

func (h *harness) Next(t *testing.T) map[eventlog.TopicPartition]int64 {
	t.Helper()
	return foldtest.Next(t, h.pool)
}

func (h *harness) CreateGeneration(t *testing.T) int32 {
	t.Helper()
	number, err := postgres.CreateGeneration(t.Context(), h.pool, tally{})
	require.NoError(t, err)
	return number
}

func (h *harness) Swap(
	ctx context.Context, generation int32, catchUp func(context.Context, map[eventlog.TopicPartition]int64) error,
) error {
	return postgres.Swap(ctx, h.pool, tally{}.Definition(), generation, catchUp)
}

func (h *harness) Drop(ctx context.Context, generation int32, step projections.Step) error {
	return postgres.Drop(ctx, h.pool, tally{}, generation, nil, step)
}

func (h *harness) SetVersion(t *testing.T, generation int32, version int) {
	t.Helper()
	_, err := h.pool.Exec(t.Context(), `UPDATE tributary.generations SET version = $2 WHERE generation = $1`, generation, version)
	require.NoError(t, err)
}

func (h *harness) Name(ctx context.Context, generation int32) error {
	return postgres.NameGeneration(ctx, h.pool, tally{}.Definition().Name, generation)
}

func (h *harness) Named(ctx context.Context, generation int32) (rows int, err error) {
	err = h.pool.QueryRow(ctx, "SELECT count(*) FROM "+postgres.NamesOf(generation)+".tally").Scan(&rows)
	return rows, err
}

func (h *harness) Together() bool { return true }

func (h *harness) ErrBehind() error { return postgres.ErrBehind }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}
