package clickhouse

import (
	"context"
	"fmt"
	"regexp"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections/postgres"
)

// NamesOf is the database whose views show one generation, such as "revenue_g12".
func NamesOf(g Generation) string { return fmt.Sprintf("%s_g%d", g.Database, g.Number) }

// NameGeneration makes, or makes anew, the views under which people query one generation, live or not: all of the projection's, in a
// database of their own; in Postgres the view of its progress. What is there and right is left alone.
func NameGeneration(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection, generation int32) error {
	name := projection.Definition().Name
	if err := postgres.NameGeneration(ctx, pool, name, generation); err != nil {
		return err
	}
	g := Generation{Database: name, Number: generation}
	names := NamesOf(g)
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+names); err != nil {
		return explain("make the database "+names, err)
	}
	_, err := makeViews(ctx, pool, conn, names, namedViews(projection, g))
	return err
}

// namedViews are the views of a projection over one generation, in the database of its names.
func namedViews(projection Projection, g Generation) []View {
	views := append(projection.LiveViews(g), projection.Views()...)
	live := len(views) - len(projection.Views())
	for _, view := range views {
		of := regexp.MustCompile(`\b` + regexp.QuoteMeta(g.Database+"."+view.Name) + `\b`)
		for i := live; i < len(views); i++ {
			views[i].Select = of.ReplaceAllString(views[i].Select, NamesOf(g)+"."+view.Name)
		}
	}
	return views
}

// renameAll makes the names of all generations anew that have names.
func renameAll(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection) error {
	name := projection.Definition().Name
	numbers, err := postgres.Generations(ctx, pool, name)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		var there uint64
		err := conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = "+
			literal(NamesOf(Generation{Database: name, Number: number}))).Scan(&there)
		if err == nil && there > 0 {
			err = NameGeneration(ctx, pool, conn, projection, number)
		}
		if err != nil {
			return explain(fmt.Sprintf("name generation %d", number), err)
		}
	}
	return nil
}
