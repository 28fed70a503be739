package audit

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
)

// null is NULL among texts: no text of Postgres has this byte.
const null = "\x00"

// separator joins the cells of a key in memory.
const separator = "\x00"

// The kinds of column, by how they are brought into a text that is the same for equal values.
const (
	asText   = `%s::text`
	asAmount = `trim_scale(%s)::text`
	asHash   = `encode(sha256(%s), 'hex')`
)

type column struct {
	name string
	kind string
}

// table is a view, or a table, as it is compared: rows are found by their keys and then compared by the other columns.
type table struct {
	name   string
	keys   []column
	values []column
	// others are not compared, but given to each.
	others []column
	// modifier stands behind the name, such as FINAL; may be empty.
	modifier string
	// where restricts it, with arguments; may be empty.
	where     string
	arguments []any
	// only picks rows by their keys; all, if nil.
	only func(key []byte) bool
	// trace finds the events behind a row, by its key; those that touch the row, if nil.
	trace func(key string) string
	// first is called with the cells of every row, nil for NULL, when they are added up, and each when they are compared one by one;
	// both may be nil.
	first, each func(cells [][]byte)
	// extra is a text that is compared besides, made of the others; may be nil.
	extra func(others [][]byte) string
}

func texts(names ...string) []column {
	columns := make([]column, len(names))
	for i, name := range names {
		columns[i] = column{name, asText}
	}
	return columns
}

func amounts(names ...string) []column {
	columns := make([]column, len(names))
	for i, name := range names {
		columns[i] = column{name, asAmount}
	}
	return columns
}

func (t *table) sql() string {
	columns := slices.Concat(t.keys, t.values, t.others)
	expressions := make([]string, 0, len(columns))
	for _, c := range columns {
		expressions = append(expressions, fmt.Sprintf(c.kind, `"`+c.name+`"`))
	}
	sql := "SELECT " + strings.Join(expressions, ", ") + " FROM " + t.name + " " + t.modifier
	if t.where != "" {
		sql += " WHERE " + t.where
	}
	return sql
}

// expected is a row as it should be.
type expected interface {
	// cells are the values of the columns that are no keys, in their order.
	cells() []string
	// meet says that the row was found, and returns whether it was found before.
	meet() (before bool)
	// wasMet tells whether it was found.
	wasMet() bool
}

// met is embedded in rows that are expected.
type met bool

func (m *met) meet() bool {
	before := bool(*m)
	*m = true
	return before
}

func (m *met) wasMet() bool { return bool(*m) }

// keyOf joins the cells of a key.
func keyOf(cells ...string) string { return strings.Join(cells, separator) }

// shownKey is a key for people.
func shownKey(key string) string { return strings.ReplaceAll(key, separator, " ") }

// traceRow is the trace of a row.
func traceRow(table, key string) string { return table + separator + key }

// rows are the rows that are expected of a table, by key.
type rows struct {
	find func(key []byte) (expected, bool)
	all  iter.Seq2[string, expected]
}

// rowsOf are the rows of a map.
func rowsOf[E expected](m map[string]E) rows {
	return rows{
		find: func(key []byte) (expected, bool) {
			row, ok := m[string(key)]
			return row, ok
		},
		all: func(yield func(string, expected) bool) {
			for key, row := range m {
				if !yield(key, row) {
					return
				}
			}
		},
	}
}

// source is a database that gives each row of a query to fn, as text, nil for NULL. What fn keeps it must copy.
type source interface {
	stream(ctx context.Context, what, sql string, arguments []any, fn func(row [][]byte) error) error
}

// rowset is what a table should have, and what it has, added up.
type rowset struct {
	table

	check *check
	tally tally
	// held are the buckets whose rows are compared one by one.
	held     suspects
	digester digester
	key      []byte
	// together is how many cells of the key decide on the bucket: rows that are made together are held together; 0 for all.
	together int
}

func newRowset(c *check, seed maphash.Seed, t table) *rowset {
	return &rowset{table: t, check: c, tally: newTally(), digester: digester{seed: seed}}
}

// expect adds a row to those that should be there. Cells are those of values, and the extra one.
func (r *rowset) expect(key string, cells []string) {
	r.digester.text(key)
	for _, cell := range cells {
		r.digester.cell(cell)
	}
	r.tally.expect(bucketOf(r.hash([]byte(key))), r.digester.sum())
}

// hash decides on the bucket.
func (r *rowset) hash(key []byte) uint64 {
	end := 0
	for range r.together {
		next := bytes.IndexByte(key[end:], separator[0])
		if next < 0 {
			end = len(key) + 1
			break
		}
		end += next + 1
	}
	if end > 0 {
		key = key[:end-1]
	}
	return maphash.Bytes(r.digester.seed, key)
}

// read adds up the table.
func (r *rowset) read(ctx context.Context, s source) error {
	values := len(r.keys) + len(r.values)
	return s.stream(ctx, r.name, r.sql(), r.arguments, func(cells [][]byte) error {
		r.check.findings.rows++
		r.check.compared++
		r.key = appendKey(r.key[:0], cells[:len(r.keys)])
		r.digester.bytes(r.key)
		for _, cell := range cells[len(r.keys):values] {
			r.digester.bytes(cell)
		}
		if r.extra != nil {
			r.digester.text(r.extra(cells[values:]))
		}
		r.tally.meet(bucketOf(r.hash(r.key)), r.digester.sum())
		if r.first != nil {
			r.first(cells)
		}
		return nil
	})
}

// suspect tells whether the two do not come to the same. From then on keys are held.
func (r *rowset) suspect() bool {
	held, more := r.tally.suspects()
	r.held = held
	r.check.more(more)
	return len(held) > 0
}

// holds tells whether a key's row is compared by itself.
func (r *rowset) holds(key string) bool { return r.held.has(r.hash([]byte(key))) }

// detail compares the rows that are held with those that should be there, of which there may be more.
func (r *rowset) detail(ctx context.Context, s source, want rows) error {
	if len(r.held) == 0 {
		return nil
	}
	t := r.table
	t.only = func(key []byte) bool { return r.held.has(r.hash(key)) }
	return compareAgain(ctx, s, r.check, t, rows{find: want.find, all: func(yield func(string, expected) bool) {
		for key, row := range want.all {
			if r.holds(key) && !yield(key, row) {
				return
			}
		}
	}})
}

// compareAgain is compare for rows that were counted before.
func compareAgain(ctx context.Context, s source, c *check, t table, want rows) error {
	compared, read := c.compared, c.findings.rows
	err := compare(ctx, s, c, t, want)
	c.compared, c.findings.rows = compared, read
	return err
}

func appendKey(key []byte, cells [][]byte) []byte {
	for i, cell := range cells {
		if i > 0 {
			key = append(key, separator...)
		}
		key = append(key, orNull(cell)...)
	}
	return key
}

// compare streams a table past the rows that are expected of it.
func compare(ctx context.Context, s source, c *check, t table, want rows) error {
	var key []byte
	err := s.stream(ctx, t.name, t.sql(), t.arguments, func(cells [][]byte) error {
		key = appendKey(key[:0], cells[:len(t.keys)])
		if t.only != nil && !t.only(key) {
			return nil
		}
		c.findings.rows++
		c.compared++
		row, ok := want.find(key)
		switch {
		case !ok:
			c.differs(t.difference(KindExtra, string(key)))
		case row.meet():
			c.differs(t.difference(KindRepeated, string(key)))
		default:
			t.compareCells(c, string(key), row.cells(), cells[len(t.keys):])
		}
		if t.each != nil {
			t.each(cells)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for key, row := range want.all {
		if !row.wasMet() {
			c.compared++
			c.differs(t.difference(KindMissing, key))
		}
	}
	return nil
}

func (t *table) difference(kind, key string) Difference {
	trace := traceRow(t.name, key)
	if t.trace != nil {
		trace = t.trace(key)
	}
	return Difference{Kind: kind, Table: t.name, Key: shownKey(key), trace: trace}
}

func (t *table) compareCells(c *check, key string, want []string, got [][]byte) {
	for i, column := range t.values {
		if want[i] == string(got[i]) && got[i] != nil {
			continue
		}
		d := t.difference(KindDifferent, key)
		d.Column = column.name
		c.same(d, want[i], string(orNull(got[i])))
	}
}

func orNull(cell []byte) []byte {
	if cell == nil {
		return []byte(null)
	}
	return cell
}
