package ledger

import (
	"strings"

	"github.com/google/uuid"
)

// Attributes are the CloudEvents attributes of an event, as text, empty where absent. The names of the last three are
// extensions.
type Attributes struct {
	SpecVersion, ID, Source, Type, Time, Subject, DataContentType string

	Ledger, PartitionKey, TraceParent string
}

// The places of the attributes, in the order in which they are checked and written.
const (
	atSpecVersion = iota
	atID
	atSource
	atType
	atTime
	atSubject
	atDataContentType
	atLedger
	atPartitionKey
	atTraceParent
	attributeCount
)

// lastRequired is the last of the attributes that every event must have.
const lastRequired = atSubject

// attributeName is the CloudEvents name of the attribute in a place.
func attributeName(place int) string {
	return [...]string{
		"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "ledger", "partitionkey", "traceparent",
	}[place]
}

// at is the attribute in its place.
func (a *Attributes) at(place int) *string {
	switch place {
	case atSpecVersion:
		return &a.SpecVersion
	case atID:
		return &a.ID
	case atSource:
		return &a.Source
	case atType:
		return &a.Type
	case atTime:
		return &a.Time
	case atSubject:
		return &a.Subject
	case atDataContentType:
		return &a.DataContentType
	case atLedger:
		return &a.Ledger
	case atPartitionKey:
		return &a.PartitionKey
	default:
		return &a.TraceParent
	}
}

// placeOf is the place of the attribute of this name, below zero where events have none.
func placeOf(name []byte) int {
	switch string(name) {
	case "specversion":
		return atSpecVersion
	case "id":
		return atID
	case "source":
		return atSource
	case "type":
		return atType
	case "time":
		return atTime
	case "subject":
		return atSubject
	case "datacontenttype":
		return atDataContentType
	case "ledger":
		return atLedger
	case "partitionkey":
		return atPartitionKey
	case "traceparent":
		return atTraceParent
	default:
		return -1
	}
}

// Set sets an attribute by its CloudEvents name, such as "partitionkey". It reports false for a name that events do
// not have; a strict door refuses such an event with UnknownAttribute.
func (a *Attributes) Set(name, value string) bool {
	place := placeOf([]byte(name))
	if place < 0 {
		return false
	}
	*a.at(place) = value
	return true
}

// UnknownAttribute refuses an event for an attribute that Set does not know.
func UnknownAttribute(name string) *Invalid { return unknownField(printable([]byte(name))) }

func (a *Attributes) size() int {
	size := 0
	for place := range attributeCount {
		size += len(*a.at(place))
	}
	return size
}

// The content types of data.
const (
	ContentTypeJSON     = "application/json"
	ContentTypeProtobuf = "application/protobuf"
)

type format uint8

const (
	formatJSON format = iota
	formatProtobuf
)

// envelope is what the attributes say once they are checked.
type envelope struct {
	event  Event
	kind   *kind
	format format
}

// open checks every attribute and reads it. The event's data is still to come.
func (a *Attributes) open() (envelope, *Invalid) {
	env := envelope{event: Event{
		Source: a.Source, Subject: a.Subject, Ledger: a.Ledger, PartitionKey: a.PartitionKey, TraceParent: a.TraceParent,
	}}
	if bad := a.missing(); bad != nil {
		return env, bad
	}
	if a.SpecVersion != "1.0" {
		return env, invalid(CodeBadEnvelope, "specversion", "%s is not \"1.0\"", quote(a.SpecVersion))
	}
	id, ok := ParseID(a.ID)
	if !ok {
		return env, invalid(CodeBadID, "id",
			"%s is not a UUID such as 0197f2c4-5b1e-7d3a-9c41-3f6f0a5e8b21, other than all zeros", quote(a.ID))
	}
	if env.kind = registry().byType[Type(a.Type)]; env.kind == nil {
		return env, invalid(CodeUnknownType, "type",
			"%s is no type of event; correct it, or upgrade if it is a newer producer's", quote(a.Type))
	}
	at, err := ParseTime(a.Time)
	if err != nil {
		return env, invalid(CodeBadTime, "time", "%s is %v", quote(a.Time), err)
	}
	env.event.ID, env.event.Type, env.event.Time = id, env.kind.name, at
	if env.format, ok = contentFormat(a.DataContentType); !ok {
		return env, invalid(CodeBadEnvelope, "datacontenttype", "%s is neither %s nor %s",
			quote(a.DataContentType), ContentTypeJSON, ContentTypeProtobuf)
	}
	if a.Ledger == "" {
		env.event.Ledger = DefaultLedger
	}
	return env, env.event.checkTexts()
}

func (a *Attributes) missing() *Invalid {
	for place := range lastRequired + 1 {
		if *a.at(place) == "" {
			return missingField(attributeName(place))
		}
	}
	return nil
}

// checkTexts checks the attributes that are kept as text. The subject is compared with its field later.
func (e *Event) checkTexts() *Invalid {
	if !isURIReference(e.Source) {
		return invalid(CodeBadEnvelope, "source", "%s is not a URI reference of at most %d characters", quote(e.Source), maxTextBytes)
	}
	if !IsLedger(e.Ledger) {
		return invalid(CodeBadEnvelope, "ledger", "%s is not 1 to 40 characters a-z 0-9 -", quote(e.Ledger))
	}
	if len(e.PartitionKey) > maxTextBytes || !isText([]byte(e.PartitionKey)) {
		return invalid(CodeBadEnvelope, "partitionkey",
			"%s is not valid UTF-8 without NUL of at most %d bytes", quote(e.PartitionKey), maxTextBytes)
	}
	if e.TraceParent != "" && !isTraceParent(e.TraceParent) {
		return invalid(CodeBadEnvelope, "traceparent", "%s is not a W3C trace context; leave it out if there is none", quote(e.TraceParent))
	}
	return nil
}

const uuidTextBytes = 36

// ParseID reads an event's id: a UUID of any version in its form of 36 characters, in either case. All zeros is
// refused: it is an id that someone forgot to set.
func ParseID(text string) (uuid.UUID, bool) {
	if len(text) != uuidTextBytes {
		return uuid.UUID{}, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil && id != uuid.Nil
}

const maxLedgerBytes = 40

// IsLedger reports whether name is a ledger's: [a-z0-9-]{1,40}.
func IsLedger(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= maxLedgerBytes
}

// contentFormat reads a content type, without regard to its parameters and case; JSON where it is absent.
func contentFormat(contentType string) (format, bool) {
	switch contentType {
	case "", ContentTypeJSON:
		return formatJSON, true
	case ContentTypeProtobuf:
		return formatProtobuf, true
	}
	bare, _, _ := strings.Cut(contentType, ";")
	bare = strings.Trim(bare, " \t")
	switch {
	case strings.EqualFold(bare, ContentTypeJSON):
		return formatJSON, true
	case strings.EqualFold(bare, ContentTypeProtobuf):
		return formatProtobuf, true
	default:
		return formatJSON, false
	}
}

// isURIReference checks the characters of RFC 3986, its percent encoding, and the scheme if there is one.
func isURIReference(s string) bool {
	if len(s) > maxTextBytes {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case isAlphanumeric(c), strings.IndexByte("-._~:/?#[]@!$&'()*+,;=", c) >= 0:
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
		default:
			return false
		}
	}
	colon := strings.IndexByte(s, ':')
	if colon < 0 || strings.ContainsAny(s[:colon], "/?#") {
		return true
	}
	return isScheme(s[:colon])
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isAlphanumeric(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9') && isAlphanumeric(s[0])
}

func isAlphanumeric(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

func isHex(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'f' || c >= '0' && c <= '9' }

// isTraceParent checks version-traceid-parentid-flags in lower case hexadecimal; a later version may be longer.
func isTraceParent(s string) bool {
	const length = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if len(s) < length || len(s) > maxTextBytes || s[2] != '-' || s[35] != '-' || s[52] != '-' || !isText([]byte(s)) {
		return false
	}
	if s[:2] == "ff" || s[:2] == "00" && len(s) != length || len(s) > length && s[length] != '-' {
		return false
	}
	return lowerHex(s[:2]) && nonZeroHex(s[3:35]) && nonZeroHex(s[36:52]) && lowerHex(s[53:length])
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if !isHex(s[i]) || s[i] >= 'A' && s[i] <= 'F' {
			return false
		}
	}
	return true
}

func nonZeroHex(s string) bool { return lowerHex(s) && strings.Trim(s, "0") != "" }
