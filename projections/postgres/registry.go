package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// Registry is the half that Postgres has of a projection whose rows are in another server: who owns a partition, which
// copy of an event counts, and how far the rows are in. A commit there is Claims.Claim, then the rows, then Claimed.Move.
type Registry struct{ store *Store }

// NewRegistry makes the registry of a projection; counts tells which events make rows.
func NewRegistry(
	pool *pgxpool.Pool, definition projections.Definition, counts func(*eventlog.Record) bool, options Options,
) *Registry {
	return &Registry{NewStore(pool, identities{definition, counts}, options)}
}

// RegistryProjection is what Migrate and CreateGeneration need to know of such a projection.
func RegistryProjection(definition projections.Definition) Projection {
	return identities{definition, nil}
}

// identities is a projection that has no tables here but its ids.
type identities struct {
	definition projections.Definition
	counts     func(*eventlog.Record) bool
}

// Definition is the projection's.
func (i identities) Definition() projections.Definition { return i.definition }

// Migrations are none: the table of ids is made by migration.
func (identities) Migrations() fs.FS { return nil }

const identityDDL = `
	CREATE SCHEMA %[1]s;
	CREATE TABLE %[1]s.identity (
		event_id     uuid NOT NULL,
		kafka_offset bigint NOT NULL,
		"partition"  integer NOT NULL,
		generation   integer NOT NULL,
		topic        smallint NOT NULL,
		content_hash bytea NOT NULL
	) PARTITION BY LIST (generation);
	COMMENT ON TABLE %[1]s.identity IS 'Which copy of an event counts; its row is in another server, or will be.'`

// migration makes the table of ids, in a schema of the projection's name.
func (i identities) migration() *goose.Migration {
	return goose.NewGoMigration(1, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf(identityDDL, i.definition.Name))
		return err //nolint:wrapcheck // goose names the migration.
	}}, nil)
}

// Tables is the table of ids.
func (identities) Tables() []Table {
	return []Table{{Name: "identity", Keys: []string{"PRIMARY KEY (event_id)"}}}
}

// Wants the events that make rows.
func (i identities) Wants(record *eventlog.Record) bool {
	return record.Event != nil && i.counts(record)
}

// Prepare is never called: a registry's batches are not folded here.
func (identities) Prepare(context.Context, Generation, []eventlog.Record) (Writes, error) {
	return nil, errors.New("the rows of this projection are not in Postgres")
}

// Generation is Store.Generation.
func (r *Registry) Generation(ctx context.Context) (int32, error) { return r.store.Generation(ctx) }

// Acquire is Store.Acquire.
func (r *Registry) Acquire(
	ctx context.Context, claims []projections.Claim,
) (map[eventlog.TopicPartition]projections.Ownership, error) {
	return r.store.Acquire(ctx, claims)
}

// Claims are the ids of a batch, about to be claimed.
type Claims struct {
	admission

	store *Store
	batch projections.Batch
}

// Claims takes a batch apart: the first copy within it of each event that makes a row.
func (r *Registry) Claims(ctx context.Context, batch projections.Batch) (*Claims, error) {
	admission, err := r.store.admit(ctx, batch)
	if err != nil {
		return nil, err
	}
	return &Claims{admission, r.store, batch}, nil
}

// Records are the events that make rows if none of them is a duplicate, in offset order on each partition.
func (c *Claims) Records() []eventlog.Record { return c.records }

// Claimed is a batch whose ids are claimed: it is known which of its events make rows. All of it is the same at each
// try, by whichever owner.
type Claimed struct {
	admission

	// All tells whether these are all of Claims.Records.
	All bool
	// Accepted is how many rows there were of each partition below its range.
	Accepted map[eventlog.TopicPartition]int64

	store *Store
	batch projections.Batch
}

// Claim claims the ids if the partitions are still the caller's: a *projections.FencedError otherwise. It returns nil
// where the whole batch is in already, offsets and all: the answer to an earlier try was lost.
func (c *Claims) Claim(ctx context.Context) (*Claimed, error) {
	claimed := &Claimed{admission: c.admission, store: c.store, batch: c.batch}
	err := transact(ctx, c.store.pool, func(ctx context.Context, conn *pgxpool.Conn) error {
		if life := lifeOf(conn.Conn()); life != c.life { // the server was started since, and its numbers may be other names' now
			c.store.live(life)
			var err error
			if claimed.admission, err = c.store.admit(ctx, c.batch); err != nil {
				return err
			}
		}
		return inConn(ctx, conn, claimed.claimUnderFence)
	})
	if errors.Is(err, errFence) {
		return nil, findOut(ctx, c.store.pool, c.batch)
	}
	if err != nil {
		return nil, explain(fmt.Errorf("claim the ids of %s at %s: %w", c.store.Definition().Name, c.batch, err))
	}
	return claimed, nil
}

const lockSQL = `
	SELECT topic, "partition", accepted
	FROM tributary.progress JOIN unnest($2::text[], $3::int4[], $4::int8[], $5::int8[]) u(t, p, start, owner)
	     ON topic = t AND "partition" = p AND next_offset = start AND epoch = owner
	WHERE generation = $1 ORDER BY topic, "partition" FOR NO KEY UPDATE OF progress`

func (c *Claimed) claimUnderFence(ctx context.Context, tx pgx.Tx) error {
	n := len(c.batch.Ranges)
	topics, partitions, from, epochs := make([]string, n), make([]int32, n), make([]int64, n), make([]int64, n)
	for i, r := range c.batch.Ranges {
		topics[i], partitions[i], from[i], epochs[i] = r.Topic, r.Partition, r.From, r.Epoch
	}
	rows, err := tx.Query(ctx, lockSQL, c.generation.Number, topics, partitions, from, epochs)
	if err != nil {
		return fmt.Errorf("lock the progress: %w", err)
	}
	c.Accepted = make(map[eventlog.TopicPartition]int64, n)
	var p eventlog.TopicPartition
	var accepted int64
	_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &accepted}, func() error {
		c.Accepted[p] = accepted
		return nil
	})
	if err != nil {
		return fmt.Errorf("lock the progress: %w", err)
	}
	if len(c.Accepted) != n {
		return errFence
	}
	c.All, err = c.claim(ctx, tx)
	return err
}

// Records are the events that make rows, in offset order on each partition.
func (c *Claimed) Records() []eventlog.Record { return c.records }

// Again are the further copies of events, with the same content as the one that counts.
func (c *Claimed) Again() []eventlog.Record { return c.again }

// Committed tells what became of the others.
func (c *Claimed) Committed() projections.Committed { return c.committed }

// Move moves the offsets over the batch, whose rows must be in, durably. It does nothing twice.
func (c *Claimed) Move(ctx context.Context) error {
	rows := map[eventlog.TopicPartition]int64{}
	for i := range c.records {
		rows[c.records[i].TopicPartition()]++
	}
	err := transact(ctx, c.store.pool, func(ctx context.Context, conn *pgxpool.Conn) error {
		return inConn(ctx, conn, func(ctx context.Context, tx pgx.Tx) error {
			if err := moveOffsets(ctx, tx, c.generation, c.batch.Ranges, rows); err != nil {
				return err
			}
			return c.await(ctx, tx)
		})
	})
	if errors.Is(err, errFence) {
		return findOut(ctx, c.store.pool, c.batch)
	}
	if err != nil {
		return explain(fmt.Errorf("move the offsets of %s over %s: %w", c.store.Definition().Name, c.batch, err))
	}
	return nil
}

const (
	forgetSQL = `
		DELETE FROM tributary.awaited a USING unnest($2::text[], $3::int4[]) u(t, p), tributary.progress w
		WHERE a.generation = $1 AND a.topic = u.t AND a."partition" = u.p
			AND w.generation = $1 AND w.topic = a.on_topic AND w."partition" = a.on_partition AND w.next_offset > a.on_offset`
	awaitSQL = `
		INSERT INTO tributary.awaited (generation, topic, "partition", kafka_offset, on_topic, on_partition, on_offset)
		SELECT $1, u.* FROM unnest($2::text[], $3::int4[], $4::int8[], $5::text[], $6::int4[], $7::int8[])
			u(t, p, dup, on_t, on_p, kept)
		JOIN tributary.progress w ON w.generation = $1 AND w.topic = on_t AND w."partition" = on_p
		WHERE w.next_offset <= kept`
)

// await notes which duplicates' counted copies are on partitions that have not passed them: those rows may not be in. To
// wait for them here would be simpler, and could go on for ever: two owners may each have claimed what the other meets.
func (c *Claimed) await(ctx context.Context, tx pgx.Tx) error {
	n := len(c.batch.Ranges)
	topics, partitions := make([]string, n), make([]int32, n)
	for i, r := range c.batch.Ranges {
		topics[i], partitions[i] = r.Topic, r.Partition
	}
	if _, err := tx.Exec(ctx, forgetSQL, c.generation.Number, topics, partitions); err != nil {
		return fmt.Errorf("forget what is awaited no more: %w", err)
	}
	if len(c.waits) == 0 {
		return nil
	}
	var on, at struct {
		topics     []string
		partitions []int32
		offsets    []int64
	}
	for between, w := range c.waits {
		at.topics, at.partitions = append(at.topics, between.partition.Topic), append(at.partitions, between.partition.Partition)
		on.topics, on.partitions = append(on.topics, between.on.Topic), append(on.partitions, between.on.Partition)
		at.offsets, on.offsets = append(at.offsets, w.offset), append(on.offsets, w.on)
	}
	_, err := tx.Exec(ctx, awaitSQL, c.generation.Number, at.topics, at.partitions, at.offsets, on.topics, on.partitions, on.offsets)
	if err != nil {
		return fmt.Errorf("note what is awaited: %w", err)
	}
	return nil
}

// Fenced is a *projections.FencedError where the batch's partitions are not all the caller's any more, and nil where they
// are, or where that cannot be found out.
func (c *Claims) Fenced(ctx context.Context) error {
	err := findOut(ctx, c.store.pool, c.batch)
	if fenced, ok := errors.AsType[*projections.FencedError](err); ok {
		return fenced
	}
	return nil
}
