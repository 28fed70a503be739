package ledger

import (
	"errors"
	"math"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// checker walks the protobuf bytes of an event's data once and holds every field against its rule. JSON comes here as
// protobuf too, so that both have the same rules and paths.
type checker struct {
	trail trail
	// subjectNumber is the field of the outermost message that the subject must equal, and subject what was found there.
	subjectNumber uint8
	subject       []byte
	// unknown tells that there are fields of a newer schema.
	unknown bool
}

// found is what one message's walk has met.
type found struct {
	met     uint64 // fields, by the bit of their number
	filled  uint64 // those of them that are not empty
	repeats int    // elements of the repeated field
	value   []byte // of money
	scale   uint32 // of money
}

// message checks the fields of one message; base is where b begins in the data, signed whether money may be negative.
func (c *checker) message(m *message, b []byte, base int, signed bool) *Invalid {
	var seen found
	for at := 0; at < len(b); {
		number, wireType, n := consumeTag(b[at:])
		if n < 0 {
			return badWire(base+at, protowire.ParseError(n))
		}
		f := m.byWire(number)
		if f == nil {
			c.unknown = true
			skipped := protowire.ConsumeFieldValue(number, wireType, b[at+n:])
			if skipped < 0 {
				return badWire(base+at, protowire.ParseError(skipped))
			}
			at += n + skipped
			continue
		}
		if seen.met&f.bit() != 0 && !f.repeated {
			return invalid(CodeUndecodable, c.trail.path(f.name), "the field occurs twice, at byte %d of the data", base+at)
		}
		seen.met |= f.bit()
		var bad *Invalid
		if f.kind == kindNumber || f.kind == kindFlag {
			n, bad = c.scalar(f, &seen, wireType, b[at:], n, base+at)
		} else {
			n, bad = c.bytes(f, &seen, wireType, b[at:], n, base+at)
		}
		if bad != nil {
			return bad
		}
		at += n
	}
	if f := m.missing(seen.filled); f != nil {
		return missingField(c.trail.path(f.name))
	}
	if m.money {
		return c.money(&seen, signed)
	}
	return nil
}

// consumeTag is protowire.ConsumeTag, with a short way for the tags of one byte that all but few fields have.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int) {
	if tag := b[0]; tag < 0x80 && tag >= 1<<3 {
		return protowire.Number(tag >> 3), protowire.Type(tag & 7), 1
	}
	return protowire.ConsumeTag(b)
}

// consumeBytes is protowire.ConsumeBytes, with a short way for lengths of one byte.
func consumeBytes(b []byte) ([]byte, int) {
	if len(b) > 0 && b[0] < 0x80 && int(b[0]) < len(b) {
		end := int(b[0]) + 1
		return b[1:end], end
	}
	return protowire.ConsumeBytes(b)
}

// byWire is the field of a number, nil where there is none.
func (m *message) byWire(number protowire.Number) *field {
	if number > maxFieldNumber || m.byNumber[number] == 0 {
		return nil
	}
	return &m.fields[m.byNumber[number]-1]
}

// scalar checks a number or flag whose tag of n bytes begins at b, and returns how many bytes it takes with its tag.
func (c *checker) scalar(f *field, seen *found, got protowire.Type, b []byte, n, at int) (int, *Invalid) {
	if got != protowire.VarintType {
		return 0, badWire(at, errWireType)
	}
	v, size := protowire.ConsumeVarint(b[n:])
	if size < 0 {
		return 0, badWire(at, protowire.ParseError(size))
	}
	if f.kind == kindNumber && v > math.MaxUint32 {
		return 0, invalid(f.code, c.trail.path(f.name), "%d is above %d", v, uint32(math.MaxUint32))
	}
	seen.filled |= f.bit()
	seen.scale = uint32(v) //nolint:gosec // bounded above; a flag's value is not used
	return n + size, nil
}

// bytes checks a text or message whose tag of n bytes begins at b, and returns how many bytes it takes with its tag.
func (c *checker) bytes(f *field, seen *found, got protowire.Type, b []byte, n, at int) (int, *Invalid) {
	if got != protowire.BytesType {
		return 0, badWire(at, errWireType)
	}
	content, size := consumeBytes(b[n:])
	if size < 0 {
		return 0, badWire(at, protowire.ParseError(size))
	}
	if f.kind == kindMessage {
		index := -1
		if f.repeated {
			index = seen.repeats
			seen.repeats++
		}
		seen.filled |= f.bit()
		c.trail.push(f.name, index)
		bad := c.message(f.message, content, at+n+size-len(content), f.signed)
		c.trail.pop()
		return n + size, bad
	}
	if len(content) == 0 {
		return n + size, nil
	}
	seen.filled |= f.bit()
	if f.money {
		seen.value = content
	}
	if c.trail.depth == 0 && f.number == c.subjectNumber {
		c.subject = content
	}
	return n + size, c.text(f, content)
}

func (c *checker) text(f *field, text []byte) *Invalid {
	if len(text) > f.limit {
		return invalid(f.code, c.trail.path(f.name), "%s is too long: %d bytes at most; shorten it", quote(text), f.limit)
	}
	if !f.hasForm(text) {
		return invalid(f.code, c.trail.path(f.name), "%s is not %s", quote(text), f.expectation())
	}
	return nil
}

// money checks the value and the scale together, all of money's fields being there.
func (c *checker) money(seen *found, signed bool) *Invalid {
	_, err := ParseAmount(unsafe.String(unsafe.SliceData(seen.value), len(seen.value)), seen.scale)
	switch {
	case err == nil, signed && errors.Is(err, ErrNegative):
		return nil
	case errors.Is(err, ErrScale):
		return invalid(CodeBadAmount, c.trail.path("asset_scale"), "%d is not a scale: 0 to %d decimals", seen.scale, AmountScale)
	case errors.Is(err, ErrNegative):
		return invalid(CodeAmountNegative, c.trail.path("value"),
			"%s is negative; another type of event says that money goes the other way", quote(seen.value))
	case errors.Is(err, ErrTooLarge):
		return invalid(CodeAmountTooLarge, c.trail.path("value"),
			"%s at scale %d is 10^%d whole units or more", quote(seen.value), seen.scale, MaxWholeDigits)
	default:
		return invalid(CodeBadAmount, c.trail.path("value"),
			"%s is not an integer; write the amount in units of 10^-asset_scale, without a point", quote(seen.value))
	}
}

var errWireType = errors.New("the field has another wire type than the schema's")

func badWire(at int, err error) *Invalid {
	return invalid(CodeUndecodable, "data", "not the protobuf of this type: %v at byte %d of the data", err, at)
}

func missingField(path string) *Invalid {
	return invalid(CodeMissingField, path, "it is required, and absent or empty; add it")
}
