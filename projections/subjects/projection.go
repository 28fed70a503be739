package subjects

import (
	"cmp"
	"context"
	"embed"
	"hash/fnv"
	"io/fs"
	"slices"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Name is the projection's.
const Name = "subjects"

const version = 1

//go:embed migrations/*.sql
var migrations embed.FS

// Projection is the index.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Definition names it; it reads all topics.
func (*Projection) Definition() projections.Definition {
	return projections.Definition{Name: Name, Version: version, Topics: eventlog.Topics()}
}

// Migrations are its table.
func (*Projection) Migrations() fs.FS { return migrations }

// Tables is its one table.
func (*Projection) Tables() []postgres.Table {
	return []postgres.Table{{Name: "places", Indexes: []string{"(name_hash)"}}}
}

// Wants every record that is about something.
func (*Projection) Wants(record *eventlog.Record) bool {
	return record.Event != nil || record.Rejected != nil
}

// ByPosition says that each copy of an event has its row.
func (*Projection) ByPosition() {}

// place is a row.
type place struct {
	hash int64
	at   eventlog.Position
}

// Names are what a record is about: an event's subject; of what was refused all that it may be about.
func Names(record *eventlog.Record) []string {
	if record.Event != nil {
		return []string{record.Event.Subject}
	}
	if record.Rejected != nil {
		return record.Rejected.Subjects()
	}
	return nil
}

// hashOf is a name as the table has it.
func hashOf(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it never fails
	return int64(h.Sum64())      //nolint:gosec // the bits are what counts
}

// fold is pure. Rows are sorted by hash, so that those of an index's page come together.
func fold(records []eventlog.Record) []place {
	places := make([]place, 0, len(records))
	for i := range records {
		if event := records[i].Event; event != nil {
			places = append(places, place{hashOf(event.Subject), records[i].Position})
			continue
		}
		for _, name := range Names(&records[i]) {
			places = append(places, place{hashOf(name), records[i].Position})
		}
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.hash, b.hash) })
	return places
}

// Prepare encodes a row for each name of a record.
func (*Projection) Prepare(
	_ context.Context, generation postgres.Generation, records []eventlog.Record,
) (postgres.Writes, error) {
	const rowBytes = 40
	places := fold(records)
	columns := []postgres.Column{
		{Name: "name_hash", OID: postgres.OIDInt8},
		{Name: "topic", OID: postgres.OIDInt2},
		{Name: `"partition"`, OID: postgres.OIDInt4},
		{Name: "kafka_offset", OID: postgres.OIDInt8},
	}
	return postgres.NewInsert(generation.Table("places"), columns, len(places), rowBytes, func(f *postgres.Fields, row int) {
		p := &places[row]
		f.Int8(p.hash)
		f.Int2(numberOf(p.at.Topic))
		f.Int4(p.at.Partition)
		f.Int8(p.at.Offset)
	}), nil
}

// numberOf is a topic as the table has it.
func numberOf(topic string) int16 {
	return int16(slices.Index(eventlog.Topics(), topic) + 1) //nolint:gosec // there are three
}
