package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections"
)

// ErrLive says that a generation cannot be dropped because readers see it.
var ErrLive = errors.New("the generation is live: swap another one in first")

// DropGeneration removes a generation that is not live, with its names and all that is known of it. It waits, for as long as the
// context allows, until no transaction may still read it: a snapshot from before the swap sees the old tables, and would silently see
// too few rows without them. Killed anywhere, or with the context at its end, it is finished by another call; in between nobody reads
// the generation. One that is gone is no error.
func DropGeneration(ctx context.Context, pool *pgxpool.Pool, projection Projection, generation int32) error {
	return Drop(ctx, pool, projection, generation, nil, nil)
}

// Drop is DropGeneration for a projection that has rows in another server as well: elsewhere removes those, when nobody may read them
// any more. step may be nil; it is called before each step, as that of a commit is.
func Drop(
	ctx context.Context, pool *pgxpool.Pool, projection Projection, generation int32,
	elsewhere func(context.Context) error, step projections.Step,
) error {
	d := dropping{Generation{projection.Definition().Name, generation}, pool, projection}
	if step == nil {
		step = func(context.Context, string) error { return nil }
	}
	if elsewhere == nil {
		elsewhere = func(context.Context) error { return nil }
	}
	there := false
	for _, s := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"mark", func(ctx context.Context) (err error) { there, err = d.mark(ctx); return err }},
		{"names", d.names},
		{"wait", d.wait},
		{"elsewhere", elsewhere},
		{"detach", d.detach},
		{"tables", d.tables},
		{"forget", d.forget},
	} {
		err := step(ctx, s.name)
		if err == nil {
			err = s.do(ctx)
		}
		if err != nil {
			return fmt.Errorf("drop generation %d of %s (%s): %w", generation, d.Schema, s.name, err)
		}
		if !there {
			return nil
		}
	}
	return nil
}

type dropping struct {
	Generation

	pool       *pgxpool.Pool
	projection Projection
}

// mark has nobody ask for the generation from now on, and fences its owners.
func (d *dropping) mark(ctx context.Context) (there bool, err error) {
	err = patiently(ctx, d.pool, func(tx pgx.Tx) error {
		live, err := lockLive(ctx, tx, d.Schema)
		if err != nil {
			return err
		}
		var elsewhere *int32
		if err := tx.QueryRow(ctx, `SELECT elsewhere FROM tributary.live WHERE projection = $1`, d.Schema).Scan(&elsewhere); err != nil {
			return fmt.Errorf("look what other servers show: %w", err)
		}
		if live == d.Number {
			return ErrLive
		}
		if elsewhere != nil {
			return ErrNotShown
		}
		tag, err := tx.Exec(ctx, `UPDATE tributary.generations SET state = 'dropping', updated_at = now()
			WHERE generation = $1 AND projection = $2`, d.Number, d.Schema)
		if err != nil {
			return fmt.Errorf("mark it: %w", err)
		}
		there = tag.RowsAffected() > 0
		if _, err := tx.Exec(ctx, `UPDATE tributary.progress SET epoch = epoch + 1 WHERE generation = $1`, d.Number); there && err != nil {
			return fmt.Errorf("fence its owners: %w", err)
		}
		return nil
	})
	return there, err
}

// names drops the views of the generation, one after the other: what others have built upon them is theirs to drop.
func (d *dropping) names(ctx context.Context) error {
	return patiently(ctx, d.pool, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, `SELECT 'DROP VIEW ' || c.oid::regclass FROM pg_class c
			WHERE c.relkind = 'v' AND c.relnamespace = to_regnamespace($1) AND pg_get_userbyid(c.relowner) = current_user`, NamesOf(d.Number))
		statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("list its names: %w", err)
		}
		for _, statement := range append(statements, "DROP SCHEMA IF EXISTS "+NamesOf(d.Number)) {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s (what uses it must be dropped first): %w", statement, err)
			}
		}
		return nil
	})
}

// oldReaders are what may still read by a snapshot from before a transaction: sessions of this database, standbys that report
// theirs, replication slots, and prepared transactions. Vacuum reads no rows.
const oldReaders = `
	SELECT 'session ' || pid || coalesce(' (' || nullif(application_name, '') || ')', '') FROM pg_stat_activity
	WHERE (datname = current_database() OR backend_type = 'walsender') AND backend_type <> 'autovacuum worker'
		AND pid <> pg_backend_pid() AND age(backend_xmin) > age($1::text::xid)
	UNION ALL
	SELECT 'replication slot ' || slot_name FROM pg_replication_slots WHERE age(xmin) > age($1::text::xid)
	UNION ALL
	SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
	WHERE database = current_database() AND age(transaction) > age($1::text::xid)`

// wait waits until all who may read by a snapshot from before now have ended: those see the generation as live, or as one that may
// be asked for.
func (d *dropping) wait(ctx context.Context) error {
	var now string
	if err := d.pool.QueryRow(ctx, `SELECT pg_current_xact_id()::xid::text`).Scan(&now); err != nil {
		return fmt.Errorf("take the time: %w", err)
	}
	const often = 100 * time.Millisecond
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for {
		rows, _ := d.pool.Query(ctx, oldReaders, now)
		readers, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err == nil && len(readers) == 0 {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("look who may still read it: %w", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%q may still read it, in transactions from before it was given up: %w", readers, context.Cause(ctx))
		}
	}
}

// leaves are the leaves of a generation that are attached, with their parents, and whether a detach was begun.
const leaves = `
	SELECT i.inhparent::regclass::text, i.inhrelid::regclass::text, i.inhdetachpending
	FROM pg_inherits i WHERE i.inhparent = ANY(SELECT to_regclass(u) FROM unnest($1::text[]) u)
		AND (i.inhdetachpending OR i.inhrelid = ANY(SELECT to_regclass(u) FROM unnest($2::text[]) u))
	ORDER BY i.inhdetachpending DESC, 1, 2`

type leaf struct {
	Parent, Leaf string
	Pending      bool
}

// detach takes the leaves off their parents, without a lock that a reader would wait for. A detach that was interrupted is finished
// first, be it of another generation: a parent can have one at a time.
func (d *dropping) detach(ctx context.Context) error {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer conn.Release()
	defer conn.Conn().Close(context.WithoutCancel(ctx)) //nolint:errcheck // It is not as others in the pool.
	if _, err := conn.Exec(ctx, "SET transaction_timeout = 0"); err != nil {
		return fmt.Errorf("allow it to take long: %w", err)
	}
	parents, own := d.relations()
	all, err := List[leaf](ctx, conn, "the leaves", leaves, parents, own)
	if err != nil {
		return err
	}
	for _, l := range all {
		how := " CONCURRENTLY"
		if l.Pending {
			how = " FINALIZE"
		}
		if _, err := conn.Exec(ctx, "ALTER TABLE "+l.Parent+" DETACH PARTITION "+l.Leaf+how); err != nil {
			return fmt.Errorf("take %s off %s: %w", l.Leaf, l.Parent, err)
		}
	}
	return nil
}

// relations are the projection's tables, and the generation's.
func (d *dropping) relations() (parents, own []string) {
	for _, table := range d.projection.Tables() {
		parents, own = append(parents, d.Schema+"."+table.Name), append(own, d.Table(table.Name))
	}
	return parents, own
}

// tables drops what was detached.
func (d *dropping) tables(ctx context.Context) error {
	_, own := d.relations()
	for _, table := range own {
		err := patiently(ctx, d.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+table)
			return err //nolint:wrapcheck // Wrapped below.
		})
		if err != nil {
			return fmt.Errorf("drop %s: %w", table, err)
		}
	}
	return nil
}

// forget removes what is known of the generation.
func (d *dropping) forget(ctx context.Context) error {
	return patiently(ctx, d.pool, func(tx pgx.Tx) error {
		for _, table := range []string{"awaited", "targets", "progress", "generations"} {
			_, err := tx.Exec(ctx, "DELETE FROM tributary."+table+" WHERE generation = "+strconv.Itoa(int(d.Number)))
			if err != nil {
				return fmt.Errorf("forget its %s: %w", table, err)
			}
		}
		return nil
	})
}
