package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// mark is where and when a record was recorded.
type mark struct {
	at       time.Time
	position eventlog.Position
}

func markOf(record *eventlog.Record) mark { return mark{record.RecordedAt, record.Position} }

// before is the order in which records of the past are shown.
func (m mark) before(other mark) bool { return m.compare(other) < 0 }

func (m mark) compare(other mark) int {
	return cmp.Or(m.at.Compare(other.at), m.position.TopicPartition().Compare(other.position.TopicPartition()),
		cmp.Compare(m.position.Offset, other.position.Offset))
}

// lastMarks are the last of the records that are wanted, as far as is known. Positions alone are kept.
type lastMarks struct {
	most int

	mu    sync.Mutex
	marks []mark
}

func (l *lastMarks) add(m mark) {
	l.marks = append(l.marks, m)
	const spare = 4096
	if len(l.marks) > 2*l.most+spare {
		l.trim()
	}
}

func (l *lastMarks) trim() {
	slices.SortFunc(l.marks, func(a, b mark) int { return b.compare(a) })
	l.marks = slices.Clip(l.marks[:min(len(l.marks), l.most)])
}

// begin is where the marks begin in each partition, and the first of them.
func (l *lastMarks) begin() (map[eventlog.TopicPartition]int64, mark) {
	from := map[eventlog.TopicPartition]int64{}
	var first mark
	for i, m := range l.marks {
		p := m.position.TopicPartition()
		if at, has := from[p]; !has || m.position.Offset < at {
			from[p] = m.position.Offset
		}
		if i == 0 || m.before(first) {
			first = m
		}
	}
	return from, first
}

// lastMarks finds the last so many of what is wanted of a part of the log. It reads backwards, in steps that grow: it is done when
// so many were recorded after all that it has not read.
func (t *tailer) lastMarks(ctx context.Context, part eventlog.Range, most int) (*lastMarks, error) {
	found := &lastMarks{most: most}
	const spare, growth = 16, 4
	step := int64(spare + 2*most/max(1, len(part.To))) //nolint:mnd // twice an even share
	to := part.To
	for most > 0 {
		from := map[eventlog.TopicPartition]int64{}
		more := false
		for p := range to {
			from[p] = max(part.From[p], to[p]-step)
			more = more || from[p] < to[p]
		}
		if !more {
			break
		}
		unread, err := t.markRange(ctx, eventlog.Range{From: from, To: to}, part.From, found)
		if err != nil {
			return nil, err
		}
		found.trim()
		after := 0
		for _, m := range found.marks {
			if m.at.After(unread) {
				after++
			}
		}
		if after >= most {
			break
		}
		to, step = from, step*growth
	}
	found.trim()
	return found, nil
}

// markRange marks what is wanted of a range, and returns the time that nothing is later than of what lies before the range.
func (t *tailer) markRange(
	ctx context.Context, part eventlog.Range, start map[eventlog.TopicPartition]int64, found *lastMarks,
) (time.Time, error) {
	first := maps.Clone(part.From) // partitions of which nothing is known yet
	var unread time.Time
	err := eventlog.ReadRange(ctx, t.kafka, part, func(_ context.Context, batch eventlog.Batch) error {
		found.mu.Lock()
		defer found.mu.Unlock()
		for i := range batch.Records {
			record := &batch.Records[i]
			if _, is := first[batch.TopicPartition]; is {
				delete(first, batch.TopicPartition)
				if part.From[batch.TopicPartition] > start[batch.TopicPartition] && record.RecordedAt.After(unread) {
					unread = record.RecordedAt
				}
			}
			if t.wants(record) {
				found.add(markOf(record))
			}
		}
		return nil
	})
	for p := range first {
		if part.From[p] > start[p] && part.From[p] < part.To[p] { // only marks of transactions were there
			return time.Unix(1<<40, 0), err //nolint:mnd // later than anything
		}
	}
	return unread, err
}
