package comparison

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// The columns by which a row names its event, and what an amount is in.
const (
	columnEvent  = "event_id"
	columnType   = "event_type" // or columnKind, in ClickHouse
	columnKind   = "type"
	columnTopic  = "topic"
	columnNumber = "partition"
	columnOffset = "kafka_offset"
	columnAsset  = "asset_code"
)

// column is one of what is compared.
type column struct {
	name string
	// key says that it is of the key, copied that it tells of a copy of an event, and may differ.
	key, copied bool
	// number says that a difference can be told; scaled, that equal numbers may have more or fewer zeros behind the point; amount,
	// that it is of an asset.
	number, scaled, amount bool
}

// shape is what is known of the columns of a view.
type shape struct {
	columns []column
	// event, kind, topic, partition, offset and asset are the places of those columns, -1 where there are none.
	event, kind, topic, partition, offset, asset int
}

func newShape(columns []column) shape {
	find := func(name string) int {
		return slices.IndexFunc(columns, func(c column) bool { return c.name == name })
	}
	s := shape{
		columns: columns, event: find(columnEvent), kind: find(columnType), topic: find(columnTopic),
		partition: find(columnNumber), offset: find(columnOffset), asset: find(columnAsset),
	}
	if s.kind < 0 && s.event >= 0 {
		s.kind = find(columnKind)
	}
	for i := range columns {
		columns[i].amount = columns[i].amount && s.asset >= 0
	}
	return s
}

// places are those of columns.
func (s *shape) places(names []string) []int {
	places := make([]int, len(names))
	for i, name := range names {
		places[i] = slices.IndexFunc(s.columns, func(c column) bool { return c.name == name })
	}
	return places
}

// needs is an error where a column that is declared is not there.
func (s *shape) needs(of postgres.ReaderView) error {
	names := slices.Concat(of.Key, of.Copy)
	if at := slices.Index(s.places(names), -1); at >= 0 {
		return fmt.Errorf("%s has no column %s, by which its rows are compared: it is not what the projection declares in Readers",
			of.Name, names[at])
	}
	return nil
}

// row is one of a stream, valid until the next is asked for.
type row struct {
	bucket int
	// key is what rows of a bucket are ordered by.
	key []byte
	// cells are the values as texts, nil for NULL.
	cells [][]byte
	// subjects is a JSON array, or nil.
	subjects []byte
}

func (s *shape) key(r *row) []Cell {
	var cells []Cell
	for i, c := range s.columns {
		if c.key {
			cells = append(cells, Cell{c.name, string(r.cells[i])})
		}
	}
	return cells
}

// sameBut compares two rows of one key: what differs, and whether that is only where the copy of the event lies.
func (s *shape) sameBut(live, other *row) (same, copies bool) {
	same = true
	for i, c := range s.columns {
		if equal(live.cells[i], other.cells[i]) {
			continue
		}
		if !c.copied {
			return false, false
		}
		copies = true
	}
	return same, copies
}

func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// place is the event that a row names; ok is false where it names none.
func (s *shape) place(r *row) (p place, ok bool) {
	if r == nil || s.topic < 0 || s.partition < 0 || s.offset < 0 {
		return p, false
	}
	at, err := eventlog.ParsePosition(string(r.cells[s.topic]) + "/" + string(r.cells[s.partition]) + "@" + string(r.cells[s.offset]))
	if err != nil {
		return p, false
	}
	p.at = at
	if s.kind >= 0 {
		p.kind = string(r.cells[s.kind])
	}
	p.id, _ = s.id(r) // Nil where the row has none that can be read.
	return p, true
}

func (s *shape) id(r *row) (uuid.UUID, bool) {
	if r == nil || s.event < 0 {
		return uuid.Nil, false
	}
	id, err := uuid.ParseBytes(r.cells[s.event])
	return id, err == nil
}

// values are the columns that differ; of a row that one generation has alone, its amounts.
func (s *shape) values(live, other *row) []Value {
	values := []Value{}
	for i, c := range s.columns {
		l, o := cellOf(live, i), cellOf(other, i)
		whole := live == nil || other == nil
		if c.copied || whole && !c.amount || !whole && equal(l, o) {
			continue
		}
		v := Value{Column: c.name, Live: shown(l), Other: shown(o)}
		if c.number {
			v.Delta = delta(l, o)
		}
		if c.amount {
			v.AssetCode = string(s.assetOf(live, other))
		}
		values = append(values, v)
	}
	return values
}

func (s *shape) assetOf(live, other *row) []byte {
	if other != nil {
		return other.cells[s.asset]
	}
	return live.cells[s.asset]
}

func cellOf(r *row, i int) []byte {
	if r == nil {
		return nil
	}
	return r.cells[i]
}

// shown is a value as it is kept.
func shown(cell []byte) *string {
	if cell == nil {
		return nil
	}
	text := string(cell)
	if len(cell) > maxValue {
		text = string(bytes.ToValidUTF8(cell[:maxValue], nil)) + "…"
	}
	return &text
}
