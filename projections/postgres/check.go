package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// heldSQL finds what is another owner's, or less far than it was committed: the server was restored from a backup.
const heldSQL = `
	SELECT t, p FROM unnest($1::int4[], $2::text[], $3::int4[], $4::int8[], $5::int8[]) u(g, t, p, owner, upto)
	LEFT JOIN tributary.progress w ON w.generation = g AND w.topic = t AND w."partition" = p
	WHERE w.epoch IS DISTINCT FROM owner OR w.next_offset < upto`

// Check asks whether Postgres answers, has the projection's tables, and still has what was committed.
func (s *Store) Check(ctx context.Context, held []projections.Held) error {
	var live int32
	err := s.pool.QueryRow(ctx, `SELECT coalesce(max(generation), 0) FROM tributary.live WHERE projection = $1`,
		s.Definition().Name).Scan(&live)
	if err != nil {
		return fmt.Errorf("Postgres: %w", explain(err)) //nolint:staticcheck // A name.
	}
	if live == 0 {
		return fmt.Errorf("%s has no live generation: run `tributary migrate`", s.Definition().Name)
	}
	n := len(held)
	topics, partitions, generations := make([]string, n), make([]int32, n), make([]int32, n)
	epochs, next := make([]int64, n), make([]int64, n)
	for i, h := range held {
		topics[i], partitions[i], generations[i], epochs[i], next[i] = h.Topic, h.Partition, h.Generation, h.Epoch, h.Next
	}
	rows, err := s.pool.Query(ctx, heldSQL, generations, topics, partitions, epochs, next)
	if err != nil {
		return fmt.Errorf("look for other owners: %w", explain(err))
	}
	var fenced projections.FencedError
	var p eventlog.TopicPartition
	_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition}, func() error {
		fenced.Partitions = append(fenced.Partitions, p)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for other owners: %w", explain(err))
	}
	if len(fenced.Partitions) > 0 {
		return &fenced
	}
	return nil
}

// Check is Store.Check.
func (r *Registry) Check(ctx context.Context, held []projections.Held) error {
	return r.store.Check(ctx, held)
}
