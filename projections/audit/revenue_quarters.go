package audit

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// The aggregates that are kept in each part of the table.
const (
	projectionQuarters  = "quarter_hours"
	projectionPositions = "positions"
)

const quarterSeconds = 15 * 60

// takingsColumns are gross, fees, refunds and events.
const takingsColumns = 4

// takings are the sums over some events.
type takings struct {
	gross, fees, refunds big.Int
	events               int64
}

func (t *takings) add(sign int64, other *takings) {
	for _, s := range []struct{ to, from *big.Int }{{&t.gross, &other.gross}, {&t.fees, &other.fees}, {&t.refunds, &other.refunds}} {
		if sign < 0 {
			s.to.Sub(s.to, s.from)
		} else {
			s.to.Add(s.to, s.from)
		}
	}
	t.events += sign * other.events
}

func (t *takings) cells() []string {
	return []string{decimal(&t.gross), decimal(&t.fees), decimal(&t.refunds), strconv.FormatInt(t.events, 10)}
}

// quarters are the takings of each quarter of an hour, by what the aggregate groups by. Names are kept once: quarters are many.
type quarters struct {
	series map[string]int32
	names  []string
	sums   map[quarter]*quarterTakings
}

type quarter struct {
	series int32
	start  int64 // In seconds since 1970.
}

type quarterTakings struct {
	takings

	met bool
}

func newQuarters() quarters {
	return quarters{series: map[string]int32{}, sums: map[quarter]*quarterTakings{}}
}

// series is what takings are kept apart by.
func (e *earning) series(book string) string {
	return keyOf(book, e.stream, e.owner, e.pointer, e.post, e.asset)
}

func quarterOf(at time.Time) int64 {
	seconds := at.Unix()
	return seconds - seconds%quarterSeconds
}

// quarterName is the key of a quarter of an hour, for people.
func quarterName(series string, start int64) string {
	return keyOf(series, time.Unix(start, 0).UTC().Format(time.DateTime))
}

// quarterKey is the key of a quarter of an hour.
func quarterKey(key []byte, series string, start int64) []byte {
	return append(append(binary.BigEndian.AppendUint64(key, uint64(start)), separator...), series...) //nolint:gosec // The bits count.
}

func (q *quarters) add(name string, start int64, e *earning) {
	series, ok := q.series[name]
	if !ok {
		series = int32(len(q.names)) //nolint:gosec // Memory ends before.
		q.series[name] = series
		q.names = append(q.names, name)
	}
	key := quarter{series, start}
	sums, ok := q.sums[key]
	if !ok {
		sums = &quarterTakings{}
		q.sums[key] = sums
	}
	sums.gross.Add(&sums.gross, e.gross)
	sums.fees.Add(&sums.fees, e.fees)
	sums.refunds.Add(&sums.refunds, e.refunds)
	sums.events++
}

// find is nil for a quarter of an hour in which the log has nothing.
func (q *quarters) find(series string, start int64) *quarterTakings {
	if at, ok := q.series[series]; ok {
		return q.sums[quarter{at, start}]
	}
	return nil
}

// quartersSQL asks for sums as the views do, and for those of the rows that are in ahead of the offsets, of one moment: all
// queries of one statement see the same parts.
const quartersSQL = `SELECT toString(ahead), ledger, stream, owner, pointer, post_id, asset_code, toString(toUnixTimestamp(quarter)),
	toString(gross), toString(fees), toString(refunds), toString(events) FROM (
		SELECT 0 AS ahead, %[1]s FROM %[2]s GROUP BY %[3]s
		UNION ALL SELECT 1 AS ahead, %[1]s FROM %[2]s WHERE NOT (%[4]s) GROUP BY %[3]s
	)`

const (
	quarterColumns = `ledger, stream, owner, pointer, post_id, asset_code, toStartOfFifteenMinutes(occurred_at) AS quarter,
		sum(toDecimal256(gross, 18)) AS gross, sum(toDecimal256(fees, 18)) AS fees, sum(toDecimal256(refunds, 18)) AS refunds,
		count() AS events`
	quarterGroups = `ledger, stream, owner, pointer, post_id, asset_code, quarter`
)

// openQuarter is one whose sums are not those of the log: so far, as long as it is not known what is in ahead of the offsets.
type openQuarter struct {
	got takings
	// counted says that the aggregate has it.
	counted bool
}

// tallyQuarters adds up the sums that the views read, less those of what is in ahead of the offsets.
func (r *revenue) tallyQuarters(ctx context.Context) error {
	c := r.examination.found.check(checkQuarters)
	name := r.table()
	sql := fmt.Sprintf(quartersSQL, quarterColumns, name, quarterGroups, r.in())
	return r.ask(ctx, projectionQuarters, sql, func(row [][]byte) error {
		got, start, err := readTakings(row)
		if err != nil {
			return err
		}
		if string(row[0]) == "1" {
			got.negate()
		} else {
			c.compared++
		}
		r.key = quarterKey(r.key[:0], joined(row[1:7]), start)
		for column, amount := range []*big.Int{&got.gross, &got.fees, &got.refunds, big.NewInt(got.events)} {
			r.sums.meet(r.key, column, amount)
		}
		return nil
	})
}

// negate makes the takings those that are to be taken off.
func (t *takings) negate() {
	var negative takings
	negative.add(-1, t)
	*t = negative
}

// detailQuarters holds the sums that the views read, and that differ, against those of the log.
func (r *revenue) detailQuarters(ctx context.Context) error {
	if len(r.heldSums) == 0 {
		return nil
	}
	c := r.examination.found.check(checkQuarters)
	name := r.table()
	sql := fmt.Sprintf(quartersSQL, quarterColumns, name, quarterGroups, r.in())
	open := map[string]*openQuarter{}
	compared := c.compared
	err := r.ask(ctx, projectionQuarters, sql, func(row [][]byte) error {
		got, start, err := readTakings(row)
		if err != nil {
			return err
		}
		series := joined(row[1:7])
		if !r.sums.holds(r.heldSums, string(quarterKey(nil, series, start))) {
			return nil
		}
		want := r.quarters.find(series, start)
		ahead := string(row[0]) == "1"
		if !ahead && want != nil {
			want.met = true
			if equalTakings(&want.takings, got) {
				return nil
			}
		}
		key := fmt.Sprint(start, separator, series)
		o, ok := open[key]
		if !ok {
			o = &openQuarter{}
			open[key] = o
		}
		if ahead {
			o.got.add(-1, got)
		} else {
			o.counted = true
			o.got.add(1, got)
		}
		return nil
	})
	if err == nil {
		r.closeQuarters(c, open)
	}
	c.compared = compared
	return err
}

// closeQuarters judges what is left when what is in ahead of the offsets is taken off.
func (r *revenue) closeQuarters(c *check, open map[string]*openQuarter) {
	name := r.table()
	columns := []string{"gross", "fees", "refunds", "events"}
	for key, o := range open {
		text, series, _ := strings.Cut(key, separator)
		var start int64
		_, _ = fmt.Sscan(text, &start) // It was written above.
		want := r.quarters.find(series, start)
		shownAs := quarterName(series, start)
		d := Difference{Table: name, Key: shownKey(shownAs), trace: traceRow(name, shownAs)}
		switch {
		case want == nil && o.got.events == 0 && equalTakings(&o.got, &takings{}):
		case want == nil:
			d.Kind = KindExtra
			c.differs(d)
		default:
			if !o.counted && !want.met {
				continue // It is missing, as is told below.
			}
			if !o.counted { // The aggregate has the log's, and not what is in ahead.
				o.got.add(1, &want.takings)
			}
			got := o.got.cells()
			for i, cell := range want.cells() {
				d.Column = "sum of " + columns[i]
				c.same(d, cell, got[i])
			}
		}
	}
	for key, want := range r.quarters.sums {
		if !want.met {
			c.compared++
			shownAs := quarterName(r.quarters.names[key.series], key.start)
			c.differs(Difference{Kind: KindMissing, Table: name, Key: shownKey(shownAs), trace: traceRow(name, shownAs)})
		}
	}
}

func joined(cells [][]byte) string {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = string(cell)
	}
	return keyOf(texts...)
}

// readTakings reads a row of quartersSQL.
func readTakings(row [][]byte) (got *takings, start int64, err error) {
	got = &takings{}
	for i, to := range []*big.Int{&got.gross, &got.fees, &got.refunds} {
		amount, ok := parseDecimal(string(row[8+i]))
		if !ok {
			return nil, 0, fmt.Errorf("a sum: %q is no amount", row[8+i])
		}
		to.Set(amount)
	}
	if _, err = fmt.Sscan(string(row[7])+" "+string(row[11]), &start, &got.events); err != nil {
		return nil, 0, fmt.Errorf("a quarter of an hour: %w", err)
	}
	return got, start, nil
}

func equalTakings(a, b *takings) bool {
	return a.events == b.events && a.gross.Cmp(&b.gross) == 0 && a.fees.Cmp(&b.fees) == 0 && a.refunds.Cmp(&b.refunds) == 0
}

// extentsSQL asks what the table has of each partition, once as a new owner does, and once by counting rows.
const extentsSQL = `SELECT concat(topic, '/', toString("partition")), toString(max(asked)), toString(max(counted)),
	toString(sum(asked_rows)), toString(sum(counted_rows)) FROM (
		SELECT topic, "partition", max(kafka_offset) AS asked, toInt64(-1) AS counted, count() AS asked_rows, 0 AS counted_rows
		FROM %[1]s GROUP BY topic, "partition"
		UNION ALL SELECT topic, "partition", -1, max(kafka_offset), 0, count() FROM %[1]s WHERE NOT ignore(event_id) GROUP BY topic, "partition"
	) GROUP BY topic, "partition"`

// compareExtents holds the answer from which a new owner goes on against the rows.
func (r *revenue) compareExtents(ctx context.Context) error {
	c := r.examination.found.check(checkExtents)
	name := r.table()
	return r.ask(ctx, projectionPositions, fmt.Sprintf(extentsSQL, name), func(row [][]byte) error {
		c.compared++
		d := Difference{Table: name, Key: string(row[0]), Column: "max(kafka_offset)"}
		c.same(d, string(row[2]), string(row[1]))
		d.Column = "count()"
		c.same(d, string(row[4]), string(row[3]))
		return nil
	})
}
