package postgres

import (
	"context"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Progress is how far a projection is in the generation that is shown.
type Progress struct {
	Generation int32
	// Next is the offset of each partition below which all can be seen.
	Next map[eventlog.TopicPartition]int64
}

// Past tells whether these positions can be seen, but for those in topics other than the projection's, which it never shows.
func (p *Progress) Past(topics map[string]bool, positions []eventlog.Position) bool {
	for _, at := range positions {
		if topics[at.Topic] && p.Next[at.TopicPartition()] <= at.Offset {
			return false
		}
	}
	return true
}

// Equal tells whether nothing was committed between the two.
func (p *Progress) Equal(q *Progress) bool {
	return p.Generation == q.Generation && maps.Equal(p.Next, q.Next)
}

// Covers tells whether all that could be seen at q can be seen at p, in the same generation.
func (p *Progress) Covers(q *Progress) bool {
	if p.Generation != q.Generation {
		return false
	}
	for place, next := range q.Next {
		if p.Next[place] < next {
			return false
		}
	}
	return true
}

// ReadProgress is how far these projections are; one without a live generation, or that never began, is not in it.
func ReadProgress(ctx context.Context, db Querier, names []string) (map[string]*Progress, error) {
	rows, err := db.Query(ctx, `SELECT projection, generation, topic, "partition", next_offset FROM books.progress
		WHERE projection = ANY($1)`, names)
	if err != nil {
		return nil, fmt.Errorf("read the projections' progress: %w", explain(err))
	}
	all := make(map[string]*Progress, len(names))
	var name string
	var generation int32
	var place eventlog.TopicPartition
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&name, &generation, &place.Topic, &place.Partition, &next}, func() error {
		if all[name] == nil {
			all[name] = &Progress{generation, map[eventlog.TopicPartition]int64{}}
		}
		all[name].Next[place] = next
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the projections' progress: %w", explain(err))
	}
	return all, nil
}
