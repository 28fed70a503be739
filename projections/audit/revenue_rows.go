package audit

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// revenueRow is a row of the table of events.
type revenueRow struct {
	met

	values []string
}

func (r *revenueRow) cells() []string { return r.values }

func (r *revenue) suspects() suspects { return r.suspected }

func (r *revenue) again(record *eventlog.Record) {
	e, ok := r.earning(record.Event)
	if !ok {
		return
	}
	values := e.values(record)
	for i := range values {
		values[i] = strings.Clone(values[i])
	}
	r.expected[keyOf(revenueKey(record)...)] = &revenueRow{values: values}
}

// compareRows takes the digests of the table's rows from those of the log's, and suspects each event whose digest does not
// come to zero.
func (r *revenue) compareRows(ctx context.Context) error {
	e := r.examination
	c := e.found.check(checkRevenueRows)
	t := table{name: r.table(), keys: revenueKeys(), values: revenueValues()}
	err := r.warehouse.stream(ctx, t.name, t.sql(), nil, func(row [][]byte) error {
		c.compared++
		e.found.rows++
		id, at, err := revenuePlace(row)
		if err != nil {
			return err
		}
		event := e.ids.find(id)
		if at.Offset >= e.next[at.TopicPartition()] {
			if event != nil && event.at == at {
				event.folded = true
			}
			return nil
		}
		if event == nil {
			r.suspected.add(c, id)
		} else {
			event.digest -= r.digester.row(row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.suspectRows(c, t.name)
	r.compareAccepted()
	return nil
}

// suspectRows judges each event, now that all rows are read.
func (r *revenue) suspectRows(c *check, table string) {
	ahead := r.examination.found.check(checkAhead)
	for id, at := range r.examination.ids.index {
		s := &r.examination.ids.slots[at]
		if s.digest != 0 {
			r.suspected.add(c, id)
		}
		if !s.due {
			continue
		}
		ahead.compared++
		if !s.folded {
			ahead.differs(Difference{
				Kind: KindMissing, Table: table, Key: id.String() + " at " + s.at.String(), trace: traceID(id),
			})
		}
	}
}

// compareAccepted holds how many rows of each partition there have to be, by the store's own account, against the log.
func (r *revenue) compareAccepted() {
	c := r.examination.found.check(checkExtents)
	rows := map[eventlog.TopicPartition]int64{}
	for i := range r.examination.ids.slots {
		if s := &r.examination.ids.slots[i]; s.folded && !s.past {
			rows[s.at.TopicPartition()]++
		}
	}
	for p, at := range r.examination.progress {
		c.compared++
		c.same(Difference{Table: "tributary.progress", Key: p.String(), Column: "accepted"},
			strconv.FormatInt(rows[p], 10), strconv.FormatInt(at.accepted, 10))
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

// detail reads the suspects' rows once more, to say what is wrong with them.
func (r *revenue) detail(ctx context.Context, _ *snapshot) error {
	ids := make([]string, 0, len(r.suspected))
	for id := range r.suspected {
		ids = append(ids, "'"+id.String()+"'")
	}
	c := r.examination.found.check(checkRevenueRows)
	failed, compared, read := c.failed, c.compared, c.findings.rows
	t := table{
		name: r.table(), keys: revenueKeys(), values: revenueValues(),
		where: "toString(event_id) IN (" + strings.Join(ids, ", ") + ") AND " + r.in(),
		trace: func(key string) string { return "event " + key[strings.LastIndex(key, separator)+1:] },
	}
	if err := compare(ctx, r.warehouse, c, t, rowsOf(r.expected)); err != nil {
		return err
	}
	c.compared, c.findings.rows = compared, read // They were counted before.
	if c.failed == failed {
		for id := range r.suspected {
			c.differs(Difference{Kind: KindDifferent, Table: t.name, Key: id.String(), trace: traceID(id)})
		}
	}
	return nil
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
