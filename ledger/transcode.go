package ledger

import (
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Mode says how strict decoding is about what it does not know.
type Mode uint8

const (
	// Strict refuses JSON fields and envelope attributes that the schema does not have, because they would be lost: for
	// our own doors.
	Strict Mode = iota
	// Lenient ignores them: for records in the log, which others wrote.
	Lenient
)

// transcoder turns an event's data from JSON into the protobuf bytes of its message, led by the message's table. It
// checks what protobuf would not show any more: JSON's own types, unknown fields and names that come twice. Every other
// rule is the checker's.
type transcoder struct {
	scanner

	mode  Mode
	wire  []byte
	trail trail
	// problem is the first rule that is broken. Reading goes on after it: broken JSON is worth telling first.
	problem *Invalid
}

func (t *transcoder) note(bad *Invalid) {
	if t.problem == nil {
		t.problem = bad
	}
}

// object appends the fields of a message, from its opening brace on. It is false where JSON is broken.
func (t *transcoder) object(m *message) bool {
	t.at++
	var met uint64
	next := 0
	for first := true; ; first = false {
		name, more, ok := t.member(first)
		if !more || !ok {
			return ok
		}
		f := m.find(name, &next)
		if f == nil {
			if t.mode == Strict {
				t.note(unknownField(t.trail.path(printable(name))))
			}
			if !t.skip(0) {
				return false
			}
			continue
		}
		if met&f.bit() != 0 {
			return t.fail("the name %s comes twice in one object, the second time", quote(f.name))
		}
		met |= f.bit()
		if !t.value(f) {
			return false
		}
	}
}

// value appends one field, whose value is next.
func (t *transcoder) value(f *field) bool {
	switch c := t.peek(); {
	case c == 'n':
		return t.literal("null") // as if the field were not there
	case f.repeated && c == '[':
		return t.array(f)
	case f.repeated:
		return t.mismatch(f, -1, "an array")
	case f.kind == kindText && c == '"':
		text, ok := t.text()
		if ok && len(text) > 0 {
			t.wire = append(t.wire, f.tag...)
			t.wire = protowire.AppendBytes(t.wire, text)
		}
		return ok
	case f.kind == kindMessage && c == '{':
		return t.nested(f, -1)
	case f.kind == kindNumber && (c == '-' || c >= '0' && c <= '9'):
		return t.uint32(f)
	case f.kind == kindFlag && c == 't':
		t.wire = append(append(t.wire, f.tag...), 1)
		return t.literal("true")
	case f.kind == kindFlag && c == 'f':
		t.wire = append(append(t.wire, f.tag...), 0)
		return t.literal("false")
	default:
		return t.mismatch(f, -1, jsonType(f.kind))
	}
}

func (t *transcoder) array(f *field) bool {
	t.at++
	for index := 0; ; index++ {
		more, ok := t.element(index == 0)
		if !more || !ok {
			return ok
		}
		if t.peek() == '{' {
			ok = t.nested(f, index)
		} else {
			ok = t.mismatch(f, index, jsonType(f.kind))
		}
		if !ok {
			return false
		}
	}
}

// nested appends a message within the message. One byte is set aside for its length; the few messages that need more
// are moved along.
func (t *transcoder) nested(f *field, index int) bool {
	t.trail.push(f.name, index)
	defer t.trail.pop()
	t.wire = append(t.wire, f.tag...)
	t.wire = append(t.wire, 0)
	start := len(t.wire)
	if !t.object(f.message) {
		return false
	}
	length := len(t.wire) - start
	if length < 0x80 {
		t.wire[start-1] = byte(length) //nolint:gosec // below 0x80
		return true
	}
	var prefix [10]byte
	t.wire = slices.Replace(t.wire, start-1, start, protowire.AppendVarint(prefix[:0], uint64(length))...)
	return true
}

func (t *transcoder) uint32(f *field) bool {
	text, ok := t.number()
	if !ok {
		return false
	}
	v, fits := parseUint32(text)
	if !fits {
		largest := uint32(math.MaxUint32)
		if f.code == CodeBadAmount {
			largest = AmountScale
		}
		t.note(invalid(f.code, t.trail.path(f.name),
			"%s is not a whole number from 0 to %d, written without fraction or exponent", snippet(text), largest))
		return true
	}
	t.wire = append(t.wire, f.tag...)
	t.wire = protowire.AppendVarint(t.wire, uint64(v))
	return true
}

// mismatch notes a value that has not the JSON type of its field, and passes over it.
func (t *transcoder) mismatch(f *field, index int, want string) bool {
	t.peek()
	start := t.at
	if !t.skip(0) {
		return false
	}
	t.trail.push(f.name, index)
	t.note(invalid(f.code, t.trail.path(""), "JSON has %s where %s is expected", snippet(t.src[start:t.at]), want))
	t.trail.pop()
	return true
}

func jsonType(k fieldKind) string {
	switch k {
	case kindNumber:
		return "a number without quotes"
	case kindFlag:
		return "true or false"
	case kindMessage:
		return "an object"
	default: // kindText
		return "a string in quotes"
	}
}

func unknownField(path string) *Invalid {
	return invalid(CodeUnknownField, path, "there is no such field, and it would be lost; correct its name or leave it out")
}

// printable is a name as it may stand in a path: itself, or quoted and cut where it is long or not plain.
func printable(name []byte) string {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return quote(name)
		}
	}
	if len(name) == 0 || len(name) > maxQuotedBytes {
		return quote(name)
	}
	return string(name)
}
