package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// The states of a generation, as tributary.generations has them. Which one is live tributary.live says.
const (
	// StateBuilding is one that a replay fills, or has filled, and that was never live.
	StateBuilding = "building"
	// StateReady is one that is live, or was.
	StateReady = "ready"
	// StateSide is one as of a moment, which is never live.
	StateSide = "side"
	// StateDropping is one of which only a part may be left.
	StateDropping = "dropping"
)

// Generation is one build of a projection's tables.
type Generation struct {
	Projection string    `json:"projection"`
	Number     int32     `json:"generation"`
	Version    int       `json:"version"`
	State      string    `json:"state"`
	Until      *string   `json:"until"`
	Made       time.Time `json:"made"`
	Updated    time.Time `json:"updated"`
	Live       bool      `json:"live"`
}

// vector is up to where each partition is.
type vector = map[eventlog.TopicPartition]int64

const generationsSQL = `
	SELECT g.projection, g.generation, g.version, g.state, g.until, g.created_at, g.updated_at, l.generation IS NOT NULL
	FROM tributary.generations g LEFT JOIN tributary.live l USING (projection, generation)
	WHERE $1 = '' OR g.projection = $1 ORDER BY g.projection, g.generation`

// generations are those of a projection, or of all, by number.
func generations(ctx context.Context, db postgres.Querier, projection string) ([]Generation, error) {
	return postgres.List[Generation](ctx, db, "the generations", generationsSQL, projection)
}

// find is the one of that number.
func find(all []Generation, projection string, number int32) (Generation, error) {
	for _, g := range all {
		if g.Number == number {
			return g, nil
		}
	}
	return Generation{}, fmt.Errorf("%s has no generation %d: `tributary replay status %s` lists them", projection, number, projection)
}

// reached is how far a generation is: the next offset of each partition, and what readers may take to be in.
type reached struct {
	next, visible vector
	topics        map[string]eventlog.TopicID
}

// settled tells whether all below the next offsets is in.
func (r reached) settled() bool {
	for p, next := range r.next {
		if r.visible[p] != next {
			return false
		}
	}
	return true
}

func readReached(ctx context.Context, db postgres.Querier, generation int32) (reached, error) {
	r := reached{vector{}, vector{}, map[string]eventlog.TopicID{}}
	rows, err := db.Query(ctx, `SELECT topic, "partition", next_offset, visible_offset, topic_id FROM tributary.visible WHERE generation = $1`,
		generation)
	if err == nil {
		var p eventlog.TopicPartition
		var next, visible int64
		var id [16]byte
		_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &next, &visible, &id}, func() error {
			r.next[p], r.visible[p], r.topics[p.Topic] = next, visible, id
			return nil
		})
	}
	if err != nil {
		return r, fmt.Errorf("read how far generation %d is: %w", generation, err)
	}
	return r, nil
}

func (r reached) sum() int64 { return sum(r.next) }

func sum(v vector) int64 {
	total := int64(0)
	for _, offset := range v {
		total += offset
	}
	return total
}

// atLeast tells whether a vector is at or past another everywhere.
func atLeast(v, other vector) bool {
	for p, offset := range other {
		if v[p] < offset {
			return false
		}
	}
	return true
}

// keepTarget notes that a generation is one as of a moment, and where it ends.
func keepTarget(ctx context.Context, pool *pgxpool.Pool, generation int32, until string, to vector) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE tributary.generations SET state = $2, until = $3, updated_at = now() WHERE generation = $1`,
			generation, StateSide, until)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		for p, offset := range to {
			_, err := tx.Exec(ctx, `INSERT INTO tributary.targets (generation, topic, "partition", next_offset) VALUES ($1, $2, $3, $4)`,
				generation, p.Topic, p.Partition, offset)
			if err != nil {
				return err //nolint:wrapcheck // wrapped below
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note where generation %d ends: %w", generation, err)
	}
	return nil
}

// target is where a side generation ends; empty where that is not known.
func target(ctx context.Context, db postgres.Querier, generation int32) (vector, error) {
	rows, err := db.Query(ctx, `SELECT topic, "partition", next_offset FROM tributary.targets WHERE generation = $1`, generation)
	to := vector{}
	if err == nil {
		var p eventlog.TopicPartition
		var offset int64
		_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &offset}, func() error {
			to[p] = offset
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read where generation %d ends: %w", generation, err)
	}
	return to, nil
}

// lastLive is the generation that was live before the one that is; 0 where there is none.
func lastLive(all []Generation) int32 {
	var last Generation
	for _, g := range all {
		if g.State == StateReady && !g.Live && (last.Number == 0 || !g.Updated.Before(last.Updated)) {
			last = g
		}
	}
	return last.Number
}

// touch notes that work on a generation goes on.
func touch(ctx context.Context, pool *pgxpool.Pool, generation int32) error {
	_, err := pool.Exec(ctx, `UPDATE tributary.generations SET updated_at = now() WHERE generation = $1 AND state <> $2`,
		generation, StateReady)
	if err != nil {
		return fmt.Errorf("note that generation %d is worked on: %w", generation, err)
	}
	return nil
}

// errNoLive says that a projection has no tables.
var errNoLive = errors.New("it has no live generation: run `tributary migrate`")

// live is the live one of a projection's generations.
func live(all []Generation) (Generation, error) {
	for _, g := range all {
		if g.Live {
			return g, nil
		}
	}
	return Generation{}, errNoLive
}
