package postgres

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// Projection is what the store asks of a projection: its tables, and what a batch does to them.
type Projection interface {
	// Definition names it; the name is also its schema in Postgres.
	Definition() projections.Definition
	// Migrations are goose files, in a folder migrations, that make the partitioned parents of the tables, and the views over them.
	Migrations() fs.FS
	// Tables are its tables that hold rows per generation.
	Tables() []Table
	// Wants tells whether a record matters to it. Events that it wants get an identity; it may want rejections instead.
	Wants(record *eventlog.Record) bool
	// Prepare folds records, all of them wanted and none of them in yet, into what is to be written. It may look up
	// names, but nothing that another batch changes.
	Prepare(ctx context.Context, generation Generation, records []eventlog.Record) (Writes, error)
}

// Writes is a folded batch, ready to be written.
type Writes interface {
	// Write writes within the batch's transaction, behind the fence and the identities. It is called again, in another
	// transaction, where one failed.
	Write(ctx context.Context, tx pgx.Tx) error
}

// ConflictKeeper is a projection that lists conflicts: events under an id that has another content.
type ConflictKeeper interface {
	KeepConflicts(ctx context.Context, tx pgx.Tx, generation Generation, conflicts []Conflict) error
}

// CopyKeeper is a projection that keeps when further copies of events were recorded, those with the same content: an event is known
// from the first of its copies on, whichever of them counts.
type CopyKeeper interface {
	KeepCopies(ctx context.Context, tx pgx.Tx, generation Generation, copies []eventlog.Record) error
}

// Positional is a projection that keeps records by their positions, copies of events too: what it wants gets no identity.
type Positional interface{ ByPosition() }

// Conflict is an event that came under an id which is taken, and the position of the one that is in.
type Conflict struct {
	Refused eventlog.Record
	Kept    eventlog.Position
}

// Table is a table of a projection: partitioned by generation, one leaf each.
type Table struct {
	// Name is that of the parent within the projection's schema.
	Name string
	// With are storage parameters of the leaves, such as "fillfactor = 60"; may be empty.
	With string
	// Keys are what is made on each leaf, such as "PRIMARY KEY (event_id)": table constraints.
	Keys []string
	// Indexes are column lists, such as "(account, occurred_at)", indexed on each leaf.
	Indexes []string
}

// Generation is one build of a projection's tables.
type Generation struct {
	Schema string
	Number int32
}

// Table is the name of a table's leaf, such as "balances.entries_g7".
func (g Generation) Table(name string) string {
	return fmt.Sprintf("%s.%s_g%d", g.Schema, name, g.Number)
}
