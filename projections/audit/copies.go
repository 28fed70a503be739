package audit

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// other is a copy that no identity row names: a further copy of an event that counts, a conflict, or an event without a row.
type other struct {
	identity

	kind   ledger.Type
	ledger string
}

// othersAtOnce is how many are looked up together.
const othersAtOnce = 2_000

// mostMissing is how many events without a row are told from their copies; more are counted, and left out of the books.
const mostMissing = 100_000

// resolve finds out what the waiting copies are. It returns the positions of those that count though they have no row.
func (e *examination) resolve(ctx context.Context, s *snapshot) ([]eventlog.Position, error) {
	others := e.ids.others
	e.ids.others = others[:0]
	ids := make([]uuid.UUID, len(others))
	for i := range others {
		ids[i] = others[i].id
	}
	rows := make(map[uuid.UUID]identity, len(ids))
	err := e.eachIdentity(ctx, s, " AND i.event_id = ANY($2)", ids, func(row *identity, _ int64) error {
		rows[row.id] = *row
		return nil
	})
	if err != nil {
		return nil, err
	}
	var counting []eventlog.Position
	for i := range others {
		o := &others[i]
		row, ok := rows[o.id]
		if !ok {
			row, ok = e.ids.missing[o.id]
		}
		switch {
		case !ok:
			if e.misses(o) {
				counting = append(counting, o.at)
			}
		case row.hash == o.hash:
			e.duplicate(o, &row)
		default:
			if err := e.conflict(o, &row); err != nil {
				return nil, err
			}
		}
	}
	return counting, nil
}

// duplicate counts a further copy. It counts as in when the one that counts is: so that must be in, though its offsets are not yet.
func (e *examination) duplicate(o *other, row *identity) {
	e.duplicates++
	if e.claims && row.at.Offset >= e.next[row.at.TopicPartition()] && o.at.Offset < e.progress[o.at.TopicPartition()].visible {
		e.ids.due.add(row.at)
	}
}

// conflict notes an event whose id is taken by another content.
func (e *examination) conflict(o *other, row *identity) error {
	c := conflict{id: o.id, hash: o.hash, keptHash: row.hash, at: o.at, kept: row.at, kind: o.kind, ledger: o.ledger}
	e.addConflict(c)
	if keeper, ok := e.model.(conflictKeeper); ok {
		return keeper.conflict(&c)
	}
	return nil
}

// conflictKeeper is a model that has a table of conflicts.
type conflictKeeper interface{ conflict(c *conflict) error }

// misses notes that an event has no row, and has this copy count; false where there are too many to do that.
func (e *examination) misses(o *other) bool {
	d := e.differsIn(KindMissing, &o.identity)
	d.trace = ""
	d.Events, d.EventsTotal = []Reference{{Position: o.at.String(), EventID: o.id.String(), Type: string(o.kind)}}, 1
	e.found.check(checkIdentities).differs(d)
	if len(e.ids.missing) == mostMissing {
		return false
	}
	e.ids.missing[o.id] = o.identity
	return true
}

// foldAt has copies count that no identity row names.
func (l *log) foldAt(ctx context.Context, e *examination, at []eventlog.Position) error {
	if len(at) == 0 {
		return nil
	}
	lookup, err := eventlog.NewLookup(l.kafka)
	if err != nil {
		return err
	}
	defer lookup.Close()
	return lookup.Each(ctx, at, func(i int, record *eventlog.Record) error {
		if record == nil || record.Event == nil {
			return fmt.Errorf("%s held an event a moment ago: %w", at[i], eventlog.ErrNoRecord)
		}
		if e.ids.counts.add(at[i]) {
			e.accepted[at[i].TopicPartition()]++
			return e.model.fold(record)
		}
		return nil
	})
}

// copies are those of an event whose identity row is not as it should be, or that has none.
type copies struct {
	// first is the one that was read first, counted the one that a row names, perhaps another event's; nil for none.
	first, counted *identity
	rows           int
}

// inspection finds out what is wrong with identity rows.
type inspection struct {
	*examination

	held suspects
	met  map[uuid.UUID]*copies
}

// inspect holds the identity rows against the log, once it is read, where they do not come to the same. Events whose rows name
// positions where they are not are folded now: the first copy of each.
func (l *log) inspect(ctx context.Context, s *snapshot) error {
	var all []*inspection
	for _, e := range l.all {
		if e.ids == nil {
			continue
		}
		c := e.found.check(checkIdentities)
		c.compared += e.ids.rows
		e.found.rows += e.ids.rows
		held, more := e.ids.tally.suspects()
		c.more(more)
		if len(held) > 0 {
			all = append(all, &inspection{e, held, map[uuid.UUID]*copies{}})
		}
	}
	if err := l.see(ctx, all); err != nil {
		return err
	}
	for _, q := range all {
		late, err := q.conclude(ctx, s)
		if err != nil {
			return err
		}
		if err := l.foldAt(ctx, q.examination, late); err != nil {
			return err
		}
	}
	for _, e := range l.all {
		if err := e.nameTwice(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// see reads the log for the copies of the events in question.
func (l *log) see(ctx context.Context, all []*inspection) error {
	if len(all) == 0 {
		return nil
	}
	return l.read(ctx, PhaseAgain, l.mark, func(batch *eventlog.Batch, marks []mark) error {
		for _, q := range all {
			err := q.each(batch, func(i int, record *eventlog.Record, at eventlog.Position) error {
				q.see(record, at, marks[i].hash)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (q *inspection) see(record *eventlog.Record, at eventlog.Position, hash contentHash) {
	if q.aside != nil && q.aside(record) || !q.held.has(q.ids.digester.id(record.Event.ID)) {
		return
	}
	id := record.Event.ID
	c := q.met[id]
	if c == nil {
		c = &copies{first: &identity{id, hash, at}}
		q.met[id] = c
	}
	if q.ids.counts.has(at) {
		c.counted = &identity{id, hash, at}
	}
}

// conclude reads the rows in question. It returns the copies that are to count.
func (q *inspection) conclude(ctx context.Context, s *snapshot) (late []eventlog.Position, err error) {
	check := q.found.check(checkIdentities)
	err = q.eachIdentity(ctx, s, "", nil, func(row *identity, next int64) error {
		if !q.held.has(q.ids.digester.id(row.id)) {
			return nil
		}
		c := q.met[row.id]
		if c != nil {
			c.rows++
		}
		switch {
		case row.at.Offset >= next: // That was told, or is no fault.
		case c == nil:
			d := q.differsIn(KindExtra, row)
			d.Got = row.at.String()
			check.differs(d)
		case c.counted != nil && c.counted.at == row.at:
			q.compareHash(row, c.counted.hash)
		default:
			want := c.counted
			if want == nil {
				want = c.first
				late = append(late, want.at)
			}
			d := q.differsIn(KindDifferent, row)
			d.Column = "kafka_offset"
			check.same(d, want.at.String(), row.at.String())
		}
		return nil
	})
	for id, c := range q.met {
		if _, told := q.ids.missing[id]; c.rows == 0 && c.counted != nil && !told {
			check.differs(q.differsIn(KindMissing, c.counted))
		}
	}
	return late, err
}

// nameTwice finds the ids that have more than one row.
func (e *examination) nameTwice(ctx context.Context, s *snapshot) error {
	if e.ids == nil || len(e.ids.twice) == 0 {
		return nil
	}
	rows := map[uuid.UUID]int{}
	err := e.eachIdentity(ctx, s, "", nil, func(row *identity, _ int64) error {
		if e.ids.twice[e.ids.digester.id(row.id)] {
			rows[row.id]++
		}
		return nil
	})
	for id, n := range rows {
		if n > 1 {
			e.found.check(checkIdentities).differs(e.differsIn(KindRepeated, &identity{id: id}))
		}
	}
	return err
}
