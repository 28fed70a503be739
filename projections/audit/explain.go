package audit

import (
	"cmp"
	"context"
	"slices"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// evidence are the events behind a difference.
type evidence struct {
	first []witness // At most MaxEvents, by position.
	total int64
}

type witness struct {
	at        eventlog.Position
	reference Reference
}

func (v *evidence) add(record *eventlog.Record, at eventlog.Position) {
	v.total++
	place, _ := slices.BinarySearchFunc(v.first, at, func(w witness, at eventlog.Position) int {
		return cmp.Or(w.at.TopicPartition().Compare(at.TopicPartition()), cmp.Compare(w.at.Offset, at.Offset))
	})
	if place < MaxEvents {
		v.first = slices.Insert(v.first, place, witness{at, referenceTo(record)})
		v.first = v.first[:min(len(v.first), MaxEvents)]
	}
}

// inquiry looks for the events behind the differences of one examination.
type inquiry struct {
	*examination

	wanted map[string]*evidence
	traces []string
}

func (e *examination) inquire() *inquiry {
	q := &inquiry{examination: e, wanted: map[string]*evidence{}}
	for _, d := range e.found.differences {
		if d.trace != "" {
			q.wanted[d.trace] = &evidence{}
		}
	}
	return q
}

// see notes what a record is evidence of.
func (q *inquiry) see(_ int, record *eventlog.Record, at eventlog.Position) error {
	q.traces = q.model.touches(q.traces[:0], record)
	if record.Event != nil {
		q.traces = append(q.traces, traceID(record.Event.ID))
	}
	slices.Sort(q.traces)
	for _, trace := range slices.Compact(q.traces) {
		if v, ok := q.wanted[trace]; ok {
			v.add(record, at)
		}
	}
	return nil
}

// explain reads the log again, if there are differences, for the events behind them.
func (l *log) explain(ctx context.Context) error {
	var inquiries []*inquiry
	for _, e := range l.all {
		if q := e.inquire(); len(q.wanted) > 0 {
			inquiries = append(inquiries, q)
		}
	}
	if len(inquiries) == 0 {
		return nil
	}
	err := l.read(ctx, PhaseEvents, noMarks, func(batch *eventlog.Batch, _ []mark) error {
		for _, q := range inquiries {
			if err := q.each(batch, q.see); err != nil {
				return err
			}
		}
		return nil
	})
	for _, q := range inquiries {
		q.conclude()
	}
	return err
}

// conclude gives each difference its events.
func (q *inquiry) conclude() {
	for _, d := range q.found.differences {
		v, ok := q.wanted[d.trace]
		if !ok {
			continue
		}
		d.EventsTotal = v.total
		for _, w := range v.first {
			d.Events = append(d.Events, w.reference)
		}
	}
}
