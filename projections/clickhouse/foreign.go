package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"
)

// refuseForeign refuses a ClickHouse that another Postgres uses, where this one has none of the rows yet: it would take the
// views over, whatever the numbers of the generations.
func refuseForeign(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection) error {
	name := projection.Definition().Name
	var begun bool
	var known []string
	err := pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM tributary.progress JOIN tributary.generations USING (generation) WHERE projection = $1),
		(SELECT array_agg(generation::text) FROM tributary.generations WHERE projection = $1)`, name).Scan(&begun, &known)
	if err != nil {
		return fmt.Errorf("read the generations of %s: %w", name, err)
	}
	if begun {
		return nil
	}
	there, err := tablesOf(ctx, conn, name)
	if err != nil {
		return err
	}
	rows := name + "." + projection.Rows().Name + "_g"
	for table := range there {
		if number, is := strings.CutPrefix(table, rows); is && !slices.Contains(known, number) {
			return foreign(table, name, "says nothing that we know")
		}
	}
	return nil
}

// foreign says that a table is another installation's, or that of a Postgres that was lost.
func foreign(table, database, found string) error {
	return fmt.Errorf("%s in ClickHouse belongs to another Postgres: it %s; give each installation a ClickHouse of its own, or, if that "+
		"Postgres is gone, DROP DATABASE %s in ClickHouse and run `tributary migrate`", table, found, database)
}
