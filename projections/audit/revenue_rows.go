package audit

import (
	"bytes"
	"context"
	"fmt"
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

// tallyRows adds the table's rows up, but for those that are in ahead of the offsets.
func (r *revenue) tallyRows(ctx context.Context) error {
	e, c := r.examination, r.rows.check
	ahead := e.found.check(checkAhead)
	e.ids.due.each(func(eventlog.Position) bool { ahead.compared++; return true })
	err := r.warehouse.stream(ctx, r.rows.name, r.rows.sql(), nil, func(row [][]byte) error {
		c.compared++
		e.found.rows++
		id, at, err := revenuePlace(row)
		if err != nil {
			return err
		}
		if at.Offset >= e.next[at.TopicPartition()] {
			e.ids.due.remove(at)
		} else {
			r.rows.tally.meet(r.bucketOf(id), r.digester.row(row))
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.compareAccepted()
	return r.nameDue(ctx, ahead)
}

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

// revenuePlace is the event of a row, and where it lies.
func revenuePlace(row [][]byte) (uuid.UUID, eventlog.Position, error) {
	id, err := uuid.ParseBytes(row[3])
	if err != nil {
		return id, eventlog.Position{}, fmt.Errorf("an event id: %w", err)
	}
	at, err := eventlog.ParsePosition(string(row[0]) + "/" + string(row[1]) + "@" + string(row[2]))
	return id, at, err
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
		return err == nil && r.rows.held[r.bucketOf(id)]
	}
	return compareAgain(ctx, r.warehouse, r.rows.check, t, rowsOf(r.expected))
}

// cells is the digest of texts, as row is of a row.
func (d *digester) cells(all ...[]string) uint64 {
	for _, cells := range all {
		for _, cell := range cells {
			d.text(cell)
		}
	}
	return d.sum()
}

func (d *digester) row(cells [][]byte) uint64 {
	for _, cell := range cells {
		d.bytes(cell)
	}
	return d.sum()
}
