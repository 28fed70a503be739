package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// hold is what a store knows of a partition that it owns.
type hold struct {
	// owner is the epoch in Postgres; epoch the one in ClickHouse: the owner's, and below it a number of tries.
	owner, epoch int64
	// secured tells whether top and count are true, and stay so until this store inserts again.
	secured bool
	// top is the highest offset that is in, count how many rows.
	top, count int64
	// doubted tells whether the aggregate once told what did not fit; from then on the rows are read.
	doubted bool
}

// tryBits are those of an epoch in ClickHouse that count an owner's tries.
const tryBits = 20

func newHold(owner int64) *hold { return &hold{owner: owner, epoch: owner << tryBits} }

// securePatience bounds each step of securing a partition.
const securePatience = 30 * time.Second

// secure locks out whoever else may still insert into the partitions, this store's own inserts of unknown outcome too, and
// reads what is in. The order matters: doc.go says why.
func (s *Store) secure(ctx context.Context, generation Generation, holds map[eventlog.TopicPartition]*hold) error {
	for _, h := range holds {
		h.secured = false
		h.epoch++ // One that was sent and not answered is never used: it may come in at any time.
		if h.epoch>>tryBits != h.owner {
			return &projections.FencedError{Partitions: eventlog.SortedPartitions(holds)} // A new owner has new tries.
		}
	}
	ctx, cancel := context.WithTimeout(ctx, securePatience)
	defer cancel()
	ctx = withSettings(ctx, nil)
	for _, step := range []func(context.Context, Generation, map[eventlog.TopicPartition]*hold) error{
		s.raiseFence, s.killInserts, s.readPositions,
	} {
		if err := step(ctx, generation, holds); err != nil {
			return err
		}
	}
	for _, h := range holds {
		h.secured = true
	}
	return nil
}

// withSettings is a context whose queries run under settings of ours.
func withSettings(ctx context.Context, more clickhouse.Settings) context.Context {
	settings := clickhouse.Settings{"async_insert": 0}
	maps.Copy(settings, more)
	return clickhouse.Context(ctx, clickhouse.WithSettings(settings))
}

// raiseFence makes ours the epoch under which rows are taken. An owner that was replaced meanwhile cannot.
func (s *Store) raiseFence(ctx context.Context, g Generation, holds map[eventlog.TopicPartition]*hold) error {
	values := make([]string, 0, len(holds))
	for p, h := range holds {
		values = append(values, fmt.Sprintf("(%s, %d)", literal(g.key(p)), h.epoch))
	}
	err := s.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s (`key`, epoch) VALUES %s", g.fence(), strings.Join(values, ", ")))
	if violates(err, upConstraint) {
		return fmt.Errorf("%w: %w", errOutpaced, err)
	}
	return explain("raise the fence", err)
}

// errOutpaced says that ClickHouse has seen a later owner.
var errOutpaced = errors.New("a later owner has raised the fence in ClickHouse (if nobody else runs, the clock of Postgres was " +
	"set back; the fence is empty after a restart)")

// killInserts ends the inserts into the partitions that are under way, and waits until they have ended, however often an owner that
// was fenced by now sends another: that one is refused, but looks like one that came past the fence before.
func (s *Store) killInserts(ctx context.Context, g Generation, holds map[eventlog.TopicPartition]*hold) error {
	marks := make([]string, 0, len(holds))
	for p := range holds {
		marks = append(marks, g.mark(p))
	}
	which := fmt.Sprintf("multiSearchAny(Settings['log_comment'], [%s])", literals(marks))
	const often = 5 * time.Millisecond
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for {
		if err := s.conn.Exec(ctx, "KILL QUERY WHERE "+which+" SYNC"); err != nil {
			return explain("end the inserts under way", err)
		}
		var left uint64
		err := s.conn.QueryRow(ctx, "SELECT count() FROM system.processes WHERE "+which).Scan(&left)
		if err != nil || left == 0 {
			return explain("look for inserts under way", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%d inserts into our partitions are still under way in ClickHouse: %w", left, context.Cause(ctx))
		}
	}
}

// readPositions reads what is in, from an aggregate that each part carries, or from the rows where that is doubted. An aggregate that
// says otherwise than the rows is made anew: nobody else changes what is in.
func (s *Store) readPositions(ctx context.Context, g Generation, holds map[eventlog.TopicPartition]*hold) error {
	table := g.Table(s.projection.Rows().Name)
	all, broken, err := positions(ctx, s.conn, table)
	if err == nil && broken != nil {
		s.mend(ctx, table, broken.Error())
	}
	for p, h := range holds {
		in := insideOf(all, p)
		h.top, h.count = in.top, in.count
	}
	if err != nil || !slices.ContainsFunc(slices.Collect(maps.Values(holds)), func(h *hold) bool { return h.doubted }) {
		return err
	}
	rows, _, err := positionsOfRows(ctx, s.conn, table)
	if err != nil {
		return err
	}
	differs := ""
	for p, h := range holds {
		in := insideOf(rows, p)
		if counted := (inside{h.top, h.count}); counted != in {
			differs = fmt.Sprintf("it counts %d rows of %s up to offset %d, and there are %d up to %d",
				counted.count, p, counted.top, in.count, in.top)
		}
		h.top, h.count = in.top, in.count
	}
	if differs != "" {
		s.mend(ctx, table, differs) // of all partitions at once
	}
	return nil
}

func positionsSQL(table string) string {
	return "SELECT topic, `partition`, max(kafka_offset), count() FROM " + table + " GROUP BY topic, `partition`"
}

// each calls f for every row of a query.
func each(rows driver.Rows, err error, f func(driver.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err says all.
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// check compares what is in with what Postgres knows to be.
func (h *hold) check(table string, p eventlog.TopicPartition, below, accepted int64) error {
	in := inside{h.top, h.count}
	if in.fits(below, accepted) {
		return nil
	}
	projection, _, _ := strings.Cut(table, ".")
	return &TornError{Projection: projection, Table: table, Found: in.found(p, below, accepted)}
}
