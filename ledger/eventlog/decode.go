package eventlog

import (
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// Decode reads a fetched record in any of the wire formats of docs/events.md:
//
//   - binary mode: ce_ headers, data as the value; protobuf or JSON by the content-type header, and where that is absent,
//     JSON when the value starts with a brace (no protobuf message of ours does);
//   - structured mode: content-type application/cloudevents+json, with parameters or without;
//   - a bare CloudEvents JSON document: no ce_ header, no content type or application/json, and a value that starts with
//     a brace. Many clients can send a value but know nothing of headers.
//
// Values framed by a schema registry are accepted in each of them. Unknown fields are ignored; an attribute that occurs
// twice is refused, because readers would disagree about it. The answer depends on the record alone.
func Decode(r *kgo.Record) Record {
	record := Record{
		Position:    position(r),
		RecordedAt:  recordedAt(r.Timestamp),
		LeaderEpoch: r.LeaderEpoch,
		Bytes:       recordBytes(r),
		Control:     r.Attrs.IsControl(),
	}
	if record.Control {
		return record
	}
	attributes, invalid := readHeaders(r.Headers)
	if invalid == nil {
		invalid = checkSize(record.Bytes, 0)
	}
	if invalid == nil {
		record.Event, invalid = decodeValue(&attributes, r.Value)
	}
	if invalid == nil {
		invalid = ledger.WrongTopic(record.Event, r.Topic)
	}
	if invalid != nil {
		record.Event = nil
		record.Rejected = reject(r, attributes.ID, invalid)
		return record
	}
	record.Release = releaseOf(r.Headers)
	return record
}

// recordedAt is Kafka's timestamp, in UTC, to the microsecond. Where the writer sets it, it may be anything, such as -1 or
// the year 292278994: it is moved into the years that events may have, so that every store can hold it.
func recordedAt(timestamp time.Time) time.Time {
	first, end := time.Unix(0, 0), time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC)
	switch {
	case timestamp.Before(first):
		timestamp = first
	case !timestamp.Before(end):
		timestamp = end.Add(-time.Microsecond)
	}
	return timestamp.UTC().Truncate(time.Microsecond)
}

// mode is one of the ways in which a CloudEvent lies in a record.
type mode int

const (
	modeBinary mode = iota
	modeStructured
	modeUnsupported
)

func decodeValue(a *ledger.Attributes, value []byte) (*ledger.Event, *ledger.Invalid) {
	contentType, _, _ := strings.Cut(a.DataContentType, ";")
	contentType = strings.TrimSpace(contentType)
	switch modeOf(a, contentType, value) {
	case modeStructured:
		return ledger.DecodeJSON(unframe(value), ledger.Lenient)
	case modeUnsupported:
		return nil, &ledger.Invalid{
			Code: ledger.CodeBadEnvelope, Path: "datacontenttype",
			Message: "of CloudEvents' structured formats only application/cloudevents+json is read, one event a record",
		}
	case modeBinary:
	}
	a.DataContentType = dataFormat(contentType, value)
	data := unframe(value)
	if a.DataContentType == ledger.ContentTypeProtobuf && len(data) != len(value) {
		var ok bool
		if data, ok = skipMessageIndexes(data); !ok {
			return nil, &ledger.Invalid{
				Code: ledger.CodeUndecodable, Path: "data",
				Message: "the value starts with 0 like one framed by a schema registry, but its message indexes cannot be read",
			}
		}
	}
	return ledger.Decode(a, data, ledger.Lenient)
}

// modeOf decides by the content type first, as CloudEvents' Kafka binding says, and then by what is there.
func modeOf(a *ledger.Attributes, contentType string, value []byte) mode {
	const structured = "application/cloudevents"
	if len(contentType) >= len(structured) && strings.EqualFold(contentType[:len(structured)], structured) {
		if strings.EqualFold(contentType, structured) || strings.EqualFold(contentType, structured+"+json") {
			return modeStructured
		}
		return modeUnsupported
	}
	bare := a.SpecVersion == "" && a.ID == "" && a.Type == "" && a.Source == "" && a.Time == "" && a.Subject == ""
	if bare && (contentType == "" || strings.EqualFold(contentType, ledger.ContentTypeJSON)) && isObject(unframe(value)) {
		return modeStructured
	}
	return modeBinary
}

// dataFormat gives the two formats that are read their one name each; what it does not know it leaves as it is.
func dataFormat(contentType string, value []byte) string {
	switch contentType {
	case ledger.ContentTypeProtobuf, ledger.ContentTypeJSON:
		return contentType
	case "":
		if isObject(unframe(value)) {
			return ledger.ContentTypeJSON
		}
		return ""
	}
	switch lower := strings.ToLower(contentType); {
	case lower == "application/x-protobuf", lower == "application/vnd.google.protobuf", lower == ledger.ContentTypeProtobuf:
		return ledger.ContentTypeProtobuf
	case lower == ledger.ContentTypeJSON, lower == "text/json", strings.HasSuffix(lower, "+json"):
		return ledger.ContentTypeJSON
	default:
		return contentType
	}
}

// isObject tells whether a JSON object starts here.
func isObject(value []byte) bool {
	for _, b := range value {
		switch b {
		case ' ', '\t', '\r', '\n':
		default:
			return b == '{'
		}
	}
	return false
}

// frameBytes is a schema registry's frame: a magic 0 and four bytes of schema id.
const frameBytes = 5

// unframe drops a schema registry's frame. Neither JSON nor a protobuf message can start with 0, so there is no doubt.
func unframe(value []byte) []byte {
	if len(value) >= frameBytes && value[0] == 0 {
		return value[frameBytes:]
	}
	return value
}

// skipMessageIndexes passes over the path of the message within its schema file, which follows the frame of protobuf
// values: a zigzag varint count and as many zigzag varints. The type attribute says which message it is, not the path.
// Some clients, such as kafkajs's, write no path. There is no doubt about that either: our messages are nested nowhere, a
// count below four is a byte below 8, and no protobuf message starts with one, since no field has the number 0.
func skipMessageIndexes(data []byte) ([]byte, bool) {
	const leastTag = 1 << 3
	if len(data) == 0 || data[0] >= leastTag {
		return data, len(data) > 0
	}
	count, data, ok := zigzag(data)
	if !ok || count < 0 {
		return nil, false
	}
	for range count {
		var index int64
		if index, data, ok = zigzag(data); !ok || index < 0 {
			return nil, false
		}
	}
	return data, true
}

func zigzag(data []byte) (value int64, rest []byte, ok bool) {
	raw, n := uvarint(data)
	if n == 0 {
		return 0, nil, false
	}
	return int64(raw>>1) ^ -int64(raw&1), data[n:], true
}

// uvarint reads at most five bytes: an index is 32 bits.
func uvarint(data []byte) (value uint64, n int) {
	const longest = 5
	for i := 0; i < len(data) && i < longest; i++ {
		value |= uint64(data[i]&0x7f) << (7 * i)
		if data[i] < 0x80 {
			return value, i + 1
		}
	}
	return 0, 0
}

// reject keeps the whole record; this is the slow path.
func reject(r *kgo.Record, id string, invalid *ledger.Invalid) *Rejection {
	if id == "" {
		id = ledger.PeekID(unframe(r.Value))
	}
	rejection := &Rejection{Invalid: *invalid, EventID: readableID(id), Key: r.Key, Payload: r.Value}
	if len(r.Headers) > 0 {
		rejection.Headers = make([]Header, len(r.Headers))
		for i, h := range r.Headers {
			rejection.Headers[i] = Header{Key: h.Key, Value: h.Value}
		}
	}
	return rejection
}

// readableID is the id where people and stores can hold it, else nothing.
func readableID(id string) string {
	const longest = 1024
	if len(id) > longest || !utf8.ValidString(id) || strings.IndexByte(id, 0) >= 0 {
		return ""
	}
	return id
}

// stringOf views bytes as a string without a copy: a fetched record is never written to again.
func stringOf(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
