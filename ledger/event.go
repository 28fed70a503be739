package ledger

import (
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// DefaultLedger is the ledger of an event that names none.
const DefaultLedger = "main"

// MaxEventBytes is the largest event: its attributes and data together, in any wire format.
const MaxEventBytes = 1 << 20

// Type is a CloudEvents type, such as "tributary.payment.posted.v1".
type Type string

// Event is a valid event: whoever holds one may rely on every rule of docs/events.md.
type Event struct {
	// ID is the event's identity in the whole system.
	ID uuid.UUID
	// Type decides the concrete type of Data.
	Type Type
	// Source is the producer, a URI reference.
	Source string
	// Subject is the thing the event is about, such as a payment_id.
	Subject string
	// Ledger is the set of books it belongs to.
	Ledger string
	// Time is when it happened, in UTC, to the microsecond.
	Time time.Time
	// PartitionKey is the Kafka key where it is not the subject; often empty.
	PartitionKey string
	// TraceParent is a W3C trace context that is carried through; often empty.
	TraceParent string
	// Data is one of the messages of schemas/eventsv1. Its strings may share memory with the bytes it was decoded from.
	Data Data
}

// Data is an event's content: a generated protobuf message.
type Data interface {
	proto.Message
	SizeVT() int
	MarshalVT() ([]byte, error)
	MarshalToSizedBufferVT(buf []byte) (int, error)
	UnmarshalVTUnsafe(buf []byte) error
}

// Key is the Kafka key: the partition key, or the subject where there is none.
func (e *Event) Key() string {
	if e.PartitionKey != "" {
		return e.PartitionKey
	}
	return e.Subject
}
