package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Migrate creates or upgrades what projections need in Postgres and in ClickHouse: ids, databases, the tables of the live
// generation, views. It returns what it did, a line each: nothing when all was up to date. Safe to run again, and while
// another runs; killed anywhere it is completed by the next.
func Migrate(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, all []Projection) ([]string, error) {
	registries := make([]postgres.Projection, len(all))
	for i, projection := range all {
		registries[i] = postgres.RegistryProjection(projection.Definition())
	}
	done, err := postgres.Migrate(ctx, pool, registries, nil)
	if err != nil {
		return nil, err
	}
	err = postgres.AloneInMigration(ctx, pool, func(*pgxpool.Conn) error {
		for _, projection := range all {
			made, err := migrate(ctx, pool, conn, projection)
			if err != nil {
				return fmt.Errorf("migrate %s in ClickHouse: %w", projection.Definition().Name, err)
			}
			done = append(done, made...)
		}
		return nil
	})
	return done, err
}

func migrate(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection) ([]string, error) {
	name := projection.Definition().Name
	var tables []string
	if err := refuseForeign(ctx, pool, conn, projection); err != nil {
		return nil, err
	}
	err := postgres.WithLive(ctx, pool, name, func(live int32) error {
		var err error
		tables, err = makeTables(ctx, pool, conn, projection, Generation{Database: name, Number: live})
		return err
	})
	if err != nil {
		return nil, err
	}
	live, err := reconcile(ctx, pool, conn, projection)
	if err != nil {
		return nil, err
	}
	others, err := makeViews(ctx, pool, conn, name, projection.Views())
	if err != nil {
		return nil, err
	}
	return slices.Concat(tables, live, others), renameAll(ctx, pool, conn, projection)
}

// CreateGeneration makes a new, empty build of a projection's tables. Nobody reads it until a Swap.
func CreateGeneration(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection) (int32, error) {
	definition := projection.Definition()
	number, err := postgres.CreateGeneration(ctx, pool, postgres.RegistryProjection(definition))
	if err != nil {
		return 0, err
	}
	// Killed here the tables are made by whoever takes over a partition of the generation.
	_, err = makeTables(ctx, pool, conn, projection, Generation{Database: definition.Name, Number: number})
	return number, err
}

// makeTables makes the tables of a generation that are not there, and the fence. Rows that another Postgres counts are never
// taken for ours, though the offsets may be the same.
func makeTables(
	ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection, g Generation,
) ([]string, error) {
	made, err := postgres.GenerationMade(ctx, pool, g.Number)
	if err != nil {
		return nil, err
	}
	there, err := tablesOf(ctx, conn, g.Database)
	if err != nil {
		return nil, err
	}
	rows, counted := g.Table(projection.Rows().Name), countedBy(g, made)
	if comment, ok := there[rows]; ok && comment != counted {
		return nil, foreign(rows, g.Database, fmt.Sprintf("says %q, and ours %q", comment, counted))
	}
	return makeMissing(ctx, conn, projection, g, counted, there)
}

// countedBy is the comment of a table of rows: it tells one Postgres from another by when each made the generation.
func countedBy(g Generation, made time.Time) string {
	return fmt.Sprintf("Rows are counted by the Postgres whose generation %d was made at %s.", g.Number, made.UTC().Format(time.RFC3339Nano))
}

func makeMissing(
	ctx context.Context, conn driver.Conn, projection Projection, g Generation, counted string, there map[string]string,
) ([]string, error) {
	type table struct{ name, ddl string }
	tables := make([]table, 0, 2+len(projection.Asides()))
	tables = append(tables, table{g.fence(), fenceDDL(g.Database)},
		table{g.Table(projection.Rows().Name), rowsDDL(g, projection.Rows(), counted)})
	for _, aside := range projection.Asides() {
		tables = append(tables, table{g.Table(aside.Name), asideDDL(g, aside)})
	}
	var done []string
	for _, table := range tables {
		if _, ok := there[table.name]; ok {
			continue
		}
		if len(done) == 0 {
			if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+g.Database); err != nil {
				return nil, explain("make the database "+g.Database, err)
			}
		}
		if err := conn.Exec(ctx, table.ddl); err != nil {
			return nil, explain("make "+table.name, err)
		}
		done = append(done, "clickhouse: table "+table.name)
	}
	return done, nil
}

// tablesOf are the comments of the tables of a database, by their names with it.
func tablesOf(ctx context.Context, conn driver.Conn, database string) (map[string]string, error) {
	there := map[string]string{}
	rows, err := conn.Query(ctx, "SELECT name, comment FROM system.tables WHERE database = "+literal(database))
	return there, explain("list the tables of "+database, each(rows, err, func(rows driver.Rows) error {
		var name, comment string
		err := rows.Scan(&name, &comment)
		there[database+"."+name] = comment
		return err //nolint:wrapcheck // Explained above.
	}))
}

// made is what a view was made of, and how the server gave it back, both as hashes.
type made struct{ of, readsAs string }

// makeViews makes the views that are not there or not as they should be. How a server gives a view back is its own affair:
// that is noted when it is made, and compared later.
func makeViews(
	ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, database string, views []View,
) ([]string, error) {
	known, err := viewsMade(ctx, pool, database)
	if err != nil {
		return nil, err
	}
	there, err := viewsThere(ctx, conn, database)
	if err != nil {
		return nil, err
	}
	var done []string
	for _, view := range views {
		ddl := viewDDL(database, view)
		if is, ok := there[view.Name]; ok && known[view.Name] == (made{hash(ddl), is}) {
			continue
		}
		if err := conn.Exec(ctx, ddl); err != nil {
			return nil, explain("make the view "+view.Name, err)
		}
		if there, err = viewsThere(ctx, conn, database); err != nil {
			return nil, err
		}
		if err := noteView(ctx, pool, database, view.Name, made{hash(ddl), there[view.Name]}); err != nil {
			return nil, err
		}
		done = append(done, "clickhouse: view "+database+"."+view.Name)
	}
	return done, nil
}

func hash(text ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(text, "\x00")))
	return hex.EncodeToString(sum[:])
}

func viewsMade(ctx context.Context, pool *pgxpool.Pool, database string) (map[string]made, error) {
	rows, err := pool.Query(ctx, `SELECT name, made_of, reads_as FROM tributary.clickhouse_views WHERE projection = $1`, database)
	if err != nil {
		return nil, fmt.Errorf("read what the views were made of: %w", err)
	}
	known := map[string]made{}
	var name string
	var m made
	_, err = pgx.ForEachRow(rows, []any{&name, &m.of, &m.readsAs}, func() error {
		known[name] = m
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what the views were made of: %w", err)
	}
	return known, nil
}

func noteView(ctx context.Context, pool *pgxpool.Pool, database, name string, m made) error {
	_, err := pool.Exec(ctx, `INSERT INTO tributary.clickhouse_views VALUES ($1, $2, $3, $4)
		ON CONFLICT (projection, name) DO UPDATE SET made_of = excluded.made_of, reads_as = excluded.reads_as`,
		database, name, m.of, m.readsAs)
	if err != nil {
		return fmt.Errorf("note what the view %s was made of: %w", name, err)
	}
	return nil
}

// viewsThere are the views of a database, as the server gives them back.
func viewsThere(ctx context.Context, conn driver.Conn, database string) (map[string]string, error) {
	there := map[string]string{}
	rows, err := conn.Query(ctx, "SELECT name, as_select, comment FROM system.tables WHERE engine = 'View' AND database = "+
		literal(database))
	return there, explain("list the views of "+database, each(rows, err, func(rows driver.Rows) error {
		var name, query, comment string
		err := rows.Scan(&name, &query, &comment)
		there[name] = hash(query, comment)
		return err //nolint:wrapcheck // Explained above.
	}))
}

// fenceBytes is how much the fence may hold: a takeover adds about 4 kB, and takes nothing away.
const fenceBytes = 32 << 20

// compactFence empties the fence when it has become large. Every owner is refused once and secures its partitions anew.
func compactFence(ctx context.Context, conn driver.Conn, g Generation, most uint64) error {
	var bytes *uint64
	err := conn.QueryRow(ctx, "SELECT total_bytes FROM system.tables WHERE name = 'fence' AND database = "+literal(g.Database)).
		Scan(&bytes)
	if err != nil || bytes == nil || *bytes <= most {
		return explain("measure the fence", err)
	}
	return explain("empty the fence", conn.Exec(ctx, "TRUNCATE TABLE "+g.fence()))
}
