package reactors

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/payments"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Name is the recovery's, on the command line and in the stores.
const Name = "recovery"

const version = 1

// Grace is after how long an intent without an outcome is looked after: past the time that whoever wrote it may take himself.
const Grace = 15 * time.Second

//go:embed migrations/*.sql
var migrations embed.FS

// Tasks keep what is under way, for Recovery.
type Tasks struct{ grace time.Duration }

// NewTasks makes the projection. Grace is the usual one when 0.
func NewTasks(grace time.Duration) *Tasks { return &Tasks{cmp.Or(grace, Grace)} }

// Definition names it; it reads the payments.
func (*Tasks) Definition() projections.Definition {
	return projections.Definition{Name: Name, Version: version, Topics: []string{eventlog.TopicPayments}}
}

// Migrations are its table.
func (*Tasks) Migrations() fs.FS { return migrations }

// Tables is its one table.
func (*Tasks) Tables() []postgres.Table {
	return []postgres.Table{{
		Name: "tasks", With: "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05",
		Keys: []string{"PRIMARY KEY (ledger, payment_id, kind, refund_id)"}, Indexes: []string{"(due_at)"},
	}}
}

// Wants what begins a task or ends one.
func (*Tasks) Wants(record *eventlog.Record) bool {
	if record.Event == nil {
		return false
	}
	_, opens := payments.Opens(record.Event)
	return opens || len(payments.Closes(record.Event)) > 0
}

// ByPosition says that copies of an event are taken as they come: what they remind of is checked before anything is done.
func (*Tasks) ByPosition() {}

// Prepare folds the records into what is under way after them, and what is not any more.
func (t *Tasks) Prepare(_ context.Context, generation postgres.Generation, records []eventlog.Record) (postgres.Writes, error) {
	return &writes{generation.Table("tasks"), generation.Number, t.grace, fold(records)}, nil
}

// fold is pure: where each task was begun, by the last word of each; nil where it was ended.
func fold(records []eventlog.Record) map[payments.Task]*eventlog.Record {
	last := map[payments.Task]*eventlog.Record{}
	for i := range records {
		if task, opens := payments.Opens(records[i].Event); opens {
			last[task] = &records[i]
		}
		for _, task := range payments.Closes(records[i].Event) {
			last[task] = nil
		}
	}
	return last
}

// writes are a batch's changes.
type writes struct {
	table      string
	generation int32
	grace      time.Duration
	tasks      map[payments.Task]*eventlog.Record
}

// columns are the tasks as arrays, for one statement.
type columns struct {
	ledgers, ids, kinds, refunds []string
	due                          []time.Time
	partitions                   []int32
	offsets                      []int64
}

// Write takes away what ended and puts in what began.
func (w *writes) Write(ctx context.Context, tx pgx.Tx) error {
	var opened, closed columns
	for _, task := range slices.SortedFunc(maps.Keys(w.tasks), compare) {
		to := &opened
		if w.tasks[task] == nil {
			to = &closed
		}
		to.ledgers, to.ids = append(to.ledgers, task.Ledger), append(to.ids, task.PaymentID)
		to.kinds, to.refunds = append(to.kinds, string(task.Kind)), append(to.refunds, task.RefundID)
		if record := w.tasks[task]; record != nil {
			to.due = append(to.due, record.RecordedAt.Add(w.grace))
			to.partitions, to.offsets = append(to.partitions, record.Partition), append(to.offsets, record.Offset)
		}
	}
	if len(closed.ids) > 0 {
		_, err := tx.Exec(ctx, `DELETE FROM `+w.table+` t USING unnest($1::text[], $2::text[], $3::text[], $4::text[]) u(l, p, k, r)
			WHERE t.ledger = l AND t.payment_id = p AND t.kind = k AND t.refund_id = r`,
			closed.ledgers, closed.ids, closed.kinds, closed.refunds)
		if err != nil {
			return fmt.Errorf("close tasks: %w", err)
		}
	}
	if len(opened.ids) > 0 {
		_, err := tx.Exec(ctx, `INSERT INTO `+w.table+` (ledger, payment_id, kind, refund_id, due_at, "partition", kafka_offset, generation)
			SELECT *, $8 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::int4[], $7::int8[])
			ON CONFLICT (ledger, payment_id, kind, refund_id) DO UPDATE SET kafka_offset = excluded.kafka_offset`,
			opened.ledgers, opened.ids, opened.kinds, opened.refunds, opened.due, opened.partitions, opened.offsets, w.generation)
		if err != nil {
			return fmt.Errorf("open tasks: %w", err)
		}
	}
	return nil
}

func compare(a, b payments.Task) int {
	return cmp.Or(cmp.Compare(a.Ledger, b.Ledger), cmp.Compare(a.PaymentID, b.PaymentID), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.RefundID, b.RefundID))
}
