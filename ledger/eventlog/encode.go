package eventlog

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// The names of the headers that carry an event's attributes.
const (
	headerContentType  = "content-type"
	headerSpecVersion  = "ce_specversion"
	headerID           = "ce_id"
	headerSource       = "ce_source"
	headerType         = "ce_type"
	headerTime         = "ce_time"
	headerSubject      = "ce_subject"
	headerLedger       = "ce_ledger"
	headerPartitionKey = "ce_partitionkey"
	headerTraceParent  = "ce_traceparent"
	headerDataContent  = "ce_datacontenttype"
)

const (
	specVersion   = "1.0"
	mostHeaders   = 10
	uuidTextBytes = 36
	timeLayout    = "2006-01-02T15:04:05.999999Z"
)

// Encode is the record that we write for an event: CloudEvents' binary mode with protobuf data, on the topic of its type,
// under the event's key. The event must be valid. It is refused only when the record would be too large to be read back.
func Encode(event *ledger.Event) (*kgo.Record, *ledger.Invalid) {
	record := &kgo.Record{
		Topic:   event.Type.Topic(),
		Key:     []byte(event.Key()),
		Value:   event.AppendData(nil),
		Headers: eventHeaders(event),
	}
	if invalid := checkSize(recordBytes(record), contentBytes(record)); invalid != nil {
		return nil, invalid
	}
	return record, nil
}

// eventHeaders lays all values out in one buffer: two allocations, however many attributes there are.
func eventHeaders(event *ledger.Event) []kgo.RecordHeader {
	size := len(ledger.ContentTypeProtobuf) + len(specVersion) + uuidTextBytes + len(timeLayout) + len(event.Source) + len(event.Type) +
		len(event.Subject) + len(event.Ledger) + len(event.PartitionKey) + len(event.TraceParent)
	w := headerWriter{headers: make([]kgo.RecordHeader, 0, mostHeaders), buf: make([]byte, 0, size)}
	w.add(headerContentType, ledger.ContentTypeProtobuf)
	w.add(headerSpecVersion, specVersion)
	start := len(w.buf)
	w.buf = appendUUID(w.buf, event.ID)
	w.close(headerID, start)
	w.add(headerSource, event.Source)
	w.add(headerType, string(event.Type))
	start = len(w.buf)
	w.buf = event.Time.UTC().Truncate(time.Microsecond).AppendFormat(w.buf, timeLayout)
	w.close(headerTime, start)
	w.add(headerSubject, event.Subject)
	if event.Ledger != ledger.DefaultLedger {
		w.addIfAny(headerLedger, event.Ledger)
	}
	w.addIfAny(headerPartitionKey, event.PartitionKey)
	w.addIfAny(headerTraceParent, event.TraceParent)
	return w.headers
}

type headerWriter struct {
	headers []kgo.RecordHeader
	buf     []byte
}

func (w *headerWriter) add(key, value string) {
	start := len(w.buf)
	w.buf = append(w.buf, value...)
	w.close(key, start)
}

func (w *headerWriter) addIfAny(key, value string) {
	if value != "" {
		w.add(key, value)
	}
}

// close makes what was appended since start a header's value; its capacity is cut, so that no append runs into the next.
func (w *headerWriter) close(key string, start int) {
	w.headers = append(w.headers, kgo.RecordHeader{Key: key, Value: w.buf[start:len(w.buf):len(w.buf)]})
}

// appendUUID writes the usual form of 8-4-4-4-12 hexadecimal digits.
func appendUUID(buf []byte, id [16]byte) []byte {
	const digits = "0123456789abcdef"
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			buf = append(buf, '-')
		}
		buf = append(buf, digits[b>>4], digits[b&0x0f])
	}
	return buf
}
