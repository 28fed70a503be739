package audit

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// log is the part of the log that is read for all the examinations.
type log struct {
	kafka    eventlog.Config
	all      []*examination
	progress Progress
	to       map[eventlog.TopicPartition]int64

	mu          sync.Mutex // Over all below it, and over all the examinations while the log is read.
	done, total int64
}

// openLog compares the store's offsets with the log's, and reads the store's identities.
func (a *Auditor) openLog(ctx context.Context, s *snapshot, all []*examination, progress Progress) (*log, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	l := &log{kafka: a.kafka, all: all, progress: progress, to: map[eventlog.TopicPartition]int64{}}
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
		if e.ids != nil {
			if err := e.load(ctx, s); err != nil {
				return nil, err
			}
		}
	}
	for _, to := range l.to {
		l.total += to
	}
	return l, nil
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

// read gives the log to fn, batch by batch, one at a time; prepare is called before that, at the same time as others.
func (l *log) read(ctx context.Context, prepare func(batch *eventlog.Batch) []contentHash, fn func(*eventlog.Batch, []contentHash)) error {
	l.done = 0
	return eventlog.ReadRange(ctx, l.kafka, eventlog.Range{To: l.to}, func(_ context.Context, batch eventlog.Batch) error {
		hashes := prepare(&batch)
		l.mu.Lock()
		defer l.mu.Unlock()
		fn(&batch, hashes)
		l.done += batch.Next - batch.From
		l.progress(l.done, l.total)
		return nil
	})
}

// hash is the part of the work on a batch that needs no lock.
func hash(batch *eventlog.Batch) []contentHash {
	hashes := make([]contentHash, len(batch.Records))
	for i := range batch.Records {
		if event := batch.Records[i].Event; event != nil {
			hashes[i] = event.ContentHash()
		}
	}
	return hashes
}

func noHashes(*eventlog.Batch) []contentHash { return nil }

// each calls fn with the records of a batch that the projection has, by its own account, and keeps.
func (e *examination) each(batch *eventlog.Batch, fn func(i int, record *eventlog.Record, at eventlog.Position)) {
	to := e.to[batch.TopicPartition]
	for i := range batch.Records {
		record := &batch.Records[i]
		if record.Offset >= to {
			return
		}
		if e.model.wants(record) {
			fn(i, record, batch.At(record.Offset))
		}
	}
}

// fold reads the log into the models.
func (l *log) fold(ctx context.Context) error {
	err := l.read(ctx, hash, func(batch *eventlog.Batch, hashes []contentHash) {
		for _, e := range l.all {
			e.each(batch, func(i int, record *eventlog.Record, at eventlog.Position) { e.take(record, at, hashes[i]) })
		}
	})
	if err != nil {
		return err
	}
	var late []*examination
	for _, e := range l.all {
		if e.unfolded() {
			late = append(late, e)
		}
	}
	if len(late) == 0 {
		return nil
	}
	return l.read(ctx, noHashes, func(batch *eventlog.Batch, _ []contentHash) {
		for _, e := range late {
			e.each(batch, func(_ int, record *eventlog.Record, at eventlog.Position) { e.takeLate(record, at) })
		}
	})
}
