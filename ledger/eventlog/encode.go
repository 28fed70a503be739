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

// Format is one of the forms in which a record holds an event. Decode reads each of them, and tells them apart by itself.
type Format int

const (
	// FormatProtobuf is CloudEvents' binary mode with the data as protobuf: the smallest, and what we write ourselves.
	FormatProtobuf Format = iota
	// FormatJSON is binary mode with the data as JSON.
	FormatJSON
	// FormatStructured is the whole event as one JSON document.
	FormatStructured
)

const contentTypeStructured = "application/cloudevents+json"

// Encode is the record that we write for an event: that of EncodeAs in FormatProtobuf.
func Encode(event *ledger.Event) (*kgo.Record, *ledger.Invalid) {
	return EncodeAs(event, FormatProtobuf)
}

// EncodeAs is the record that holds an event in a format, on the topic of its type, under the event's key. The event must
// be valid (ledger.Validate). It is refused only when the record would be too large to be read back.
func EncodeAs(event *ledger.Event, format Format) (*kgo.Record, *ledger.Invalid) {
	record := &kgo.Record{Topic: event.Type.Topic(), Key: []byte(event.Key())}
	var content int
	switch format {
	case FormatStructured:
		record.Value = ledger.AppendJSON(nil, event)
		record.Headers = []kgo.RecordHeader{{Key: headerContentType, Value: []byte(contentTypeStructured)}}
		content = len(record.Value)
	case FormatJSON:
		record.Value, record.Headers = event.AppendDataJSON(nil), eventHeaders(event, ledger.ContentTypeJSON)
		content = contentBytes(record)
	case FormatProtobuf:
		record.Value, record.Headers = event.AppendData(nil), eventHeaders(event, ledger.ContentTypeProtobuf)
		content = contentBytes(record)
	}
	if invalid := checkSize(recordBytes(record), content); invalid != nil {
		return nil, invalid
	}
	return record, nil
}

// eventHeaders lays all values out in one buffer: two allocations, however many attributes there are.
func eventHeaders(event *ledger.Event, contentType string) []kgo.RecordHeader {
	size := len(contentType) + len(specVersion) + uuidTextBytes + len(timeLayout) + len(event.Source) + len(event.Type) +
		len(event.Subject) + len(event.Ledger) + len(event.PartitionKey) + len(event.TraceParent)
	w := headerWriter{headers: make([]kgo.RecordHeader, 0, mostHeaders), buf: make([]byte, 0, size)}
	w.add(headerContentType, contentType)
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
