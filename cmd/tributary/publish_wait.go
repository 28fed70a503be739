package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// behind is how many offsets each projection still lacks, and all of them together.
type behind struct {
	total int64
	by    map[string]int64
}

func (b behind) String() string {
	var parts []string
	for _, name := range projectionNames() {
		if n := b.by[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s is %s events behind", name, count(n)))
		}
	}
	return strings.Join(parts, ", ")
}

// awaitProjections returns when every projection has all below these offsets.
func (a *app) awaitProjections(ctx context.Context, ends map[eventlog.TopicPartition]int64, patience time.Duration) error {
	pool, err := a.openPostgres(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	awaited, err := a.inUse(ctx, pool)
	if err != nil {
		return err
	}
	at, err := readBehind(ctx, pool, awaited, ends)
	if err != nil {
		return err
	}
	bar := a.startProgress(ctx, "projecting", at.total, countEvents)
	defer bar.end()
	return a.watchBehind(ctx, at, patience, bar, func() (behind, error) { return readBehind(ctx, pool, awaited, ends) })
}

// watchBehind looks again and again until nothing is behind. It says once who is waited for when nothing moves.
func (a *app) watchBehind(
	ctx context.Context, at behind, patience time.Duration, bar *progress, look func() (behind, error),
) error {
	const pause, quiet = 25 * time.Millisecond, 10 * time.Second
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	total, moved, told := at.total, time.Now(), false
	for at.total > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the events are published, but not awaited: %w", ctx.Err())
		case <-deadline.C:
			return fmt.Errorf("the events are published, but after %s %s: are the projectors running? \"tributary status\" tells", patience, at)
		case <-ticker.C:
		}
		now, err := look()
		if err != nil {
			return err
		}
		if now.total < at.total {
			moved = time.Now()
		} else if !told && time.Since(moved) > quiet {
			told = true
			a.notef("waiting: %s; are the projectors running (tributary project)?", now)
		}
		at = now
		bar.set(total - at.total)
	}
	return nil
}

const progressQuery = `SELECT projection, topic, "partition", next_offset FROM books.progress`

// readProgress is how far each live projection is: the offset before which all is in.
func readProgress(ctx context.Context, pool *pgxpool.Pool) (map[string]map[eventlog.TopicPartition]int64, error) {
	all := map[string]map[eventlog.TopicPartition]int64{}
	rows, err := pool.Query(ctx, progressQuery)
	if err != nil {
		return nil, fmt.Errorf("read the projections' progress: %w", explainTables(err))
	}
	var name string
	var place eventlog.TopicPartition
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&name, &place.Topic, &place.Partition, &next}, func() error {
		if all[name] == nil {
			all[name] = map[eventlog.TopicPartition]int64{}
		}
		all[name][place] = next
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the projections' progress: %w", explainTables(err))
	}
	return all, nil
}

// inUse are the projections that are kept: all but those that need a ClickHouse where none is configured, and have no tables.
func (a *app) inUse(ctx context.Context, pool *pgxpool.Pool) ([]projections.Definition, error) {
	all := definitions()
	if a.hasClickHouse() {
		return all, nil
	}
	rows, err := pool.Query(ctx, `SELECT projection FROM tributary.live`)
	if err != nil {
		return nil, fmt.Errorf("read which projections there are: %w", explainTables(err))
	}
	live, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read which projections there are: %w", explainTables(err))
	}
	return slices.DeleteFunc(all, func(d projections.Definition) bool {
		return inClickHouse(d.Name) && !slices.Contains(live, d.Name)
	}), nil
}

func readBehind(
	ctx context.Context, pool *pgxpool.Pool, all []projections.Definition, ends map[eventlog.TopicPartition]int64,
) (behind, error) {
	progress, err := readProgress(ctx, pool)
	if err != nil {
		return behind{}, err
	}
	return behindOf(all, progress, ends), nil
}

func behindOf(
	all []projections.Definition, progress map[string]map[eventlog.TopicPartition]int64, ends map[eventlog.TopicPartition]int64,
) behind {
	at := behind{by: map[string]int64{}}
	for _, definition := range all {
		for place, end := range ends {
			if !slices.Contains(definition.Topics, place.Topic) {
				continue
			}
			if lack := end - progress[definition.Name][place]; lack > 0 {
				at.by[definition.Name] += lack
				at.total += lack
			}
		}
	}
	return at
}
