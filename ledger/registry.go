package ledger

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// kind is a type of event: what its descriptor says, in the shape that the hot path wants.
type kind struct {
	name       Type
	topic      string
	subject    int // index of the subject's field
	subjectRef protoreflect.FieldDescriptor
	message    *message
	descriptor protoreflect.MessageDescriptor
	make       func() Data
}

// subjectOf is the value of data's subject field.
func (k *kind) subjectOf(data Data) string { return data.ProtoReflect().Get(k.subjectRef).String() }

// fieldKind is a field's protobuf type; others are not used by events.
type fieldKind uint8

const (
	kindText fieldKind = iota
	kindNumber
	kindFlag
	kindMessage
)

// maxFieldNumber bounds field numbers, so that the fields met are bits of one word.
const maxFieldNumber = 63

// message is a table of a message's fields.
type message struct {
	fields   []field
	byNumber [maxFieldNumber + 1]int8 // index + 1; 0 where there is no such field
	required uint64                   // bits by field number
	money    bool
}

// field is one field with its rule.
type field struct {
	name     string
	number   uint8
	kind     fieldKind
	repeated bool
	signed   bool
	money    bool // the value of money
	form     eventsv1.Form
	limit    int      // of bytes, for text
	code     Code     // of a malformed value
	tag      []byte   // on the wire
	message  *message // of kindMessage
}

// bit is the field's place in a word of fields met.
func (f *field) bit() uint64 { return 1 << f.number }

type registryTables struct {
	kinds     []*kind
	byType    map[Type]*kind
	byMessage map[protoreflect.FullName]*kind
}

// registry is built once, from the generated descriptors; it never changes after.
//
//nolint:gochecknoglobals // a constant that Go cannot express as one
var registry = sync.OnceValue(buildRegistry)

func buildRegistry() *registryTables {
	r := &registryTables{byType: map[Type]*kind{}, byMessage: map[protoreflect.FullName]*kind{}}
	messages := map[protoreflect.FullName]*message{}
	for _, factory := range factories() {
		descriptor := factory().ProtoReflect().Descriptor()
		option, _ := proto.GetExtension(descriptor.Options(), eventsv1.E_EventType).(*eventsv1.EventType)
		subject := descriptor.Fields().ByName(protoreflect.Name(option.GetSubject()))
		if subject == nil {
			panic(fmt.Sprintf("schema: %s names no subject field", descriptor.FullName()))
		}
		k := &kind{
			name: Type(option.GetType()), topic: option.GetTopic(),
			subject: subject.Index(), subjectRef: subject,
			message: buildMessage(messages, descriptor), descriptor: descriptor, make: factory,
		}
		r.kinds = append(r.kinds, k)
		r.byType[k.name], r.byMessage[descriptor.FullName()] = k, k
	}
	return r
}

func buildMessage(known map[protoreflect.FullName]*message, d protoreflect.MessageDescriptor) *message {
	if m := known[d.FullName()]; m != nil {
		return m
	}
	m := &message{money: d.FullName() == (*eventsv1.Money)(nil).ProtoReflect().Descriptor().FullName()}
	known[d.FullName()] = m
	repeated := false
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		if fd.Number() > maxFieldNumber {
			panic(fmt.Sprintf("schema: %s has a number above %d", fd.FullName(), maxFieldNumber))
		}
		rule, _ := proto.GetExtension(fd.Options(), eventsv1.E_Rule).(*eventsv1.Rule)
		f := buildField(known, fd, rule, m.money)
		if f.repeated && repeated {
			panic(fmt.Sprintf("schema: %s has two repeated fields; paths count the elements of one", d.FullName()))
		}
		repeated = repeated || f.repeated
		m.fields = append(m.fields, f)
		m.byNumber[f.number] = int8(len(m.fields)) //nolint:gosec // at most 63 fields
		if rule.GetRequired() {
			m.required |= f.bit()
		}
	}
	return m
}

func buildField(
	known map[protoreflect.FullName]*message, fd protoreflect.FieldDescriptor, rule *eventsv1.Rule, money bool,
) field {
	f := field{
		name: string(fd.Name()), number: uint8(fd.Number()), //nolint:gosec // at most 63
		repeated: fd.IsList(), signed: rule.GetSigned(), form: rule.GetForm(), code: CodeBadField,
		money: rule.GetForm() == eventsv1.Form_FORM_INTEGER,
	}
	wire := protowire.BytesType
	switch fd.Kind() {
	case protoreflect.StringKind:
		f.limit = formLimit(f.form)
	case protoreflect.Uint32Kind:
		f.kind, wire = kindNumber, protowire.VarintType
	case protoreflect.BoolKind:
		f.kind, wire = kindFlag, protowire.VarintType
	case protoreflect.MessageKind:
		f.kind, f.message = kindMessage, buildMessage(known, fd.Message())
	default:
		panic(fmt.Sprintf("schema: %s has a type that events do not use", fd.FullName()))
	}
	if f.repeated && f.kind != kindMessage {
		panic(fmt.Sprintf("schema: %s repeats something that is no message", fd.FullName()))
	}
	switch {
	case money, f.kind == kindMessage && f.message.money:
		f.code = CodeBadAmount
	case f.form == eventsv1.Form_FORM_ACCOUNT_ID:
		f.code = CodeBadID
	case f.form == eventsv1.Form_FORM_ACCOUNT:
		f.code = CodeBadAccount
	}
	f.tag = protowire.AppendTag(nil, fd.Number(), wire)
	return f
}

// find looks a field up by name. Producers keep to an order, so the search starts where the last one ended; *next is
// that place.
func (m *message) find(name []byte, next *int) *field {
	n := len(m.fields)
	for i := range n {
		at := *next + i
		if at >= n {
			at -= n
		}
		if f := &m.fields[at]; f.name == string(name) {
			*next = at + 1
			return f
		}
	}
	return nil
}

// missing is the first required field that is not among those met, nil when all are.
func (m *message) missing(met uint64) *field {
	if m.required&^met == 0 {
		return nil
	}
	for i := range m.fields {
		if f := &m.fields[i]; m.required&^met&f.bit() != 0 {
			return f
		}
	}
	return nil
}
