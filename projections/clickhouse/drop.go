package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// DropGeneration is postgres.DropGeneration for a projection whose rows are in ClickHouse. A query there that reads the tables ends
// well: they are removed when the last one has.
func DropGeneration(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection, generation int32) error {
	return drop(ctx, pool, conn, projection, generation, nil)
}

func drop(
	ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection, generation int32, step projections.Step,
) error {
	if _, err := reconcile(ctx, pool, conn, projection); err != nil { // The views may show it still.
		return err
	}
	g := Generation{Database: projection.Definition().Name, Number: generation}
	registry := postgres.RegistryProjection(projection.Definition())
	return postgres.Drop(ctx, pool, registry, generation, func(ctx context.Context) error {
		tables := append(projection.Asides(), projection.Rows())
		statements := make([]string, 1, 1+len(tables))
		statements[0] = "DROP DATABASE IF EXISTS " + NamesOf(g)
		for _, table := range tables {
			statements = append(statements, "DROP TABLE IF EXISTS "+g.Table(table.Name))
		}
		for _, statement := range statements {
			if err := conn.Exec(withSettings(ctx, clickhouse.Settings{
				"max_table_size_to_drop": 0, "max_partition_size_to_drop": 0, // As large as it is: it was asked for.
			}), statement); err != nil {
				return explain(statement, err)
			}
		}
		_, err := pool.Exec(ctx, `DELETE FROM tributary.clickhouse_views WHERE projection = $1`, NamesOf(g))
		if err != nil {
			return fmt.Errorf("forget the views of generation %d: %w", generation, err)
		}
		return nil
	}, step)
}
