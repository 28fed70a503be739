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

	wanted   map[string]*evidence
	suspects suspects
	model    suspicious // Nil when there are no suspects.
}

func (e *examination) inquire() *inquiry {
	q := &inquiry{examination: e, wanted: map[string]*evidence{}}
	for _, d := range e.found.differences {
		if d.trace != "" {
			q.wanted[d.trace] = &evidence{}
		}
	}
	if model, ok := e.model.(suspicious); ok && len(model.suspects()) > 0 {
		q.model, q.suspects = model, model.suspects()
		for id := range q.suspects {
			q.wanted[traceID(id)] = &evidence{}
		}
	}
	return q
}

// see notes what a record is evidence of.
func (q *inquiry) see(traces []string, record *eventlog.Record, at eventlog.Position) []string {
	traces = q.examination.model.touches(traces, record)
	if record.Event != nil {
		traces = append(traces, traceID(record.Event.ID))
		if q.suspects[record.Event.ID] {
			if s := q.ids.find(record.Event.ID); s != nil && s.at == at {
				q.model.again(record)
			}
		}
	}
	slices.Sort(traces)
	for _, trace := range slices.Compact(traces) {
		if v, ok := q.wanted[trace]; ok {
			v.add(record, at)
		}
	}
	return traces
}

// explain reads the log again, if there are differences, for the events behind them.
func (l *log) explain(ctx context.Context, s *snapshot) error {
	var inquiries []*inquiry
	for _, e := range l.all {
		if q := e.inquire(); len(q.wanted) > 0 {
			inquiries = append(inquiries, q)
		}
	}
	if len(inquiries) == 0 {
		return nil
	}
	var traces []string
	err := l.read(ctx, noHashes, func(batch *eventlog.Batch, _ []contentHash) {
		for _, q := range inquiries {
			q.each(batch, func(_ int, record *eventlog.Record, at eventlog.Position) {
				traces = q.see(traces[:0], record, at)
			})
		}
	})
	if err != nil {
		return err
	}
	for _, q := range inquiries {
		if q.model != nil {
			if err := q.model.detail(ctx, s); err != nil {
				return err
			}
		}
		q.conclude()
	}
	return nil
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
