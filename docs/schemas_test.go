package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	out.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := encoder.Encode(m.name); err != nil {
			return nil, fmt.Errorf("member %s: %w", m.name, err)
		}
		out.WriteByte(':')
		if err := encoder.Encode(m.value); err != nil {
			return nil, fmt.Errorf("member %s: %w", m.name, err)
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// with is the object with members more.
func (o object) with(more ...member) object { return append(slices.Clip(o), more...) }

func ref(kind, name string) object { return object{{"$ref", "#/components/" + kind + "/" + name}} }

// formSchemas are the JSON Schemas of the forms that fields may have. Text is measured in bytes and JSON Schema counts characters, so
// the limits here let through a little more than the checker does.
func formSchemas() map[eventsv1.Form]object {
	text := func(limit int) object {
		return object{{"type", "string"}, {"maxLength", limit}, {"pattern", `^[^\x00]*$`}}
	}
	pattern := func(form string) object { return object{{"type", "string"}, {"pattern", form}} }
	const pointerEnd = `(:[0-9]*)?([/?#][^\x00]*)?$`
	const id = `[A-Za-z0-9._-]{1,64}`
	const label = `[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?`
	kinds := strings.Join([]string{
		"provider", "chain", "interledger", "bank", "expense", "merchant", "site", "platform", "tax", "conversion", "equity",
	}, "|")
	return map[eventsv1.Form]object{
		eventsv1.Form_FORM_UNSPECIFIED:     text(1024),
		eventsv1.Form_FORM_LONG_TEXT:       text(8192),
		eventsv1.Form_FORM_ACCOUNT_ID:      pattern(`^` + id + `$`),
		eventsv1.Form_FORM_ACCOUNT:         pattern(`^(` + kinds + `)(:` + id + `){1,2}$`),
		eventsv1.Form_FORM_DECIMAL:         pattern(`^[0-9]{1,20}(\.[0-9]{1,18})?$`),
		eventsv1.Form_FORM_TIMESTAMP:       timeSchema(),
		eventsv1.Form_FORM_DIRECTION:       {{"type", "string"}, {"enum", []string{"debit", "credit"}}},
		eventsv1.Form_FORM_PAYMENT_TYPE:    {{"type", "string"}, {"enum", []string{"credit", "debit", "crypto", "wallet", "transfer"}}},
		eventsv1.Form_FORM_TIME_ZONE:       {{"type", "string"}, {"enum", ledger.TimeZones()}},
		eventsv1.Form_FORM_PAYMENT_POINTER: pattern(`^(\$|https://)` + label + `(\.` + label + `)*` + pointerEnd).with(member{"maxLength", 1024}),
		eventsv1.Form_FORM_ASSET_CODE:      pattern(`^[A-Z][A-Z0-9]{1,11}$`),
		eventsv1.Form_FORM_INTEGER:         pattern(`^[0-9]+$`).with(member{"maxLength", 1024}),
	}
}

// timeSchema is an RFC 3339 time that is in UTC from 1970 to 2105: an offset may name the evening before or the morning after.
func timeSchema() object {
	const clock = `[Tt][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?`
	return object{
		{"type", "string"},
		{"format", "date-time"},
		{"pattern", `^((19[789][0-9]|20[0-9]{2}|210[0-5])-[01][0-9]-[0-3][0-9]` + clock + `([Zz]|[+-][0-2][0-9]:[0-5][0-9])` +
			`|1969-12-31` + clock + `-[0-2][0-9]:[0-5][0-9]|2106-01-01` + clock + `\+[0-2][0-9]:[0-5][0-9])$`},
	}
}

// formName is what a form's schema is called in the document.
func formName(form eventsv1.Form) string {
	if form == eventsv1.Form_FORM_UNSPECIFIED {
		return "Text"
	}
	var name strings.Builder
	for word := range strings.SplitSeq(strings.TrimPrefix(form.String(), "FORM_"), "_") {
		name.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return name.String()
}

// messageBlock is the text of a message's definition in the schemas.
func messageBlock(t *testing.T, schemas string, name protoreflect.Name) string {
	t.Helper()
	_, rest, found := strings.Cut(schemas, "\nmessage "+string(name)+" {\n")
	require.True(t, found, name)
	block, _, found := strings.Cut(rest, "\n}\n")
	require.True(t, found, name)
	return block + "\n"
}

// fieldComment is what the schemas say of a field, or nothing.
func fieldComment(t *testing.T, schemas string, field protoreflect.FieldDescriptor) string {
	t.Helper()
	block := messageBlock(t, schemas, field.Parent().Name())
	line := regexp.MustCompile(`((?: *//[^\n]*\n)+)[^\n/]*\b` + string(field.Name()) + fmt.Sprintf(` = %d\b`, field.Number()))
	found := line.FindStringSubmatch(block)
	if found == nil {
		return ""
	}
	text := regexp.MustCompile(`(?m)^ *// ?`).ReplaceAllString(found[1], "")
	return strings.Join(strings.Fields(text), " ")
}

// messageComment is what the schemas say of a message, without its name in front.
func messageComment(t *testing.T, schemas string, name protoreflect.Name) string {
	t.Helper()
	return strings.TrimPrefix(comment(t, schemas, "message "+string(name)), string(name)+" ")
}

// messageSchema is the JSON Schema of a message.
func messageSchema(t *testing.T, schemas string, message protoreflect.MessageDescriptor, signed bool) object {
	t.Helper()
	var required []string
	properties := make(object, 0, message.Fields().Len())
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		if rule(field).GetRequired() {
			required = append(required, string(field.Name()))
		}
		properties = append(properties, member{string(field.Name()), fieldSchema(t, schemas, field, signed)})
	}
	schema := object{
		{"title", string(message.Name())},
		{"description", messageComment(t, schemas, message.Name())},
		{"type", "object"},
	}
	if len(required) > 0 {
		schema = append(schema, member{"required", required})
	}
	return append(schema, member{"properties", properties}, member{"additionalProperties", false})
}

// fieldSchema is the JSON Schema of a field: a reference to its form or message, with what only this field has.
func fieldSchema(t *testing.T, schemas string, field protoreflect.FieldDescriptor, signed bool) object {
	t.Helper()
	about := object{}
	if said := fieldComment(t, schemas, field); said != "" {
		about = append(about, member{"description", said})
	}
	if rule(field).GetPersonal() {
		about = append(about, member{"x-personal", true})
	}
	described := func(schema object) object {
		if len(about) == 0 {
			return schema
		}
		return about.with(member{"allOf", []object{schema}})
	}
	switch field.Kind() {
	case protoreflect.BoolKind:
		return about.with(member{"type", "boolean"})
	case protoreflect.Uint32Kind:
		most := uint32(1<<32 - 1)
		if field.Name() == "asset_scale" {
			most = ledger.AmountScale
		}
		return about.with(member{"type", "integer"}, member{"minimum", 0}, member{"maximum", most})
	case protoreflect.MessageKind:
		name := string(field.Message().Name())
		if rule(field).GetSigned() {
			name = "Signed" + name
		}
		if !field.IsList() {
			return described(ref("schemas", name))
		}
		list := about.with(member{"type", "array"}, member{"items", ref("schemas", name)})
		if rule(field).GetRequired() {
			list = list.with(member{"minItems", 1})
		}
		return list
	default:
		return described(textSchema(field, signed))
	}
}

// textSchema is the form of a text: where it is required it is not empty, where it may be left out it may be empty.
func textSchema(field protoreflect.FieldDescriptor, signed bool) object {
	form := rule(field).GetForm()
	switch schema := ref("schemas", formName(form)); {
	case rule(field).GetSigned() || (signed && form == eventsv1.Form_FORM_INTEGER):
		return ref("schemas", "Signed"+formName(form))
	case rule(field).GetRequired() && (form == eventsv1.Form_FORM_UNSPECIFIED || form == eventsv1.Form_FORM_LONG_TEXT):
		return object{{"allOf", []object{schema, {{"minLength", 1}}}}}
	case rule(field).GetRequired(), form == eventsv1.Form_FORM_UNSPECIFIED, form == eventsv1.Form_FORM_LONG_TEXT:
		return schema
	default:
		return object{{"anyOf", []object{schema, {{"const", ""}}}}}
	}
}

// allSchemas are those of the forms, of messages within messages, of every type's data, and of the whole event.
func allSchemas(t *testing.T) object {
	t.Helper()
	schemas := protos(t)
	var all object
	values := eventsv1.Form(0).Descriptor().Values()
	for i := range values.Len() {
		form := eventsv1.Form(values.Get(i).Number())
		schema := formSchemas()[form]
		require.NotEmpty(t, schema, form)
		said := comment(t, schemas, string(values.Get(i).Name()))
		said = strings.TrimSuffix(said, " In force where a field names no other form.")
		all = append(all, member{formName(form), object{{"description", said}}.with(schema...)})
		switch form {
		case eventsv1.Form_FORM_DECIMAL:
			all = append(all, member{"SignedDecimal", object{
				{"description", said}, {"type", "string"}, {"pattern", `^-?[0-9]{1,20}(\.[0-9]{1,18})?$`},
			}})
		case eventsv1.Form_FORM_INTEGER:
			all = append(all, member{"SignedInteger", object{
				{"description", said}, {"type", "string"}, {"pattern", `^-?[0-9]+$`}, {"maxLength", 1024},
			}})
		default:
		}
	}
	money := (&eventsv1.Money{}).ProtoReflect().Descriptor()
	all = append(all,
		member{"Money", messageSchema(t, schemas, money, false)},
		member{"SignedMoney", messageSchema(t, schemas, money, true)},
		member{"Line", messageSchema(t, schemas, (&eventsv1.Line{}).ProtoReflect().Descriptor(), false)},
		member{"Entry", messageSchema(t, schemas, (&eventsv1.Entry{}).ProtoReflect().Descriptor(), false)},
	)
	for _, info := range ledger.Types() {
		all = append(all, member{string(info.Descriptor.Name()), messageSchema(t, schemas, info.Descriptor, false)})
	}
	return append(all, member{"Headers", headersSchema()}, member{"Event", eventSchema()})
}

// attributes are the CloudEvents attributes of an event, the required ones first.
func attributes() (all object, required []string) {
	types := make([]string, 0, len(ledger.Types()))
	for _, info := range ledger.Types() {
		types = append(types, string(info.Type))
	}
	described := func(text string, schema object) object { return object{{"description", text}}.with(schema...) }
	pattern := func(form string) object { return object{{"type", "string"}, {"pattern", form}} }
	const uuid = `^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`
	all = object{
		{"specversion", object{{"const", "1.0"}}},
		{"id", described("A UUID of any version: the event's identity, in the whole system and for ever.",
			pattern(uuid).with(member{"not", object{{"const", "00000000-0000-0000-0000-000000000000"}}}))},
		{"source", described("A URI reference of the producer.",
			pattern(`^([A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$`).with(member{"maxLength", 1024}))},
		{"type", object{{"enum", types}}},
		{"time", object{{"description", "When it happened, kept to the microsecond."}, {"allOf", []object{ref("schemas", "Timestamp")}}}},
		{"subject", described("What it is about; equals the field of the data that the type names.",
			object{{"type", "string"}, {"minLength", 1}, {"maxLength", 1024}})},
		{"datacontenttype", described("application/json when absent.",
			pattern(`^([Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/([Jj][Ss][Oo][Nn]|[Pp][Rr][Oo][Tt][Oo][Bb][Uu][Ff])[ \t]*(;.*)?)?$`))},
		{"ledger", described("Books that never mix; main when absent.", pattern(`^[a-z0-9-]{0,40}$`))},
		{"partitionkey", described("The record's key; the subject when absent.",
			object{{"type", "string"}, {"maxLength", 1024}, {"pattern", `^[^\x00]*$`}})},
		{"traceparent", described("A W3C trace context.",
			pattern(`^([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[^\x00]*)?)?$`).with(
				member{"maxLength", 1024}, member{"not", object{{"pattern", `^(ff|00-.{53}|..-0{32}|..-.{32}-0{16})`}}}))},
	}
	return all, []string{"specversion", "id", "source", "type", "time", "subject"}
}

// eventSchema is a whole event: a line of a file, or a record in structured mode.
func eventSchema() object {
	properties, required := attributes()
	properties = append(properties,
		member{"data", object{{"type", "object"}}},
		member{"data_base64", object{{"description", "The data as protobuf, in base 64."}, {"type", "string"}, {"contentEncoding", "base64"}}})
	rules := make([]object, 0, len(ledger.Types()))
	for _, info := range ledger.Types() {
		rules = append(rules, object{
			{"if", object{{"properties", object{{"type", object{{"const", string(info.Type)}}}}}}},
			{"then", object{{"properties", object{{"data", ref("schemas", string(info.Descriptor.Name()))}}}}},
		})
	}
	protobuf := object{{"pattern", `^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Pp]`}}
	return object{
		{"title", "Event"},
		{"description", "A whole event as JSON: a line of a file, and a record in structured mode."},
		{"type", "object"},
		{"required", required},
		{"properties", properties},
		{"additionalProperties", false},
		{"oneOf", []object{
			{{"required", []string{"data"}}, {"properties", object{{"datacontenttype", object{{"not", protobuf}}}}}},
			{{"required", []string{"data_base64", "datacontenttype"}}, {"properties", object{{"datacontenttype", protobuf}}}},
		}},
		{"not", object{{"required", []string{"data", "data_base64"}}}},
		{"allOf", rules},
	}
}

// headersSchema are the headers of a record in binary mode.
func headersSchema() object {
	all, required := attributes()
	headers := object{{"content-type", object{{"enum", []string{"application/json", "application/protobuf"}}}}}
	for _, attribute := range all {
		if attribute.name != "datacontenttype" { // which is the header content-type
			headers = append(headers, member{"ce_" + attribute.name, attribute.value})
		}
	}
	for i := range required {
		required[i] = "ce_" + required[i]
	}
	return object{
		{"title", "Headers"},
		{"description", "A record's headers in binary mode: the event's attributes."},
		{"type", "object"},
		{"required", required},
		{"properties", headers},
	}
}
