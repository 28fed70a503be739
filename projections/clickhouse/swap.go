package clickhouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Swap makes a generation live as postgres.Swap does, and then shows it to the readers of ClickHouse. What those may have seen of the
// live one, rows past its offsets too, the other must have. Killed in between, books.progress promises no more than both have, until
// whoever takes over a partition next, or migrates, has replaced the views.
func Swap(
	ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection, to int32, catchUp postgres.CatchUp,
) error {
	if _, err := reconcile(ctx, pool, conn, projection); err != nil { // A swap before this one may not have ended.
		return err
	}
	here := postgres.Elsewhere{
		Name: func(ctx context.Context, generation int32) error {
			return NameGeneration(ctx, pool, conn, projection, generation)
		},
		Settle: NewStore(pool, conn, projection, Options{}).settle,
	}
	if err := postgres.SwapElsewhere(ctx, pool, projection.Definition(), to, here, catchUp); err != nil {
		return err
	}
	if _, err := reconcile(ctx, pool, conn, projection); err != nil {
		return fmt.Errorf("generation %d of %s is live, but its views are not replaced yet; the next projector to start does it: %w",
			to, projection.Definition().Name, err)
	}
	return nil
}

// reconcile makes the live views show the generation that Postgres says is live, which cannot change meanwhile.
func reconcile(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection) ([]string, error) {
	name := projection.Definition().Name
	var done []string
	var shown int32
	err := postgres.WithLive(ctx, pool, name, func(live int32) error {
		var err error
		shown = live
		done, err = makeViews(ctx, pool, conn, name, projection.LiveViews(Generation{Database: name, Number: live}))
		return err
	})
	if err != nil {
		return done, err
	}
	return done, postgres.ShownElsewhere(ctx, pool, name, shown) // No swap comes before this, where it has anything to note.
}

// settle locks the owners out of a generation whose offsets nobody can move meanwhile, and reads where its rows end: no row comes
// past that under the owners' epochs. It raises the fence as the next owner would before its first try.
func (s *Store) settle(
	ctx context.Context, number int32, epochs map[eventlog.TopicPartition]int64,
) (map[eventlog.TopicPartition]int64, error) {
	if len(epochs) == 0 {
		return nil, nil //nolint:nilnil // Nobody has ever written.
	}
	g, holds := s.generation(number), make(map[eventlog.TopicPartition]*hold, len(epochs))
	for p, epoch := range epochs {
		holds[p] = newHold(epoch + 1)
	}
	ctx = withSettings(ctx, nil)
	raised, err := s.fenceOf(ctx, g, holds)
	if err != nil {
		return nil, err
	}
	below := map[eventlog.TopicPartition]*hold{}
	for p, h := range holds {
		if raised[p] < h.epoch { // Else a swap that came to nothing has raised it.
			below[p] = h
		}
	}
	if len(below) > 0 {
		if err := s.raiseFence(ctx, g, below); err != nil {
			return nil, err
		}
	}
	if err := s.killInserts(ctx, g, holds); err != nil {
		return nil, err
	}
	if err := s.readPositions(ctx, g, holds); err != nil {
		return nil, err
	}
	ends := make(map[eventlog.TopicPartition]int64, len(holds))
	for p, h := range holds {
		ends[p] = h.top + 1
	}
	return ends, nil
}

// fenceOf are the epochs under which rows of partitions are taken; 0 under none.
func (s *Store) fenceOf(
	ctx context.Context, g Generation, holds map[eventlog.TopicPartition]*hold,
) (map[eventlog.TopicPartition]int64, error) {
	byKey, keys := map[string]eventlog.TopicPartition{}, make([]string, 0, len(holds))
	for p := range holds {
		byKey[g.key(p)] = p
		keys = append(keys, g.key(p))
	}
	epochs := map[eventlog.TopicPartition]int64{}
	rows, err := s.conn.Query(ctx, fmt.Sprintf("SELECT `key`, epoch FROM %s WHERE `key` IN (%s)", g.fence(), literals(keys)))
	return epochs, explain("read the fence", each(rows, err, func(rows driver.Rows) error {
		var key string
		var epoch int64
		err := rows.Scan(&key, &epoch)
		epochs[byKey[key]] = epoch
		return err //nolint:wrapcheck // Explained above.
	}))
}

// leftBehind tells whether it was a swap that raised the fence, just above this owner's. It waits for the end of that; where it came to
// nothing the owner is the last one still, but for the fence, and takes over anew.
func (s *Store) leftBehind(ctx context.Context, err error, g Generation, holds map[eventlog.TopicPartition]*hold) error {
	if !errors.Is(err, errOutpaced) {
		return nil
	}
	epochs, failed := s.fenceOf(withSettings(ctx, nil), g, holds)
	if failed != nil {
		return failed
	}
	var fenced projections.FencedError
	for p, h := range holds {
		if epochs[p] == newHold(h.owner+1).epoch {
			fenced.Partitions = append(fenced.Partitions, p)
		}
	}
	if len(fenced.Partitions) == 0 {
		return nil
	}
	err = postgres.WithLive(ctx, s.pool, g.Database, func(live int32) error {
		fenced.Spared = live == g.Number
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the end of a swap: %w", err)
	}
	return &fenced
}
