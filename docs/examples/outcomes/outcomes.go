// Package outcomes is the worked example of docs/projection.md: how many payments each provider took, and how many it
// refused, by day.
//
//	payment.posted, payment.failed ──fold──▶ counts (a row a ledger, provider, day and source partition)
package outcomes

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Projection is the outcomes.
type Projection struct{}

// Definition names it; the name is also its schema. The version changes when the fold does.
func (Projection) Definition() projections.Definition {
	return projections.Definition{Name: "outcomes", Version: 1, Topics: []string{eventlog.TopicPayments}}
}

// Migrations are its tables' parents and its view.
func (Projection) Migrations() fs.FS { return migrations }

// Tables are those with rows per generation; the store makes the leaves.
func (Projection) Tables() []postgres.Table {
	return []postgres.Table{
		{Name: "identity", Keys: []string{"PRIMARY KEY (event_id)"}},
		{Name: "counts", With: "fillfactor = 60", Keys: []string{`PRIMARY KEY (ledger, provider, day, "partition")`}},
	}
}

// Wants tells whether a record matters.
func (Projection) Wants(record *eventlog.Record) bool {
	if record.Event == nil {
		return false // Invalid: the quarantine keeps it.
	}
	switch record.Event.Data.(type) {
	case *eventsv1.PaymentPosted, *eventsv1.PaymentFailed:
		return true
	default:
		return false
	}
}

// key names a row.
type key struct {
	ledger, provider string
	day              time.Time
	partition        int32
}

// count is what a batch adds to a row.
type count struct {
	key

	posted, failed int64
}

// fold is pure: records in, counts out, sorted so that all owners touch rows in one order.
func fold(records []eventlog.Record) []count {
	sums := map[key]count{}
	for i := range records {
		event := records[i].Event
		k := key{ledger: event.Ledger, day: event.Time.Truncate(24 * time.Hour), partition: records[i].Partition}
		var posted, failed int64
		switch data := event.Data.(type) {
		case *eventsv1.PaymentPosted:
			k.provider, posted = data.GetProvider(), 1
		case *eventsv1.PaymentFailed:
			k.provider, failed = data.GetProvider(), 1
		}
		sum := sums[k]
		sums[k] = count{k, sum.posted + posted, sum.failed + failed}
	}
	all := make([]count, 0, len(sums))
	for _, sum := range sums {
		all = append(all, sum)
	}
	slices.SortFunc(all, func(a, b count) int {
		return cmp.Or(cmp.Compare(a.ledger, b.ledger), cmp.Compare(a.provider, b.provider), a.day.Compare(b.day),
			cmp.Compare(a.partition, b.partition))
	})
	return all
}

// Prepare folds a batch: wanted records, none of them in yet.
func (Projection) Prepare(
	_ context.Context, generation postgres.Generation, records []eventlog.Record,
) (postgres.Writes, error) {
	return writes{generation, fold(records)}, nil
}

type writes struct {
	generation postgres.Generation
	counts     []count
}

const add = `
	INSERT INTO %[1]s AS c (ledger, provider, day, "partition", posted, failed)
	SELECT * FROM unnest($1::text[], $2::text[], $3::date[], $4::int4[], $5::int8[], $6::int8[])
	ON CONFLICT (ledger, provider, day, "partition") DO UPDATE
	SET posted = c.posted + excluded.posted, failed = c.failed + excluded.failed`

// Write adds the counts, in the batch's transaction, behind the fence and the identities.
func (w writes) Write(ctx context.Context, tx pgx.Tx) error {
	n := len(w.counts)
	ledgers, providers, days := make([]string, n), make([]string, n), make([]time.Time, n)
	partitions, posted, failed := make([]int32, n), make([]int64, n), make([]int64, n)
	for i, c := range w.counts {
		ledgers[i], providers[i], days[i] = c.ledger, c.provider, c.day
		partitions[i], posted[i], failed[i] = c.partition, c.posted, c.failed
	}
	sql := fmt.Sprintf(add, w.generation.Table("counts"))
	if _, err := tx.Exec(ctx, sql, ledgers, providers, days, partitions, posted, failed); err != nil {
		return fmt.Errorf("add to the counts: %w", err)
	}
	return nil
}
