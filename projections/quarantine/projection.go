package quarantine

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Name is the projection's.
const Name = "quarantine"

const version = 1

//go:embed migrations/*.sql
var migrations embed.FS

// Projection is the quarantine.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Definition names it; it reads all topics, for what is not valid on them.
func (*Projection) Definition() projections.Definition {
	return projections.Definition{Name: Name, Version: version, Topics: eventlog.Topics(), Rejections: true}
}

// Migrations are its table and view.
func (*Projection) Migrations() fs.FS { return migrations }

// Tables are its tables.
func (*Projection) Tables() []postgres.Table {
	const position = `PRIMARY KEY (topic, "partition", kafka_offset)`
	return []postgres.Table{
		{Name: "records", Keys: []string{position}, Indexes: []string{`(recorded_at, topic, "partition", kafka_offset)`}},
		{Name: "releases", Keys: []string{position}, Indexes: []string{"(of_topic, of_partition, of_offset)"}},
	}
}

// Wants the records that hold no valid event, and the events that were published again for such.
func (*Projection) Wants(record *eventlog.Record) bool {
	return record.Rejected != nil || record.Release != nil
}

// ByPosition says that a record has no identity but that.
func (*Projection) ByPosition() {}

// Prepare encodes a row a record.
func (*Projection) Prepare(
	_ context.Context, generation postgres.Generation, records []eventlog.Record,
) (postgres.Writes, error) {
	const reserved, rowBytes = 1000, 1024
	rows := postgres.NewRows(min(len(records), reserved), rowBytes)
	releases := postgres.NewRows(0, rowBytes)
	for i := range records {
		if record := &records[i]; record.Rejected != nil {
			put(rows, fold(record))
		} else {
			putRelease(releases, record)
		}
	}
	return writes{generation, rows, releases}, nil
}

// writes are a batch's rows, encoded.
type writes struct {
	generation     postgres.Generation
	rows, releases *postgres.Rows
}

const releaseColumns = `(topic, "partition", kafka_offset, recorded_at, of_topic, of_partition, of_offset, released_by)`

func putRelease(rows *postgres.Rows, record *eventlog.Record) {
	const fields = 8
	rows.Row(fields)
	rows.Text(record.Topic)
	rows.Int4(record.Partition)
	rows.Int8(record.Offset)
	rows.Time(record.RecordedAt)
	rows.Text(readable(record.Release.Of.Topic))
	rows.Int4(record.Release.Of.Partition)
	rows.Int8(record.Release.Of.Offset)
	rows.Text(record.Release.By)
}

const columns = `(topic, "partition", kafka_offset, recorded_at, ledger, reason, path, message, event_id, key, headers, payload)`

func put(rows *postgres.Rows, r row) {
	const fields = 12
	rows.Row(fields)
	rows.Text(r.topic)
	rows.Int4(r.partition)
	rows.Int8(r.offset)
	rows.Time(r.recordedAt)
	rows.NullableText(r.ledger)
	rows.Text(r.reason)
	rows.Text(r.path)
	rows.Text(r.message)
	rows.NullableText(r.eventID)
	rows.NullableBytes(r.key)
	rows.JSONB(r.headers)
	rows.NullableBytes(r.payload)
}

// Write copies the rows.
func (w writes) Write(ctx context.Context, tx pgx.Tx) error {
	if err := postgres.Copy(ctx, tx, w.generation.Table("records")+" "+columns, w.rows); err != nil {
		return fmt.Errorf("copy quarantined records: %w", err)
	}
	if err := postgres.Copy(ctx, tx, w.generation.Table("releases")+" "+releaseColumns, w.releases); err != nil {
		return fmt.Errorf("copy releases: %w", err)
	}
	return nil
}
