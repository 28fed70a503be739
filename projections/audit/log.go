package audit

import (
	"context"
	"fmt"
	"hash/maphash"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// log is the part of the log that is read for all the examinations.
type log struct {
	kafka    eventlog.Config
	seed     maphash.Seed
	all      []*examination
	progress Progress
	to       map[eventlog.TopicPartition]int64
	total    int64

	mu   sync.Mutex // Over done.
	done int64
}

// openLog compares the store's offsets with the log's.
func (a *Auditor) openLog(ctx context.Context, s *snapshot, all []*examination, progress Progress) (*log, error) {
	l := &log{kafka: a.kafka, seed: a.seed, all: all, progress: progress, to: map[eventlog.TopicPartition]int64{}}
	admin, err := eventlog.NewAdmin(a.kafka)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	ends, err := admin.EndOffsets(ctx)
	if err != nil {
		return nil, err
	}
	logs, err := admin.Identities(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		reached, err := s.progress(ctx, e.generation)
		if err != nil {
			return nil, err
		}
		e.place(reached, ends, logs)
		for p, to := range e.to {
			l.to[p] = max(l.to[p], to)
		}
	}
	for _, to := range l.to {
		l.total += to
	}
	return l, nil
}

// load reads which copies count, of each projection.
func (l *log) load(ctx context.Context, s *snapshot, memory Memory) error {
	const often = 1 << 12
	var total, done int64
	for _, e := range l.all {
		if e.ids != nil {
			total += e.reach()
		}
	}
	for _, e := range l.all {
		if e.ids == nil {
			continue
		}
		err := e.load(ctx, s, memory, func(rows int64) {
			if rows%often == 0 {
				l.progress(PhaseIdentities, min(done+rows, total), total)
			}
		})
		if err != nil {
			return err
		}
		done += e.reach()
	}
	return nil
}

// reach is how many offsets of the log the projection has read.
func (e *examination) reach() (offsets int64) {
	for _, to := range e.to {
		offsets += to
	}
	return offsets
}

// place notes how far the projection is, and holds it against the log.
func (e *examination) place(
	reached map[eventlog.TopicPartition]progress, ends map[eventlog.TopicPartition]int64,
	logs map[eventlog.TopicPartition]eventlog.LogIdentity,
) {
	const table = "tributary.progress"
	e.next, e.to, e.progress = map[eventlog.TopicPartition]int64{}, map[eventlog.TopicPartition]int64{}, reached
	c := e.found.check(checkProgress)
	for _, p := range eventlog.SortedPartitions(reached) {
		c.compared++
		at := reached[p]
		e.next[p], e.to[p] = at.next, min(at.next, ends[p])
		if at.next > ends[p] {
			c.differs(Difference{
				Kind: KindBeyondLog, Table: table, Key: p.String(), Column: "next_offset",
				Want: fmt.Sprintf("at most %d", ends[p]), Got: strconv.FormatInt(at.next, 10),
			})
		}
		if seen := logs[p].TopicID; !seen.IsZero() && !at.topic.IsZero() && seen != at.topic {
			c.differs(Difference{
				Kind: KindOtherLog, Table: table, Key: p.String(), Column: "topic_id",
				Want: seen.String(), Got: at.topic.String(),
			})
		}
	}
}

const (
	// mostAtOnce is of how many partitions the log is read at the same time.
	mostAtOnce = 8
	// pieceBytes is how much of one is read at once, of which a few wait; decoded it is some four times that.
	pieceBytes = 256 << 10
)

// read gives the log to fn, batch by batch, those of different partitions at the same time; prepare is called before that.
func (l *log) read(
	ctx context.Context, phase Phase, prepare func(batch *eventlog.Batch) []mark, fn func(*eventlog.Batch, []mark) error,
) error {
	l.done = 0
	part := eventlog.Range{To: l.to, AtOnce: min(2*runtime.GOMAXPROCS(0), mostAtOnce), PieceBytes: pieceBytes}
	return eventlog.ReadRange(ctx, l.kafka, part, func(_ context.Context, batch eventlog.Batch) error {
		if err := fn(&batch, prepare(&batch)); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.done += batch.Next - batch.From
		l.progress(phase, l.done, l.total)
		return nil
	})
}

// mark is the part of the work on a batch that needs no lock, and is the same for all projections.
func (l *log) mark(batch *eventlog.Batch) []mark {
	d := digester{seed: l.seed}
	marks := make([]mark, len(batch.Records))
	for i := range batch.Records {
		if event := batch.Records[i].Event; event != nil {
			row := identity{event.ID, event.ContentHash(), batch.At(batch.Records[i].Offset)}
			marks[i] = mark{row.hash, d.id(row.id), d.identity(&row)}
		}
	}
	return marks
}

func noMarks(*eventlog.Batch) []mark { return nil }

// each calls fn with the records of a batch that the projection has, by its own account, and keeps. It has the examination alone.
func (e *examination) each(batch *eventlog.Batch, fn func(i int, record *eventlog.Record, at eventlog.Position) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.those(batch, fn)
}

// those is each where the examination is had already.
func (e *examination) those(batch *eventlog.Batch, fn func(i int, record *eventlog.Record, at eventlog.Position) error) error {
	to := e.to[batch.TopicPartition]
	for i := range batch.Records {
		record := &batch.Records[i]
		if record.Offset >= to {
			return nil
		}
		if e.model.wants(record) {
			if err := fn(i, record, batch.At(record.Offset)); err != nil {
				return err
			}
		}
	}
	return nil
}

// fold reads the log into the models.
func (l *log) fold(ctx context.Context, s *snapshot) error {
	err := l.read(ctx, PhaseLog, l.mark, func(batch *eventlog.Batch, marks []mark) error {
		for _, e := range l.all {
			if err := e.take(batch, marks, func() error { return l.resolve(ctx, s, e) }); err != nil {
				return err
			}
		}
		return nil
	})
	for _, e := range l.all {
		if err == nil && e.ids != nil {
			err = l.resolve(ctx, s, e)
		}
	}
	return err
}

// resolve finds out what copies are that no identity row names, and folds those that count all the same.
func (l *log) resolve(ctx context.Context, s *snapshot, e *examination) error {
	if len(e.ids.others) == 0 {
		return nil
	}
	counting, err := e.resolve(ctx, s)
	if err != nil {
		return err
	}
	return l.foldAt(ctx, e, counting)
}

// tally reads the tables of all projections, those of Postgres one after the other: meanwhile others sort, or read those of ClickHouse.
func (l *log) tally(ctx context.Context, s *snapshot) error {
	l.done = 0
	all := int64(len(l.all))
	l.progress(PhaseTables, l.done, all)
	group, ctx := errgroup.WithContext(ctx)
	for _, e := range l.all {
		group.Go(func() error {
			if err := e.model.tally(ctx, s); err != nil {
				return err
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.done++
			l.progress(PhaseTables, l.done, all)
			return nil
		})
	}
	return group.Wait()
}

// detail reads the log once more for those models whose tables do not come to what it says.
func (l *log) detail(ctx context.Context, s *snapshot) error {
	var all []*examination
	for _, e := range l.all {
		if e.model.suspect() {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return nil
	}
	err := l.read(ctx, PhaseAgain, noMarks, func(batch *eventlog.Batch, _ []mark) error {
		for _, e := range all {
			err := e.each(batch, func(_ int, record *eventlog.Record, at eventlog.Position) error {
				if e.counts(record, at) {
					e.model.again(record)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, e := range all {
		if err == nil {
			err = e.model.detail(ctx, s)
		}
	}
	return err
}
