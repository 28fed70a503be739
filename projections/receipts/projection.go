package receipts

import (
	"embed"
	"io/fs"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Name is the projection's.
const Name = "receipts"

const version = 1

//go:embed migrations/*.sql
var migrations embed.FS

// Projection is the receipts.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Definition names it; it reads the payments.
func (*Projection) Definition() projections.Definition {
	return projections.Definition{Name: Name, Version: version, Topics: []string{eventlog.TopicPayments}}
}

// Migrations are its tables and views.
func (*Projection) Migrations() fs.FS { return migrations }

// Tables are its tables. Rows that later events change leave room on their page, so that their indexes stay untouched: no
// index holds a column that changes with each event. Every index but the key is partial, so that it is of no use for finding
// a key: the planner, misled by statistics made in the middle of a large batch, was seen to read one from end to end instead.
func (*Projection) Tables() []postgres.Table {
	return []postgres.Table{
		{Name: "identity", Keys: []string{"PRIMARY KEY (event_id)"}},
		{
			Name: "payments", With: "fillfactor = 90", Keys: []string{"PRIMARY KEY (ledger, payment_id)"},
			Indexes: []string{
				"(ledger, receipt_id) WHERE posted_at IS NOT NULL",
				"(ledger, user_id, posted_at) WHERE posted_at IS NOT NULL",
				"(ledger, merchant_id, posted_at) WHERE merchant_id IS NOT NULL",
			},
		},
		{
			Name: "refunds", With: "fillfactor = 90", Keys: []string{"PRIMARY KEY (ledger, payment_id, refund_id)"},
		},
		{Name: "movements", Indexes: []string{
			"(ledger, provider, reference) WHERE kind = 1",
			"(ledger, payment_id) WHERE kind > 1",
		}},
	}
}

// Wants the events of payments; settlements and the like are on the same topic.
func (*Projection) Wants(record *eventlog.Record) bool {
	return record.Event != nil && isPayment(record.Event.Data)
}

func isPayment(data ledger.Data) bool {
	switch data.(type) {
	case *eventsv1.PaymentStarted, *eventsv1.PaymentPrepared, *eventsv1.PaymentPostRequested, *eventsv1.PaymentPosted,
		*eventsv1.PaymentFailed, *eventsv1.PaymentCancelled, *eventsv1.PaymentRefundRequested, *eventsv1.PaymentRefunded,
		*eventsv1.PaymentRefundFailed, *eventsv1.PaymentDisputeOpened, *eventsv1.PaymentDisputeWon, *eventsv1.PaymentDisputeLost:
		return true
	default:
		return false
	}
}
