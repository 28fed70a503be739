package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// timeLayout writes a time of an event, which is in UTC and has no more than microseconds.
const timeLayout = "2006-01-02T15:04:05.999999Z"

// Attributes are the event's CloudEvents attributes, for data in protobuf. Those that say what an absent one says as well are empty.
func (e *Event) Attributes() Attributes {
	a := Attributes{
		SpecVersion: "1.0", ID: e.ID.String(), Source: e.Source, Type: string(e.Type), Time: e.Time.Format(timeLayout),
		Subject: e.Subject, DataContentType: ContentTypeProtobuf,
		Ledger: e.Ledger, PartitionKey: e.PartitionKey, TraceParent: e.TraceParent,
	}
	if a.Ledger == DefaultLedger {
		a.Ledger = ""
	}
	return a
}

// AppendData appends the data as protobuf: the same bytes for the same content.
func (e *Event) AppendData(buf []byte) []byte {
	size := e.Data.SizeVT()
	buf = slices.Grow(buf, size)
	end := len(buf) + size
	if _, err := e.Data.MarshalToSizedBufferVT(buf[len(buf):end]); err != nil {
		panic("ledger: " + err.Error()) // only a buffer that is too small fails, and this one is as large as asked for
	}
	return buf[:end]
}

// AppendJSON appends the event as a CloudEvents JSON document on one line, without a line's end: the same bytes for the
// same event, its data's fields in the order of their numbers. It is for valid events.
func AppendJSON(buf []byte, e *Event) []byte {
	a := e.Attributes()
	a.DataContentType = ContentTypeJSON
	buf = append(buf, '{')
	for place := range attributeCount {
		if value := a.at(place); *value != "" {
			buf = append(appendName(buf, attributeName(place)), '"')
			buf = append(appendEscaped(buf, unsafe.Slice(unsafe.StringData(*value), len(*value))), '"')
		}
	}
	return append(e.AppendDataJSON(appendName(buf, "data")), '}')
}

// AppendDataJSON appends the data alone as a JSON object, as AppendJSON does.
func (e *Event) AppendDataJSON(buf []byte) []byte {
	scratch := borrowBuffer()
	defer scratch.giveBack()
	scratch.bytes = e.AppendData(scratch.bytes)
	return appendObject(buf, kindOf(e.Data).message, scratch.bytes)
}

// appendName appends a member's name, with the comma that it needs where it is not the first.
func appendName(buf []byte, name string) []byte {
	if last := buf[len(buf)-1]; last != '{' {
		buf = append(buf, ',')
	}
	buf = append(buf, '"')
	buf = append(buf, name...)
	return append(buf, '"', ':')
}

// appendObject turns the protobuf bytes of a message, as marshalling makes them, into a JSON object.
func appendObject(buf []byte, m *message, wire []byte) []byte {
	buf = append(buf, '{')
	var list *field // whose array is open
	for len(wire) > 0 {
		number, wireType, n := protowire.ConsumeTag(wire)
		f := m.byWire(number)
		if f == nil { // of a newer schema
			wire = wire[n+protowire.ConsumeFieldValue(number, wireType, wire[n:]):]
			continue
		}
		if list != nil && f != list {
			buf, list = append(buf, ']'), nil
		}
		switch {
		case f == list:
			buf = append(buf, ',')
		case f.repeated:
			buf, list = append(appendName(buf, f.name), '['), f
		default:
			buf = appendName(buf, f.name)
		}
		var size int
		buf, size = appendValue(buf, f, wire[n:])
		wire = wire[n+size:]
	}
	if list != nil {
		buf = append(buf, ']')
	}
	return append(buf, '}')
}

// appendValue appends the value at the start of wire, and returns how many bytes it takes there.
func appendValue(buf []byte, f *field, wire []byte) ([]byte, int) {
	switch f.kind {
	case kindNumber:
		v, n := protowire.ConsumeVarint(wire)
		return strconv.AppendUint(buf, v, 10), n
	case kindFlag:
		v, n := protowire.ConsumeVarint(wire)
		return strconv.AppendBool(buf, v != 0), n
	case kindMessage:
		v, n := protowire.ConsumeBytes(wire)
		return appendObject(buf, f.message, v), n
	default: // kindText
		v, n := protowire.ConsumeBytes(wire)
		return append(appendEscaped(append(buf, '"'), v), '"'), n
	}
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends text as it stands inside a JSON string: only what JSON forbids there is escaped.
func appendEscaped(buf, text []byte) []byte {
	for {
		n := plainPrefix(text)
		buf = append(buf, text[:n]...)
		if n == len(text) {
			return buf
		}
		switch c := text[n]; c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		text = text[n+1:]
	}
}

// buffer is memory that is used again.
type buffer struct{ bytes []byte }

//nolint:gochecknoglobals // a pool has no state that shows
var buffers = sync.Pool{New: func() any { return new(buffer) }}

func borrowBuffer() *buffer {
	b, _ := buffers.Get().(*buffer)
	b.bytes = b.bytes[:0]
	return b
}

func (b *buffer) giveBack() {
	if cap(b.bytes) <= maxPooledBytes {
		buffers.Put(b)
	}
}

// HashBytes is the length of a content hash.
const HashBytes = 16

// ContentHash is the identity of the event's content, so that the same id with the same content is a duplicate, and with
// another a conflict: the first 16 bytes of SHA-256 over type, ledger, subject and data, each with its length before it
// as 4 bytes, big endian; data is its canonical protobuf, whatever it was decoded from. Time and source are no part of it.
func (e *Event) ContentHash() [HashBytes]byte {
	b := borrowBuffer()
	defer b.giveBack()
	for _, text := range [...]string{string(e.Type), e.Ledger, e.Subject} {
		b.bytes = binary.BigEndian.AppendUint32(b.bytes, uint32(len(text))) //nolint:gosec // bounded by MaxEventBytes
		b.bytes = append(b.bytes, text...)
	}
	b.bytes = binary.BigEndian.AppendUint32(b.bytes, uint32(e.Data.SizeVT())) //nolint:gosec // bounded by MaxEventBytes
	b.bytes = e.AppendData(b.bytes)
	sum := sha256.Sum256(b.bytes)
	return [HashBytes]byte(sum[:HashBytes])
}
