package subjects

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Readers are the places: no view shows them.
func (*Projection) Readers() []postgres.ReaderView {
	return []postgres.ReaderView{{
		Name: "subjects.places",
		From: fmt.Sprintf(`SELECT name_hash, (ARRAY['%s'])[topic] AS topic, "partition", kafka_offset FROM subjects.places
			WHERE generation = (SELECT tributary.shown('%s'))`, strings.Join(eventlog.Topics(), "', '"), Name),
		Key: append([]string{"name_hash"}, postgres.PositionColumns()...),
	}}
}

// Hash is a name as the table has it.
func Hash(name string) int64 { return hashOf(name) }

// About are the names, hashed, of what the records at these positions are about.
func About(ctx context.Context, db postgres.Querier, at iter.Seq[eventlog.Position]) (map[int64]bool, error) {
	var topics []int16
	var partitions []int32
	var offsets []int64
	for p := range at {
		topics, partitions, offsets = append(topics, numberOf(p.Topic)), append(partitions, p.Partition), append(offsets, p.Offset)
	}
	rows, err := db.Query(ctx, `SELECT p.name_hash FROM subjects.places p
		JOIN unnest($1::int2[], $2::int4[], $3::int8[]) u(t, p, o) ON p.topic = u.t AND p."partition" = u.p AND p.kafka_offset = u.o
		WHERE p.generation = (SELECT tributary.shown($4))`, topics, partitions, offsets, Name)
	if err != nil {
		return nil, fmt.Errorf("find what records are about: %w", err)
	}
	about := map[int64]bool{}
	var hash int64
	_, err = pgx.ForEachRow(rows, []any{&hash}, func() error {
		about[hash] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find what records are about: %w", err)
	}
	return about, nil
}
