package audit

import (
	"bytes"
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// revenueRow is a row of the table of events.
type revenueRow struct {
	met

	values []string
}

func (r *revenueRow) cells() []string { return r.values }

// nameDue names the events that should be in ahead of the offsets, and are not.
func (r *revenue) nameDue(ctx context.Context, c *check) error {
	var absent []eventlog.Position
	r.examination.ids.due.each(func(at eventlog.Position) bool {
		if len(absent) < MaxDifferences {
			absent = append(absent, at)
		} else {
			c.more(1)
		}
		return true
	})
	if len(absent) == 0 {
		return nil
	}
	lookup, err := eventlog.NewLookup(r.kafka)
	if err != nil {
		return err
	}
	defer lookup.Close()
	return lookup.Each(ctx, absent, func(i int, record *eventlog.Record) error {
		d := Difference{Kind: KindMissing, Table: r.table(), Key: "an event at " + absent[i].String()}
		if record != nil && record.Event != nil {
			d.Key, d.trace = record.Event.ID.String()+" at "+absent[i].String(), traceID(record.Event.ID)
		}
		c.differs(d)
		return nil
	})
}

// compareAccepted holds how many rows of each partition there have to be, by the store's own account, against the log.
func (r *revenue) compareAccepted() {
	c := r.examination.found.check(checkExtents)
	for p, at := range r.examination.progress {
		c.compared++
		c.same(Difference{Table: "tributary.progress", Key: p.String(), Column: "accepted"},
			strconv.FormatInt(r.examination.accepted[p], 10), strconv.FormatInt(at.accepted, 10))
	}
}

// detailRows reads the rows of events that differ once more, to say what is wrong with them.
func (r *revenue) detailRows(ctx context.Context) error {
	if len(r.rows.held) == 0 {
		return nil
	}
	t := r.rows.table
	t.where = r.in()
	t.only = func(key []byte) bool {
		id, err := uuid.ParseBytes(key[bytes.LastIndex(key, []byte(separator))+1:])
		return err == nil && r.rows.held[r.digests.bucketOf(id)]
	}
	return compareAgain(ctx, r.warehouse, r.rows.check, t, rowsOf(r.expected))
}
