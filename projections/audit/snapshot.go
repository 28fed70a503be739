package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// snapshot is one state of the database: offsets, identities and tables that belong together.
type snapshot struct {
	tx pgx.Tx
	mu sync.Mutex // Held while rows are read: a transaction answers one question after the other.
}

// openSnapshot starts the transaction in which everything is read.
func openSnapshot(ctx context.Context, pool *pgxpool.Pool) (*snapshot, error) {
	tx, err := postgres.BeginSnapshot(ctx, pool)
	if err != nil {
		return nil, err
	}
	s := &snapshot{tx: tx}
	for _, setting := range []string{"timezone = 'UTC'", "datestyle = 'ISO'", "jit = off"} {
		if _, err := tx.Exec(ctx, "SET LOCAL "+setting); err != nil {
			s.close(ctx)
			return nil, fmt.Errorf("prepare to read a snapshot: set %s: %w", setting, err)
		}
	}
	return s, nil
}

// close ends the transaction. It has changed nothing, so there is nothing to lose.
func (s *snapshot) close(ctx context.Context) {
	_ = s.tx.Rollback(context.WithoutCancel(ctx))
}

// stream makes it a source.
func (s *snapshot) stream(ctx context.Context, what, sql string, arguments []any, fn func(row [][]byte) error) error {
	return s.read(ctx, what, sql, append([]any{pgx.QueryResultFormats{pgx.TextFormatCode}}, arguments...), fn)
}

// streamBinary is stream with each value in Postgres's binary form.
func (s *snapshot) streamBinary(ctx context.Context, what, sql string, arguments []any, fn func(row [][]byte) error) error {
	return s.read(ctx, what, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, arguments...), fn)
}

func (s *snapshot) read(ctx context.Context, what, sql string, arguments []any, fn func(row [][]byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, err := s.tx.Query(ctx, sql, arguments...)
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.RawValues()); err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// built are the generations that a projection has.
type built struct {
	live int32 // 0 when none is.
	all  []int32
}

// pick is the number of a target's generation, and whether readers see it.
func (b built) pick(target Target) (generation int32, live bool, err error) {
	generation = cmp.Or(target.Generation, b.live)
	switch {
	case generation == 0:
		return 0, false, fmt.Errorf("%s has no live generation: run `tributary migrate`", target.Name)
	case !slices.Contains(b.all, generation):
		return 0, false, fmt.Errorf("%s has no generation %d, only %s (and none that is being dropped)",
			target.Name, generation, strings.Trim(fmt.Sprint(b.all), "[]"))
	}
	return generation, generation == b.live, nil
}

// generations lists those of each projection that has a live one.
func (s *snapshot) generations(ctx context.Context) (map[string]built, error) {
	rows, err := s.tx.Query(ctx, `
		SELECT projection, coalesce(g.generation, l.generation) AS number, coalesce(g.generation, l.generation) IS NOT DISTINCT FROM l.generation
		FROM tributary.generations g FULL JOIN tributary.live l USING (projection)
		WHERE g.state IS DISTINCT FROM 'dropping' ORDER BY number`)
	if err != nil {
		return nil, fmt.Errorf("read which generations there are (has `tributary migrate` run?): %w", err)
	}
	found := map[string]built{}
	var name string
	var generation int32
	var live bool
	_, err = pgx.ForEachRow(rows, []any{&name, &generation, &live}, func() error {
		b := found[name]
		b.all = append(b.all, generation)
		if live {
			b.live = generation
		}
		found[name] = b
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read which generations there are (has `tributary migrate` run?): %w", err)
	}
	return found, nil
}

// show makes the views over a projection show a generation, as long as the snapshot lasts.
func (s *snapshot) show(ctx context.Context, projection string, generation int32) error {
	return postgres.Show(ctx, s.tx, projection, generation)
}

// progress is how far a partition is in, and of which topic.
type progress struct {
	next int64
	// visible is up to where each event, or the copy of it that counts, is in; accepted how many rows another server has below
	// next.
	visible, accepted int64
	topic             eventlog.TopicID
}

func (s *snapshot) progress(ctx context.Context, generation int32) (map[eventlog.TopicPartition]progress, error) {
	rows, err := s.tx.Query(ctx,
		`SELECT topic, "partition", topic_id, next_offset, visible_offset, accepted FROM tributary.visible WHERE generation = $1`, generation)
	if err != nil {
		return nil, fmt.Errorf("read the progress of generation %d: %w", generation, err)
	}
	found := map[eventlog.TopicPartition]progress{}
	var p eventlog.TopicPartition
	var id [16]byte
	var at progress
	_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &id, &at.next, &at.visible, &at.accepted}, func() error {
		at.topic = id
		found[p] = at
		return nil
	})
	return found, errors.Join(err)
}

// labels are the names that rows name by a number, by that as it comes in Postgres's binary form.
func (s *snapshot) labels(ctx context.Context) (map[string][]byte, error) {
	labels := map[string][]byte{}
	err := s.streamBinary(ctx, "the names of topics", `SELECT id, label FROM tributary.labels`, nil, func(row [][]byte) error {
		labels[string(row[0])] = bytes.Clone(row[1])
		return nil
	})
	return labels, err
}
