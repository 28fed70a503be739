package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// Count is how many rows another server must have below an offset.
type Count struct{ Next, Accepted int64 }

// Counted is what another server must have of a generation, by partition.
func Counted(ctx context.Context, pool *pgxpool.Pool, generation int32) (map[eventlog.TopicPartition]Count, error) {
	rows, err := pool.Query(ctx, `SELECT topic, "partition", next_offset, accepted FROM tributary.progress WHERE generation = $1`,
		generation)
	if err != nil {
		return nil, fmt.Errorf("read how many rows were accepted: %w", explain(err))
	}
	counted := map[eventlog.TopicPartition]Count{}
	var p eventlog.TopicPartition
	var c Count
	_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &c.Next, &c.Accepted}, func() error {
		counted[p] = c
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read how many rows were accepted: %w", explain(err))
	}
	return counted, nil
}

// Unclaimed is a position, of those of events that another server has, for which Postgres holds no claim; nil if it holds all.
func Unclaimed(
	ctx context.Context, pool *pgxpool.Pool, projection projections.Definition, generation int32, has map[uuid.UUID]eventlog.Position,
) (*eventlog.Position, error) {
	ids, topics := make([]uuid.UUID, 0, len(has)), make([]string, 0, len(has))
	partitions, offsets := make([]int32, 0, len(has)), make([]int64, 0, len(has))
	for id, at := range has {
		ids, topics = append(ids, id), append(topics, at.Topic)
		partitions, offsets = append(partitions, at.Partition), append(offsets, at.Offset)
	}
	var at eventlog.Position
	err := pool.QueryRow(ctx, `SELECT t, p, o FROM unnest($1::uuid[], $2::text[], $3::int4[], $4::int8[]) u(id, t, p, o)
		WHERE NOT EXISTS (SELECT FROM `+projection.Name+`.identity i JOIN tributary.labels l ON l.id = i.topic
			WHERE generation = $5 AND event_id = u.id AND l.label = t AND i."partition" = p AND kafka_offset = o)
		ORDER BY t, p LIMIT 1`, ids, topics, partitions, offsets, generation).Scan(&at.Topic, &at.Partition, &at.Offset)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // None is the answer that is hoped for.
	case err != nil:
		return nil, fmt.Errorf("look for the claims of rows: %w", explain(err))
	default:
		return &at, nil
	}
}
