package replay

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/comparison"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Name makes the views of the schema books_g<number>.
func (t *inPostgres) Name(ctx context.Context, generation int32) error {
	return postgres.NameGeneration(ctx, t.pool, t.Definition().Name, generation)
}

// Swap is postgres.Swap.
func (t *inPostgres) Swap(ctx context.Context, to int32, catchUp postgres.CatchUp) error {
	return postgres.Swap(ctx, t.pool, t.Definition(), to, catchUp)
}

// Drop is postgres.DropGeneration.
func (t *inPostgres) Drop(ctx context.Context, generation int32) error {
	return postgres.DropGeneration(ctx, t.pool, t.projection, generation)
}

// Name makes the database <projection>_g<number>.
func (t *inClickHouse) Name(ctx context.Context, generation int32) error {
	return clickhouse.NameGeneration(ctx, t.pool, t.conn, t.projection, generation)
}

// Swap is clickhouse.Swap.
func (t *inClickHouse) Swap(ctx context.Context, to int32, catchUp postgres.CatchUp) error {
	return clickhouse.Swap(ctx, t.pool, t.conn, t.projection, to, catchUp)
}

// Drop is clickhouse.DropGeneration.
func (t *inClickHouse) Drop(ctx context.Context, generation int32) error {
	return clickhouse.DropGeneration(ctx, t.pool, t.conn, t.projection, generation)
}

// Compare compares the views that the projection declares; without any there is nothing to compare.
func (t *inPostgres) Compare(
	ctx context.Context, snapshot pgx.Tx, live, other int32, _ vector, progress func(done, total int64),
) (*comparison.Report, error) {
	readable, ok := t.projection.(postgres.Readable)
	if !ok {
		return nil, nil //nolint:nilnil // as said
	}
	var report comparison.Report
	err := besideLive(ctx, t.pool, snapshot, t.Definition().Name, live, other, func(now pgx.Tx) (err error) {
		report, err = comparison.Postgres(ctx, snapshot, now, readable.Readers(), progress)
		return err
	})
	return &report, err
}

// Compare compares what the projection declares, up to the vector.
func (t *inClickHouse) Compare(
	ctx context.Context, snapshot pgx.Tx, live, other int32, at vector, progress func(done, total int64),
) (*comparison.Report, error) {
	readable, ok := t.projection.(clickhouse.Readable)
	if !ok {
		return nil, nil //nolint:nilnil // as said
	}
	name := t.Definition().Name
	var report comparison.Report
	err := besideLive(ctx, t.pool, snapshot, name, live, other, func(now pgx.Tx) (err error) {
		report, err = comparison.ClickHouse(ctx, t.conn, readable, comparison.Generations{
			Live: clickhouse.Generation{Database: name, Number: live}, Other: clickhouse.Generation{Database: name, Number: other},
			LiveSnapshot: snapshot, OtherSnapshot: now,
		}, at, progress)
		return err
	})
	return &report, err
}

// besideLive shows the live generation in its snapshot, and the other in one of its own: the live one's is from before it got there.
func besideLive(
	ctx context.Context, pool *pgxpool.Pool, snapshot pgx.Tx, projection string, live, other int32, compare func(now pgx.Tx) error,
) error {
	now, err := postgres.BeginSnapshot(ctx, pool)
	if err != nil {
		return err
	}
	defer func() { _ = now.Rollback(context.WithoutCancel(ctx)) }() // it was only read
	if err := postgres.Show(ctx, snapshot, projection, live); err != nil {
		return err
	}
	if err := postgres.Show(ctx, now, projection, other); err != nil {
		return err
	}
	if err := compare(now); err != nil {
		return fmt.Errorf("compare generation %d of %s with the live one: %w", other, projection, err)
	}
	return nil
}

// Names are the views of its schema.
func (t *inPostgres) Names(ctx context.Context, generation int32) ([]string, error) {
	rows, err := t.pool.Query(ctx, `SELECT schemaname || '.' || viewname FROM pg_views WHERE schemaname = $1 ORDER BY 1`,
		postgres.NamesOf(generation))
	if err != nil {
		return nil, fmt.Errorf("list the names of generation %d: %w", generation, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the names of generation %d: %w", generation, err)
	}
	return names, nil
}

// Names are the tables and views of its database.
func (t *inClickHouse) Names(ctx context.Context, generation int32) ([]string, error) {
	database := clickhouse.NamesOf(clickhouse.Generation{Database: t.Definition().Name, Number: generation})
	rows, err := t.conn.Query(ctx, "SELECT concat(database, '.', name) FROM system.tables WHERE database = ? ORDER BY name", database)
	if err != nil {
		return nil, fmt.Errorf("list the names of generation %d: %w", generation, err)
	}
	defer rows.Close() //nolint:errcheck // Err says all
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("list the names of generation %d: %w", generation, err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the names of generation %d: %w", generation, err)
	}
	return names, nil
}
