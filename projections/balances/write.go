package balances

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// writes are a batch's rows, encoded.
type writes struct {
	generation postgres.Generation
	entries    *postgres.Insert
	totals     []total
}

func entryColumns() []postgres.Column {
	return []postgres.Column{
		{Name: "event_id", OID: postgres.OIDUUID},
		{Name: "occurred_at", OID: postgres.OIDTimestamptz},
		{Name: "recorded_at", OID: postgres.OIDTimestamptz},
		{Name: "kafka_offset", OID: postgres.OIDInt8},
		{Name: "account", OID: postgres.OIDInt4},
		{Name: "entry", OID: postgres.OIDInt4},
		{Name: `"partition"`, OID: postgres.OIDInt4},
		{Name: "topic", OID: postgres.OIDInt2},
		{Name: "event_type", OID: postgres.OIDInt2},
		{Name: "credit", OID: postgres.OIDBool},
		{Name: "amount", OID: postgres.OIDNumeric},
		{Name: "reference", OID: postgres.OIDText},
	}
}

func entryRows(table string, records []eventlog.Record, entries []entry, labels map[string]int16) *postgres.Insert {
	const rowBytes = 170
	return postgres.NewInsert(table, entryColumns(), len(entries), rowBytes, func(f *postgres.Fields, row int) {
		e := &entries[row]
		record := &records[e.record]
		f.UUID(record.Event.ID)
		f.Micros(record.Event.Time.UnixMicro())
		f.Micros(record.RecordedAt.UnixMicro())
		f.Int8(record.Offset)
		f.Int4(e.account)
		f.Int4(e.number)
		f.Int4(record.Partition)
		f.Int2(labels[record.Topic])
		f.Int2(labels[string(record.Event.Type)])
		f.Bool(e.credit)
		f.Amount(e.amount)
		f.Text(record.Event.Subject)
	})
}

const addTotals = `
	INSERT INTO %[1]s AS t (account, topic, "partition", debits, credits)
	SELECT * FROM unnest($1::int4[], $2::int2[], $3::int4[], $4::numeric[], $5::numeric[])
	ON CONFLICT (account, topic, "partition") DO UPDATE
	SET debits = t.debits + excluded.debits, credits = t.credits + excluded.credits`

// Write adds the entries and adds to the totals.
func (w *writes) Write(ctx context.Context, tx pgx.Tx) error {
	if len(w.totals) == 0 {
		return nil
	}
	if err := w.entries.Write(ctx, tx); err != nil {
		return fmt.Errorf("add entries: %w", err)
	}
	n := len(w.totals)
	accounts, topics := postgres.NewArray(postgres.OIDInt4, n, 4), postgres.NewArray(postgres.OIDInt2, n, 2)
	partitions := postgres.NewArray(postgres.OIDInt4, n, 4)
	debits, credits := postgres.NewArray(postgres.OIDNumeric, n, 24), postgres.NewArray(postgres.OIDNumeric, n, 24)
	for i := range w.totals {
		t := &w.totals[i]
		accounts.Next().Int4(t.account)
		topics.Next().Int2(t.topic)
		partitions.Next().Int4(t.partition)
		debits.Next().Sum(t.debits)
		credits.Next().Sum(t.credits)
	}
	sql := fmt.Sprintf(addTotals, w.generation.Table("totals"))
	if err := postgres.Exec(ctx, tx, sql, accounts, topics, partitions, debits, credits); err != nil {
		return fmt.Errorf("add to the totals: %w", err)
	}
	return nil
}

// KeepConflicts lists events that came under a taken id with another content.
func (p *Projection) KeepConflicts(
	ctx context.Context, tx pgx.Tx, generation postgres.Generation, conflicts []postgres.Conflict,
) error {
	sql := "INSERT INTO " + generation.Table("conflicts") + ` (event_id, topic, "partition", kafka_offset,
		kept_topic, kept_partition, kept_kafka_offset, kept, refused) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	for _, c := range conflicts {
		var kept any
		if p.lookup != nil {
			event, err := p.lookup(ctx, c.Kept)
			if err != nil {
				return fmt.Errorf("read the event at %s, which a conflict refers to: %w", c.Kept, err)
			}
			kept = document(event)
		}
		at := c.Refused.Position
		if _, err := tx.Exec(ctx, sql, c.Refused.Event.ID, at.Topic, at.Partition, at.Offset,
			c.Kept.Topic, c.Kept.Partition, c.Kept.Offset, kept, document(c.Refused.Event)); err != nil {
			return fmt.Errorf("list the conflict at %s: %w", at, err)
		}
	}
	return nil
}

// document is the event as CloudEvents JSON, which names no ledger where that is the default one.
func document(event *ledger.Event) json.RawMessage {
	return ledger.AppendJSON(nil, event)
}

// KeepCopies notes when further copies of events were recorded.
func (p *Projection) KeepCopies(
	ctx context.Context, tx pgx.Tx, generation postgres.Generation, copies []eventlog.Record,
) error {
	n := len(copies)
	ids, recorded := make([]uuid.UUID, n), make([]time.Time, n)
	topics, partitions, offsets := make([]string, n), make([]int32, n), make([]int64, n)
	for i := range copies {
		ids[i], recorded[i] = copies[i].Event.ID, copies[i].RecordedAt
		topics[i], partitions[i], offsets[i] = copies[i].Topic, copies[i].Partition, copies[i].Offset
	}
	_, err := tx.Exec(ctx, "INSERT INTO "+generation.Table("copies")+` (event_id, recorded_at, topic, "partition", kafka_offset)
		SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::int4[], $5::int8[])`, ids, recorded, topics, partitions, offsets)
	if err != nil {
		return fmt.Errorf("note %d copies of events: %w", n, err)
	}
	return nil
}
