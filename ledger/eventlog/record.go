package eventlog

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// Record is one record of the log. Exactly one of Event, Rejected and Control is set.
//
// Its strings and bytes share memory with the fetched batch: clone what is kept for long.
type Record struct {
	Position

	// RecordedAt is Kafka's timestamp of the record, in UTC, to the microsecond (Kafka keeps milliseconds).
	RecordedAt time.Time
	// LeaderEpoch is the epoch of the leader that wrote the record; -1 when unknown.
	LeaderEpoch int32
	// Bytes is the size of key, headers and value, uncompressed.
	Bytes int
	// Event is the valid event that the record holds.
	Event *ledger.Event
	// Release is set on an event that was published again in the place of a refused record.
	Release *Release
	// Rejected says why the record holds no valid event, and keeps all of it.
	Rejected *Rejection
	// Control marks a transaction's end: it holds nothing, but takes up an offset.
	Control bool
}

// Rejection is a record that is no valid event, byte for byte.
type Rejection struct {
	// Invalid is the rule that the record breaks.
	Invalid ledger.Invalid
	// EventID is the id that the record claims, where it can be read; else empty. It need not be a UUID.
	EventID string
	// Key is the record's key; nil when it has none.
	Key []byte
	// Payload is the record's value; nil when it has none.
	Payload []byte
	// Headers are all headers, in order.
	Headers []Header
}

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// recordOverheadBytes is what a record may have on top of ledger.MaxEventBytes.
//
// A door accepts an event whose JSON document is at most MaxEventBytes. In protobuf its data is smaller than in JSON, and
// each attribute is at most as long as in the document, but a record also repeats the subject or partition key as its key
// (at most 1 KiB), has names of headers (some 130 bytes), and may carry headers of others, such as a tracer's. With this
// allowance no event that a door accepted can be refused when it is read back.
const recordOverheadBytes = 16 << 10

// MaxRecordBytes is the largest record (key, headers and value, uncompressed) that can hold a valid event.
const MaxRecordBytes = ledger.MaxEventBytes + recordOverheadBytes

// recordBytes is the size of a record: key, headers and value.
func recordBytes(r *kgo.Record) int {
	size := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return size
}

// contentBytes is the size of the event in a record that we made: its attributes and data, as ledger.Decode counts them.
func contentBytes(r *kgo.Record) int {
	size := len(r.Value)
	for i := range r.Headers {
		size += len(r.Headers[i].Value)
	}
	return size
}

// checkSize is the one rule about sizes, for writing and reading alike. On reading ledger.Decode measures the content, so
// content is 0 then; on writing it is measured here, so that nothing is written that would be refused when read.
func checkSize(record, content int) *ledger.Invalid {
	switch {
	case content > ledger.MaxEventBytes:
		return &ledger.Invalid{
			Code:    ledger.CodeTooLarge,
			Message: fmt.Sprintf("the event has %d bytes, at most %d are taken; split it", content, ledger.MaxEventBytes),
		}
	case record > MaxRecordBytes:
		return &ledger.Invalid{
			Code: ledger.CodeTooLarge,
			Message: fmt.Sprintf("the record has %d bytes of key, headers and value, at most %d are taken; split the event",
				record, MaxRecordBytes),
		}
	default:
		return nil
	}
}

// position is where a fetched or written record is.
func position(r *kgo.Record) Position {
	return Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
}
