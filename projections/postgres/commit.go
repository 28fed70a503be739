package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// change is a batch on its way into Postgres.
type change struct {
	admission

	store  *Store
	batch  projections.Batch
	writes Writes
}

// errFence says that the fence hit fewer rows than there are ranges.
var errFence = errors.New("the fence refused")

// Commit does the batch in one transaction. It works on a copy of itself, so that a failed try leaves no trace.
func (c *change) Commit(ctx context.Context) (projections.Committed, error) {
	try := *c
	err := transact(ctx, c.store.pool, try.steps)
	switch {
	case err == nil:
		return try.committed, nil
	case errors.Is(err, errFence):
		return projections.Committed{}, findOut(ctx, c.store.pool, c.batch)
	case refuses(err):
		return projections.Committed{}, &projections.RefusedError{Batch: c.batch, Err: err}
	default:
		if refused, ok := errors.AsType[*projections.RefusedError](err); ok {
			return projections.Committed{}, &projections.RefusedError{Batch: c.batch, Err: refused.Err}
		}
		return projections.Committed{}, explain(err)
	}
}

// transact runs the steps of a transaction. After an error nothing is rolled back in an orderly way: the connection is
// closed, as it would be by a crash, because its state is unknown.
func transact(ctx context.Context, pool *pgxpool.Pool, steps func(context.Context, *pgxpool.Conn) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("get a connection: %w", err)
	}
	defer conn.Release()
	if err := steps(ctx, conn); err != nil {
		_ = conn.Conn().PgConn().Close(context.WithoutCancel(ctx))
		return err
	}
	return nil
}

// renew prepares the change anew where the server was started since: its numbers may be other names' now.
func (c *change) renew(ctx context.Context, conn *pgx.Conn) error {
	if life := lifeOf(conn); life != c.life {
		c.store.live(life)
		prepared, err := c.store.prepare(ctx, c.batch)
		if err != nil {
			return err
		}
		*c = *prepared
	}
	return nil
}

func (c *change) steps(ctx context.Context, conn *pgxpool.Conn) error {
	if err := c.renew(ctx, conn.Conn()); err != nil {
		return fmt.Errorf("fold %s anew: %w", c.batch, err)
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	steps := []struct {
		name string
		do   func(context.Context, pgx.Tx) error
	}{
		{"fence", c.fence},
		{"identity", c.identities},
		{"rows", c.write},
		{"commit", func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) }},
		{"answer", func(context.Context, pgx.Tx) error { return nil }},
	}
	for _, step := range steps {
		if err := c.store.options.Step(ctx, step.name); err != nil {
			return fmt.Errorf("stopped before the step %s: %w", step.name, err)
		}
		if err := step.do(ctx, tx); err != nil {
			return fmt.Errorf("%s of %s at %s: %w", step.name, c.store.Definition().Name, c.batch, err)
		}
	}
	return nil
}

// moveSQL locks in the order in which a swap does: neither waits for the other in a circle.
const moveSQL = `
	UPDATE tributary.progress SET next_offset = mine.upto, leader_epoch = mine.leader, recorded_at = mine.recorded,
		accepted = progress.accepted + mine.rows
	FROM (SELECT w.topic, w."partition", u.upto, u.leader, u.recorded, u.rows
	      FROM tributary.progress w
	      JOIN unnest($2::text[], $3::int4[], $4::int8[], $5::int8[], $6::int8[], $7::int4[], $8::timestamptz[], $9::int8[])
	           u(t, p, start, upto, owner, leader, recorded, rows)
	           ON w.topic = u.t AND w."partition" = u.p AND w.next_offset = u.start AND w.epoch = u.owner
	      WHERE w.generation = $1 ORDER BY w.topic, w."partition" FOR NO KEY UPDATE OF w) mine
	WHERE progress.generation = $1 AND progress.topic = mine.topic AND progress."partition" = mine."partition"`

// fence moves the offsets on, from where this batch starts and under this owner's epoch, or refuses.
func (c *change) fence(ctx context.Context, tx pgx.Tx) error {
	return moveOffsets(ctx, tx, c.generation, c.batch.Ranges, nil)
}

// moveOffsets moves the offsets over ranges, or refuses with errFence; elsewhere is how many rows another server has of
// each range.
func moveOffsets(
	ctx context.Context, tx pgx.Tx, generation Generation, ranges []projections.Range, elsewhere map[eventlog.TopicPartition]int64,
) error {
	n := len(ranges)
	topics, partitions, recorded := make([]string, n), make([]int32, n), make([]time.Time, n)
	from, to, epochs, leaders := make([]int64, n), make([]int64, n), make([]int64, n), make([]int32, n)
	rows := make([]int64, n)
	for i, r := range ranges {
		topics[i], partitions[i], recorded[i], rows[i] = r.Topic, r.Partition, r.RecordedAt, elsewhere[r.TopicPartition]
		from[i], to[i], epochs[i], leaders[i] = r.From, r.To, r.Epoch, r.LeaderEpoch
	}
	tag, err := tx.Exec(ctx, moveSQL, generation.Number, topics, partitions, from, to, epochs, leaders, recorded, rows)
	if err != nil {
		return fmt.Errorf("move the offsets: %w", err)
	}
	if tag.RowsAffected() != int64(n) {
		return errFence
	}
	return nil
}

// identities claims the ids; where some are taken the batch is folded anew without those events.
func (c *change) identities(ctx context.Context, tx pgx.Tx) error {
	all, err := c.claim(ctx, tx)
	if err != nil || all {
		return err
	}
	c.writes, err = c.store.fold(ctx, c.generation, c.records)
	return err
}

func (c *change) write(ctx context.Context, tx pgx.Tx) error {
	if err := c.writes.Write(ctx, tx); err != nil {
		return err
	}
	if keeper, ok := c.store.projection.(CopyKeeper); ok && len(c.again) > 0 {
		if err := keeper.KeepCopies(ctx, tx, c.generation, c.again); err != nil {
			return err
		}
	}
	if keeper, ok := c.store.projection.(ConflictKeeper); ok && len(c.conflicts) > 0 {
		return keeper.KeepConflicts(ctx, tx, c.generation, c.conflicts)
	}
	return nil
}

// findOut reads the progress after a refusal: nil if the batch is in, by an earlier try of this owner whose answer was
// lost; else which partitions are another's.
func findOut(ctx context.Context, pool *pgxpool.Pool, batch projections.Batch) error {
	var fenced projections.FencedError
	done := true
	for _, r := range batch.Ranges {
		var epoch, next int64
		err := pool.QueryRow(ctx, `SELECT epoch, next_offset FROM tributary.progress
			WHERE generation = $1 AND topic = $2 AND "partition" = $3`, r.Generation, r.Topic, r.Partition).Scan(&epoch, &next)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read the progress after a refusal: %w", explain(err))
		}
		if epoch != r.Epoch || next != r.To && next != r.From {
			fenced.Partitions = append(fenced.Partitions, r.TopicPartition)
		}
		done = done && epoch == r.Epoch && next == r.To
	}
	switch {
	case done:
		return nil
	case len(fenced.Partitions) > 0:
		return &fenced
	default:
		return fmt.Errorf("the fence refused %s, and nobody else has it: trying again", batch)
	}
}
