package ledger

import (
	"sync"
	"time"
	"unsafe"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Decode makes an event of its attributes and its data, in JSON or protobuf as DataContentType says, and checks every
// rule but the topic. Either the event or the reason for its refusal is nil. The strings of protobuf data share memory
// with data, which therefore must not change afterwards; those of JSON data do not.
func Decode(a *Attributes, data []byte, mode Mode) (*Event, *Invalid) {
	if bad := checkSize(a.size() + len(data)); bad != nil {
		return nil, bad
	}
	env, bad := a.open()
	if bad != nil {
		return nil, bad
	}
	if len(data) == 0 {
		return nil, missingField("data")
	}
	if env.format == formatProtobuf {
		return env.finish(data)
	}
	d := borrowDocument(data, mode)
	defer d.giveBack()
	if !d.wholeData(env.kind.message) {
		return nil, undecodable("data", d.syntax)
	}
	if d.problem != nil {
		return nil, d.problem
	}
	return env.finish(append([]byte(nil), d.wire...))
}

// DecodeJSON makes an event of a whole CloudEvents JSON document: its attributes beside its data, an object, or its
// data_base64. The event shares no memory with doc.
func DecodeJSON(doc []byte, mode Mode) (*Event, *Invalid) {
	if bad := checkSize(len(doc)); bad != nil {
		return nil, bad
	}
	d := borrowDocument(doc, mode)
	defer d.giveBack()
	if !d.whole() {
		return nil, undecodable("", d.syntax)
	}
	if d.envelopeProblem != nil {
		return nil, d.envelopeProblem
	}
	env, bad := d.attributes.open()
	if bad != nil {
		return nil, bad
	}
	if bad := d.dataOf(&env); bad != nil {
		return nil, bad
	}
	if d.problem != nil {
		return nil, d.problem
	}
	return env.finish(env.event.adopt(d.wire))
}

// adopt copies the data's bytes and, behind them, the texts of the envelope, so that the event is one piece of memory
// that shares nothing with the document.
func (e *Event) adopt(wire []byte) []byte {
	texts := [...]*string{&e.Source, &e.Ledger, &e.PartitionKey, &e.TraceParent}
	if e.Ledger == DefaultLedger {
		texts[1] = new(string)
		e.Ledger = DefaultLedger
	}
	size := len(wire)
	for _, text := range texts {
		size += len(*text)
	}
	buf := append(make([]byte, 0, size), wire...)
	for _, text := range texts {
		start := len(buf)
		buf = append(buf, *text...)
		*text = unsafe.String(unsafe.SliceData(buf[start:]), len(buf)-start)
	}
	return buf[:len(wire):len(wire)]
}

// finish checks the data's protobuf bytes, reads them, and checks what concerns several fields.
func (env *envelope) finish(wire []byte) (*Event, *Invalid) {
	c := checker{subjectNumber: env.kind.message.fields[env.kind.subject].number}
	if bad := c.message(env.kind.message, wire, 0, false); bad != nil {
		return nil, bad
	}
	if bad := checkSubject(env, &c); bad != nil {
		return nil, bad
	}
	e := new(Event)
	*e = env.event
	e.Subject = unsafe.String(unsafe.SliceData(c.subject), len(c.subject)) // one copy of what is the same
	e.Data = env.kind.make()
	if err := e.Data.UnmarshalVTUnsafe(wire); err != nil {
		return nil, badWire(0, err)
	}
	if c.unknown {
		dropUnknown(e.Data.ProtoReflect())
	}
	if bad := checkAcross(e.Data); bad != nil {
		return nil, bad
	}
	return e, nil
}

// dropUnknown forgets the fields of a newer schema, so that the content's hash is that of the fields known here. It is
// slow, and seldom needed.
func dropUnknown(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				dropUnknown(v.List().Get(i).Message())
			}
		case fd.Message() != nil:
			dropUnknown(v.Message())
		}
		return true
	})
}

func checkSize(size int) *Invalid {
	if size <= MaxEventBytes {
		return nil
	}
	return invalid(CodeTooLarge, "", "the event has %d bytes, at most %d are taken; split it", size, MaxEventBytes)
}

func undecodable(path string, err error) *Invalid {
	return invalid(CodeUndecodable, path, "%v", err)
}

// Validate holds an event that was built in Go to the very rules of Decode. It is nil for a valid event.
func Validate(e *Event) *Invalid {
	k := kindOf(e.Data)
	switch {
	case k == nil || !e.Data.ProtoReflect().IsValid():
		return missingField("data")
	case k.name != e.Type:
		return invalid(CodeUnknownType, "type", "%s is not the type of its data, %s", quote(e.Type), k.name)
	case !timeInRange(e.Time) || !e.Time.Equal(e.Time.Truncate(time.Microsecond)) || e.Time.Location() != time.UTC:
		return invalid(CodeBadTime, "time", "%s is not in UTC, to the microsecond, from %d to %d; NewEvent makes it so",
			e.Time.Format(time.RFC3339Nano), minYear, maxYear)
	case e.Ledger == "":
		return missingField("ledger")
	}
	wire, err := e.Data.MarshalVT()
	if err != nil {
		return invalid(CodeUndecodable, "data", "%v", err)
	}
	a := e.Attributes()
	_, bad := Decode(&a, wire, Strict)
	return bad
}

//nolint:gochecknoglobals // a pool has no state that shows
var documents = sync.Pool{New: func() any { return new(document) }}
