package clickhouse

import (
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// Projection is what the store asks of a projection: its tables, and the rows that events make.
type Projection interface {
	// Definition names it; the name is also its database in ClickHouse and its schema in Postgres, where its ids are.
	Definition() projections.Definition
	// Rows is its table of rows: one row an event, exactly once. The store adds to its columns topic, "partition",
	// kafka_offset and epoch, and with them what makes it exactly once; its own are event_id, a UUID, and what else it wants.
	Rows() Table
	// Asides are tables in which a row twice does no harm, such as the titles of posts.
	Asides() []Table
	// LiveViews are those over the tables of one generation. A swap replaces them, the first of them first.
	LiveViews(generation Generation) []View
	// Views are all others; they read live views alone, and come in the order in which they need each other.
	Views() []View
	// Counts tells whether an event makes a row; such events get an identity.
	Counts(record *eventlog.Record) bool
	// Fold makes the rows of events that count: one each, in their order, all columns of Rows. It is pure.
	Fold(records []eventlog.Record) proto.Input
	// FoldAside makes the rows of the asides, by table name, from all records of a batch. It is pure.
	FoldAside(records []eventlog.Record) map[string]proto.Input
}

// CopyKeeper is a projection that keeps when further copies of events were recorded, those with the same content: an event is known
// from the first of its copies on, whichever of them makes the row.
type CopyKeeper interface {
	// FoldCopies makes the rows of asides, by table name, from the copies of a batch. It is pure.
	FoldCopies(copies []eventlog.Record) map[string]proto.Input
}

// Table is a table of a projection: one of its own for each generation.
type Table struct {
	// Name is that without the generation: "events" for revenue.events_g7.
	Name string
	// Columns are definitions such as "gross Decimal(38, 18)".
	Columns []string
	// Parts are what else stands between the brackets: "PROJECTION … (…)", "INDEX …".
	Parts []string
	// Engine is that of an aside, such as "ReplacingMergeTree(version)"; the rows are always a MergeTree.
	Engine string
	// OrderBy is the sorting key, without brackets.
	OrderBy string
}

// View is a view, and what it is for: its comment. Parameterized views have parameters as in "{tz:String}".
type View struct {
	Name, Comment, Select string
	// Columns are definitions such as "net Decimal(76, 18) COMMENT 'what is left'", of all columns or of none. Parameterized
	// views have none.
	Columns []string
}

// Generation is one build of a projection's tables.
type Generation struct {
	Database string
	Number   int32
}

// Table is the name of a generation's table, such as "revenue.events_g7".
func (g Generation) Table(name string) string {
	return fmt.Sprintf("%s.%s_g%d", g.Database, name, g.Number)
}
