package ledger

import (
	"encoding/base64"
	"unsafe"
)

// document reads a CloudEvents JSON document: the attributes in any order, and the data, which is transcoded at once
// where the type is known by then, and else marked and transcoded at the end.
type document struct {
	transcoder

	attributes Attributes
	// envelopeProblem is the first thing wrong with an attribute; it is told before what is wrong with the data.
	envelopeProblem *Invalid
	met             uint32

	dataAt     int  // where data begins; -1 where there is none
	transcoded bool // data is in wire
	base64     []byte
	hasBase64  bool
}

// maxPooledBytes keeps one very large event from being remembered for ever.
const maxPooledBytes = 64 << 10

func borrowDocument(src []byte, mode Mode) *document {
	d, _ := documents.Get().(*document)
	wire, scratch := d.wire[:0], d.scratch[:0]
	*d = document{dataAt: -1}
	d.src, d.mode, d.wire, d.scratch = src, mode, wire, scratch
	return d
}

func (d *document) giveBack() {
	if cap(d.wire) > maxPooledBytes || cap(d.scratch) > maxPooledBytes {
		return
	}
	d.src, d.attributes, d.base64 = nil, Attributes{}, nil
	documents.Put(d)
}

// wholeData transcodes a text that is nothing but the data's object. It is false where JSON is broken.
func (d *document) wholeData(m *message) bool {
	d.dataValue(m)
	return d.syntax == nil && d.end()
}

// end passes over white space to the end of the text.
func (d *document) end() bool {
	d.peek()
	if d.at < len(d.src) {
		return d.fail("the JSON is followed by %s", quote(d.src[d.at:]))
	}
	return true
}

// dataValue transcodes the data's object, which is next.
func (d *document) dataValue(m *message) bool {
	if d.peek() == '{' {
		return d.object(m)
	}
	start := d.at
	if !d.skip(0) {
		return false
	}
	if string(d.src[start:d.at]) == "null" {
		d.note(missingField("data"))
	} else {
		d.note(invalid(CodeUndecodable, "data", "JSON has %s where an object is expected", snippet(d.src[start:d.at])))
	}
	return true
}

// whole reads the document. It is false where JSON is broken.
func (d *document) whole() bool {
	if d.peek() != '{' {
		return d.expected("an object")
	}
	d.at++
	for first := true; ; first = false {
		name, more, ok := d.member(first)
		if !ok {
			return false
		}
		if !more {
			return d.end()
		}
		if !d.documentMember(name) {
			return false
		}
	}
}

func (d *document) documentMember(name []byte) bool {
	d.peek()
	switch string(name) {
	case "data":
		if d.dataAt >= 0 {
			return d.twice("data")
		}
		d.dataAt = d.at
		k := registry().byType[Type(d.attributes.Type)]
		if format, _ := contentFormat(d.attributes.DataContentType); k == nil || format != formatJSON {
			return d.skip(0)
		}
		d.transcoded = true
		return d.dataValue(k.message)
	case "data_base64":
		if d.hasBase64 {
			return d.twice("data_base64")
		}
		d.hasBase64 = true
		var text string
		ok := d.attribute("data_base64", CodeUndecodable, &text)
		d.base64 = unsafe.Slice(unsafe.StringData(text), len(text))
		return ok
	}
	place := placeOf(name)
	if place < 0 {
		if d.mode == Strict {
			d.noteEnvelope(unknownField(printable(name)))
		}
		return d.skip(0)
	}
	return d.knownAttribute(place)
}

func (d *document) twice(name string) bool {
	return d.fail("the name %s comes twice in one object, the second time", quote(name))
}

func (d *document) noteEnvelope(bad *Invalid) {
	if d.envelopeProblem == nil {
		d.envelopeProblem = bad
	}
}

// knownAttribute reads the value of an attribute into its place.
func (d *document) knownAttribute(place int) bool {
	bit := uint32(1) << place
	if d.met&bit != 0 {
		return d.twice(attributeName(place))
	}
	d.met |= bit
	code := CodeBadEnvelope
	switch place {
	case atID:
		code = CodeBadID
	case atTime:
		code = CodeBadTime
	case atType:
		code = CodeUnknownType
	}
	return d.attribute(attributeName(place), code, d.attributes.at(place))
}

// attribute reads a string, or null, which is as if it were not there. The string shares memory with the document, or
// is a copy where it had escapes.
func (d *document) attribute(name string, code Code, target *string) bool {
	switch d.peek() {
	case 'n':
		return d.literal("null")
	case '"':
		start := d.at
		text, ok := d.text()
		if ok && len(text) == d.at-start-2 {
			text = d.src[start+1 : d.at-1]
			*target = unsafe.String(unsafe.SliceData(text), len(text))
		} else {
			*target = string(text)
		}
		return ok
	default:
		start := d.at
		if !d.skip(0) {
			return false
		}
		d.noteEnvelope(invalid(code, name, "JSON has %s where a string in quotes is expected", snippet(d.src[start:d.at])))
		return true
	}
}

// dataOf sees to it that wire has the data of the document, whose attributes are read.
func (d *document) dataOf(env *envelope) *Invalid {
	switch {
	case d.hasBase64 && d.dataAt >= 0:
		return invalid(CodeBadEnvelope, "data_base64", "the event has both data and data_base64; leave one out")
	case d.hasBase64:
		return d.base64Of(env)
	case d.dataAt < 0:
		return missingField("data")
	case env.format == formatProtobuf:
		return invalid(CodeBadEnvelope, "datacontenttype", "%s goes into data_base64, not into data", ContentTypeProtobuf)
	case !d.transcoded:
		d.at = d.dataAt
		if !d.dataValue(env.kind.message) {
			return undecodable("data", d.syntax)
		}
	}
	return nil
}

func (d *document) base64Of(env *envelope) *Invalid {
	data, err := base64.StdEncoding.AppendDecode(nil, d.base64)
	if err != nil {
		return invalid(CodeUndecodable, "data_base64", "not base64: %v", err)
	}
	switch {
	case len(data) == 0:
		return missingField("data")
	case env.format == formatProtobuf:
		d.wire = data
	default:
		d.src, d.at = data, 0
		if !d.wholeData(env.kind.message) {
			return undecodable("data_base64", d.syntax)
		}
	}
	return nil
}

// PeekID finds the id of a CloudEvents JSON document that may be broken elsewhere, for the listing of what was
// refused. It is empty where no UUID can be read.
func PeekID(doc []byte) string {
	s := scanner{src: doc}
	if s.peek() != '{' {
		return ""
	}
	s.at++
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more || !ok {
			return ""
		}
		if string(name) != "id" || s.peek() != '"' {
			if !s.skip(0) {
				return ""
			}
			continue
		}
		text, _ := s.text()
		if id, ok := ParseID(string(text)); ok {
			return id.String()
		}
		return ""
	}
}
