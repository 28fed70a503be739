package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations/*.sql
var control embed.FS

// migrationLock is the advisory lock that makes two migrations at once take turns.
const migrationLock = 0x7472696275746172 // "tributar"

// Migrate creates or upgrades the control tables, each projection's tables and views, and then the views over several of
// them; a projection without a live generation gets its first. It returns what it did, a line each: nothing when all
// was up to date. Safe to run again, and while another runs.
func Migrate(ctx context.Context, pool *pgxpool.Pool, all []Projection, views fs.FS) ([]string, error) {
	var done []string
	err := AloneInMigration(ctx, pool, func(conn *pgxpool.Conn) error {
		if _, err := conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS tributary`); err != nil {
			return fmt.Errorf("make the schema tributary: %w", err)
		}
		var err error
		done, err = migrateAll(ctx, pool, all, views)
		return err
	})
	return done, err
}

// AloneInMigration calls f while no other migration runs, of any process.
func AloneInMigration(ctx context.Context, pool *pgxpool.Pool, f func(conn *pgxpool.Conn) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SET transaction_timeout = 0`); err != nil {
		return fmt.Errorf("allow long migrations: %w", err)
	}
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(migrationLock)); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	defer conn.Conn().Close(context.WithoutCancel(ctx)) //nolint:errcheck // Closing frees the lock, come what may.
	return f(conn)
}

func migrateAll(ctx context.Context, pool *pgxpool.Pool, all []Projection, views fs.FS) ([]string, error) {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close() //nolint:errcheck // The pool stays open; there is nothing to lose.
	done, err := migrateRoom(ctx, db, "control", control)
	if err != nil {
		return nil, err
	}
	for _, projection := range all {
		name := projection.Definition().Name
		var own []*goose.Migration
		if ids, ok := projection.(identities); ok {
			own = append(own, ids.migration())
		}
		applied, err := migrateRoom(ctx, db, name, projection.Migrations(), own...)
		if err != nil {
			return nil, err
		}
		created, err := firstGeneration(ctx, pool, projection)
		if err != nil {
			return nil, err
		}
		done = append(append(done, applied...), created...)
	}
	if views != nil {
		applied, err := migrateRoom(ctx, db, "views", views)
		if err != nil {
			return nil, err
		}
		done = append(done, applied...)
	}
	return done, renameAll(ctx, pool)
}

// migrateRoom applies the migrations of one room, goose files in the folder migrations, if it has any; it keeps a version table of its own.
func migrateRoom(ctx context.Context, db *sql.DB, room string, files fs.FS, more ...*goose.Migration) ([]string, error) {
	if files != nil {
		var err error
		if files, err = fs.Sub(files, "migrations"); err != nil {
			return nil, fmt.Errorf("find the migrations of %s: %w", room, err)
		}
	}
	versions, err := database.NewStore(database.DialectPostgres, "tributary.migrations_"+room)
	if err != nil {
		return nil, fmt.Errorf("prepare the migrations of %s: %w", room, err)
	}
	provider, err := goose.NewProvider("", db, files, goose.WithStore(versions), goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(more...))
	if err != nil {
		return nil, fmt.Errorf("prepare the migrations of %s: %w", room, err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate %s: %w", room, err)
	}
	done := make([]string, len(results))
	for i, result := range results {
		done[i] = fmt.Sprintf("%s: %s", room, cmp.Or(result.Source.Path, "identity"))
	}
	return done, nil
}

// firstGeneration gives a projection that has none its first generation, live at once.
func firstGeneration(ctx context.Context, pool *pgxpool.Pool, projection Projection) ([]string, error) {
	name := projection.Definition().Name
	var done []string
	err := inTx(ctx, pool, func(tx pgx.Tx) error {
		var live int32
		err := tx.QueryRow(ctx, `SELECT generation FROM tributary.live WHERE projection = $1`, name).Scan(&live)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err //nolint:wrapcheck // Wrapped below; nil when there is one.
		}
		number, err := createGeneration(ctx, tx, projection)
		if err != nil {
			return err
		}
		done = append(done, fmt.Sprintf("%s: generation %d", name, number))
		if _, err := tx.Exec(ctx, `UPDATE tributary.generations SET state = 'ready' WHERE generation = $1`, number); err != nil {
			return err //nolint:wrapcheck // Wrapped below.
		}
		_, err = tx.Exec(ctx, `INSERT INTO tributary.live (projection, generation) VALUES ($1, $2)`, name, number)
		return err //nolint:wrapcheck // Wrapped below.
	})
	if err != nil {
		return nil, fmt.Errorf("make the first generation of %s: %w", name, err)
	}
	return done, nil
}
