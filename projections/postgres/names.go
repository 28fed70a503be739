package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// NamesOf is the schema whose views show one generation, such as "books_g12".
func NamesOf(generation int32) string { return "books_g" + strconv.Itoa(int(generation)) }

// NameGeneration makes, or makes anew, the views under which people query one generation of a projection, live or not: those of the
// schema books that show the projection, in a schema of their own, for the same readers. Of other projections they show what those
// of books do. What is there and right is left alone.
func NameGeneration(ctx context.Context, pool *pgxpool.Pool, projection string, generation int32) error {
	err := patiently(ctx, pool, func(tx pgx.Tx) error {
		var state string // Locked, so that whoever drops the generation drops its names after this.
		err := tx.QueryRow(ctx, `SELECT state FROM tributary.generations WHERE generation = $1 AND projection = $2 FOR SHARE`,
			generation, projection).Scan(&state)
		if errors.Is(err, pgx.ErrNoRows) || state == stateDropping {
			return errNoGeneration
		}
		if err != nil {
			return fmt.Errorf("look for it: %w", err)
		}
		return nameViews(ctx, tx, projection, generation)
	})
	if err != nil {
		return fmt.Errorf("name generation %d of %s: %w", generation, projection, err)
	}
	return nil
}

// patiently runs f in a transaction that waits for no lock so long that readers would wait behind it, or be ended by a deadlock:
// it gives up early, and begins again, until the context ends.
func patiently(ctx context.Context, pool *pgxpool.Pool, f func(pgx.Tx) error) error {
	const longest = time.Second
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, longest
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := inTx(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = "+lockPatience); err != nil {
				return fmt.Errorf("bound the waiting: %w", err)
			}
			return f(tx)
		})
		if state := sqlState(err); err != nil && state != stateLockNotAvailable && state != stateDeadlock {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err //nolint:wrapcheck // As below.
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0))
	return err //nolint:wrapcheck // The caller says what it was.
}

// lockPatience is less than the time after which Postgres looks for deadlocks, and then ends one of those who wait.
const lockPatience = "'300ms'"

// asShown is how Postgres gives back, within a view of books, the generation that it shows.
func asShown(projection string) string {
	return fmt.Sprintf("( SELECT tributary.shown('%s'::text) AS shown)", projection)
}

// progressOf is the view progress of one generation.
const progressOf = `SELECT g.projection, p.generation, p.topic, p."partition", p.visible_offset AS next_offset, p.recorded_at
	FROM tributary.visible p JOIN tributary.generations g USING (generation) WHERE p.generation = `

// publicViews are the views of books that show a projection: the definition, that of the same name in another schema, and what else
// is to be said of it there. Nobody reads progress by a fixed generation, so that is left to the caller.
const publicViews = `
	SELECT v.relname, rtrim(pg_get_viewdef(v.oid), '; '),
	       coalesce((SELECT rtrim(pg_get_viewdef(o.oid), '; ') FROM pg_class o
	                 WHERE o.relnamespace = to_regnamespace($2) AND o.relname = v.relname), ''),
	       ARRAY(SELECT CASE WHEN d.objsubid = 0 THEN format('COMMENT ON VIEW %I.%I IS %L', $2::text, v.relname, d.description)
	                         ELSE format('COMMENT ON COLUMN %I.%I.%I IS %L', $2, v.relname, a.attname, d.description) END
	             FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
	             WHERE d.objoid = v.oid AND d.classoid = 'pg_class'::regclass
	             UNION ALL
	             SELECT format('GRANT SELECT ON %I.%I TO %s', $2, v.relname, coalesce(quote_ident(r.rolname), 'PUBLIC'))
	             FROM aclexplode(v.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
	             WHERE x.privilege_type = 'SELECT' AND x.grantee <> v.relowner)
	FROM pg_class v
	WHERE v.relnamespace = 'books'::regnamespace AND v.relkind = 'v' AND (v.relname = 'progress' OR strpos(pg_get_viewdef(v.oid), $1) > 0)
	ORDER BY v.relname`

// usageGrants let who may use books use another schema.
const usageGrants = `
	SELECT format('GRANT USAGE ON SCHEMA %I TO %s', $1::text, coalesce(quote_ident(r.rolname), 'PUBLIC'))
	FROM pg_namespace n, aclexplode(n.nspacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
	WHERE n.nspname = 'books' AND x.privilege_type = 'USAGE' AND x.grantee <> n.nspowner`

type publicView struct {
	Name, Definition, Other string
	Remarks                 []string
}

func nameViews(ctx context.Context, tx pgx.Tx, projection string, generation int32) error {
	schema, number := NamesOf(generation), strconv.Itoa(int(generation))
	// Definitions come back with all names in full.
	if _, err := tx.Exec(ctx, "SET LOCAL search_path = pg_catalog"); err != nil {
		return fmt.Errorf("set the search path: %w", err)
	}
	if _, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema); err != nil {
		return fmt.Errorf("make the schema %s: %w", schema, err)
	}
	views, err := List[publicView](ctx, tx, "the views of books", publicViews, asShown(projection), schema)
	if err != nil {
		return err
	}
	rows, _ := tx.Query(ctx, usageGrants, schema)
	remarks, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look who may read books: %w", err)
	}
	for _, view := range views {
		definition := strings.ReplaceAll(view.Definition, asShown(projection), number)
		switch {
		case view.Name == "progress" && view.Other == "":
			definition = progressOf + number
		case view.Name == "progress", definition == view.Other:
			definition = "" // It is there.
		}
		if definition != "" {
			if err := makeView(ctx, tx, schema+"."+pgx.Identifier{view.Name}.Sanitize(), definition); err != nil {
				return err
			}
			remarks = append(remarks, view.Remarks...)
		}
	}
	for _, remark := range remarks {
		if _, err := tx.Exec(ctx, remark); err != nil {
			return fmt.Errorf("%s: %w", remark, err)
		}
	}
	return nil
}

// makeView makes a view or replaces it, by another one where its columns have changed otherwise than at the end.
func makeView(ctx context.Context, tx pgx.Tx, name, definition string) error {
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE OR REPLACE VIEW "+name+" AS "+definition)
		return err //nolint:wrapcheck // Wrapped below.
	})
	if sqlState(err) == stateCannotReplaceView {
		if _, err = tx.Exec(ctx, "DROP VIEW "+name); err == nil {
			_, err = tx.Exec(ctx, "CREATE VIEW "+name+" AS "+definition)
		}
	}
	if err != nil {
		return fmt.Errorf("make the view %s: %w", name, err)
	}
	return nil
}

// renameAll makes the names of all generations anew that have names, after the views of books may have changed.
func renameAll(ctx context.Context, pool *pgxpool.Pool) error {
	rows, _ := pool.Query(ctx, `SELECT g.projection, g.generation FROM tributary.generations g
		WHERE g.state <> 'dropping' AND to_regnamespace('books_g' || g.generation) IS NOT NULL ORDER BY g.generation`)
	type named struct {
		Projection string
		Generation int32
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[named])
	if err != nil {
		return fmt.Errorf("look which generations have names: %w", explain(err))
	}
	for _, n := range all {
		if err := NameGeneration(ctx, pool, n.Projection, n.Generation); err != nil {
			return err
		}
	}
	return nil
}
