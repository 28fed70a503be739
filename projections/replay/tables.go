package replay

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/comparison"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Tables are a projection's tables, in the store where they are.
type Tables interface {
	Definition() projections.Definition
	// Create makes a generation, empty.
	Create(ctx context.Context) (int32, error)
	// Feed is a rebuild that fills a generation.
	Feed(generation int32, settings projections.Settings) (projections.Store, projections.Settings)
	// Finish is called when a generation is about full, before it is read.
	Finish(ctx context.Context, generation int32) error
	// Name makes the names under which people can query a generation.
	Name(ctx context.Context, generation int32) error
	// Names are those that Name made, with their schema or database.
	Names(ctx context.Context, generation int32) ([]string, error)
	// Compare compares what readers see of two generations: of the live one in a snapshot of Postgres, and of the other, held at the
	// same vector.
	Compare(ctx context.Context, snapshot pgx.Tx, live, other int32, at vector, progress func(done, total int64)) (*comparison.Report, error)
	// Swap makes a generation live; postgres.ErrBehind where that is too early.
	Swap(ctx context.Context, to int32, catchUp postgres.CatchUp) error
	// Drop removes what there is of a generation that is not live.
	Drop(ctx context.Context, generation int32) error
}

// inPostgres are tables in Postgres.
type inPostgres struct {
	pool       *pgxpool.Pool
	projection postgres.Projection
	options    Options
}

// Options are what tables can do without.
type Options struct {
	// Step is called between the steps of a commit; see projections.Step.
	Step projections.Step
	// Logger is told of takeovers.
	Logger *slog.Logger
}

// InPostgres are the tables of a projection in Postgres.
func InPostgres(pool *pgxpool.Pool, projection postgres.Projection, options Options) Tables {
	return &inPostgres{pool, projection, options}
}

func (t *inPostgres) Definition() projections.Definition { return t.projection.Definition() }

func (t *inPostgres) Create(ctx context.Context) (int32, error) {
	return postgres.CreateGeneration(ctx, t.pool, t.projection)
}

func (t *inPostgres) Feed(generation int32, settings projections.Settings) (projections.Store, projections.Settings) {
	return postgres.NewStore(t.pool, t.projection, postgres.Options{
		Generation: generation, Step: t.options.Step, Logger: t.options.Logger,
	}), settings
}

// Finish has the planner know the tables: of those it knows nothing it may choose the worst of plans.
func (t *inPostgres) Finish(ctx context.Context, generation int32) error {
	g := postgres.Generation{Schema: t.Definition().Name, Number: generation}
	for _, table := range t.projection.Tables() {
		leaf := pgx.Identifier{g.Schema, fmt.Sprintf("%s_g%d", table.Name, generation)}
		if _, err := t.pool.Exec(ctx, "ANALYZE "+leaf.Sanitize()); err != nil {
			return fmt.Errorf("analyze %s: %w", g.Table(table.Name), err)
		}
	}
	return nil
}

// inClickHouse are tables in ClickHouse, with their ids in Postgres.
type inClickHouse struct {
	pool       *pgxpool.Pool
	conn       driver.Conn
	projection clickhouse.Projection
	options    Options
}

// InClickHouse are the tables of a projection in ClickHouse.
func InClickHouse(pool *pgxpool.Pool, conn driver.Conn, projection clickhouse.Projection, options Options) Tables {
	return &inClickHouse{pool, conn, projection, options}
}

func (t *inClickHouse) Definition() projections.Definition { return t.projection.Definition() }

func (t *inClickHouse) Create(ctx context.Context) (int32, error) {
	return clickhouse.CreateGeneration(ctx, t.pool, t.conn, t.projection)
}

func (t *inClickHouse) Feed(generation int32, settings projections.Settings) (projections.Store, projections.Settings) {
	settings.BatchEvents = clickhouse.BatchEvents
	return clickhouse.NewStore(t.pool, t.conn, t.projection, clickhouse.Options{
		Generation: generation, Step: t.options.Step, Logger: t.options.Logger,
	}), settings
}

// Finish has the planner of Postgres know the ids; ClickHouse needs nothing.
func (t *inClickHouse) Finish(ctx context.Context, generation int32) error {
	ids := inPostgres{pool: t.pool, projection: postgres.RegistryProjection(t.Definition())}
	return ids.Finish(ctx, generation)
}
