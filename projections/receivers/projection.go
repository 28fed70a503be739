package receivers

import (
	"embed"
	"io/fs"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Name is the projection's.
const Name = "receivers"

const version = 1

//go:embed migrations/*.sql
var migrations embed.FS

// Projection is the receivers.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Definition names it; it reads the topic of receivers.
func (*Projection) Definition() projections.Definition {
	return projections.Definition{Name: Name, Version: version, Topics: []string{eventlog.TopicReceivers}}
}

// Migrations are its tables and views.
func (*Projection) Migrations() fs.FS { return migrations }

// Tables are its tables. Later events change most rows: there is room for that on their pages, and no index holds a column
// that changes with each event. Every index but the key is partial, so that the planner never takes it for finding a key.
func (*Projection) Tables() []postgres.Table {
	return []postgres.Table{
		{Name: "identity", Keys: []string{"PRIMARY KEY (event_id)"}},
		{
			Name: "receivers", With: "fillfactor = 80", Keys: []string{"PRIMARY KEY (ledger, receiver_id)"},
			Indexes: []string{
				"(ledger, merchant_id, created_at, receiver_id) WHERE created_at IS NOT NULL",
				"(ledger, receiver_id) WHERE created_at IS NULL",
			},
		},
		{Name: "payments", With: "fillfactor = 80", Keys: []string{"PRIMARY KEY (ledger, receiver_id, txid, vout)"}},
	}
}

// Wants every event of its topic.
func (*Projection) Wants(record *eventlog.Record) bool {
	return record.Event != nil && record.Topic == eventlog.TopicReceivers
}
