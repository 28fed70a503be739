package simulation

import (
	"encoding/binary"

	"github.com/tributary-ledger/tributary/ledger"
)

// Format is how a message lies in a record of Kafka.
type Format uint8

const (
	// FormatProtobuf is CloudEvents' binary mode with protobuf, as our own writer does it.
	FormatProtobuf Format = iota
	// FormatJSON is binary mode with JSON.
	FormatJSON
	// FormatStructured is CloudEvents' structured mode.
	FormatStructured
	// FormatBare is the event as JSON, and no header at all.
	FormatBare
	// FormatFramedJSON is binary mode with JSON behind the frame of a schema registry.
	FormatFramedJSON
	// FormatFramedProtobuf is the same with protobuf.
	FormatFramedProtobuf
	formats
)

// Record is a message for Kafka, as a client of another make would write it.
type Record struct {
	Topic   string
	Key     []byte
	Headers []Header
	Value   []byte
}

// Header is one of a record.
type Header struct {
	Key   string
	Value []byte
}

// Record is the message in its format.
func (m *Message) Record() Record {
	r := Record{Topic: m.topic(), Key: []byte(m.Event.Key())}
	switch m.Format {
	case FormatStructured:
		r.add("content-type", "application/cloudevents+json; charset=utf-8")
		r.Value = m.AppendJSON(nil)
		return r
	case FormatBare:
		r.Value = m.AppendJSON(nil)
		return r
	default:
	}
	switch m.Format {
	case FormatJSON, FormatFramedJSON:
		r.add("content-type", "application/json")
		r.Value = m.cut(m.Event.AppendDataJSON(nil))
	default:
		r.add("content-type", "application/protobuf")
		r.Value = m.Event.AppendData(nil)
	}
	frame := []byte{0}
	switch m.Format {
	case FormatFramedJSON:
		r.Value = append(binary.BigEndian.AppendUint32(frame, 7), r.Value...)
	case FormatFramedProtobuf:
		frame = append(binary.BigEndian.AppendUint32(frame, 8), 0) // the first message of its schema
		r.Value = append(frame, r.Value...)
	default:
	}
	a := m.Event.Attributes()
	for _, attribute := range []struct{ name, value string }{
		{"specversion", a.SpecVersion},
		{"id", a.ID},
		{"source", a.Source},
		{"type", a.Type},
		{"time", a.Time},
		{"subject", a.Subject},
		{"ledger", a.Ledger},
		{"partitionkey", a.PartitionKey},
		{"traceparent", a.TraceParent},
	} {
		if attribute.value != "" {
			r.add("ce_"+attribute.name, attribute.value)
		}
	}
	return r
}

func (r *Record) add(key, value string) { r.Headers = append(r.Headers, Header{key, []byte(value)}) }

// AppendJSON appends the message as a line of a file, without the line's end.
func (m *Message) AppendJSON(buf []byte) []byte {
	start := len(buf)
	buf = ledger.AppendJSON(buf, m.Event)
	if m.Reason == ledger.CodeUnknownField {
		return append(buf[:len(buf)-2], `,"recipt_id":"r-1"}}`...)
	}
	return buf[:start+len(m.cut(buf[start:]))]
}

// cut is what is sent of JSON: half of it, where it must not be read.
func (m *Message) cut(text []byte) []byte {
	if m.Reason == ledger.CodeUndecodable {
		return text[:len(text)/2]
	}
	return text
}
