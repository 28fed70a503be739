package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// shapes shows schemas to people: as fields with types, and as examples made of the fields' own.
type shapes struct{ registry huma.Registry }

// deepest bounds how far into a schema is looked: one may hold itself.
const deepest = 6

func (s shapes) resolved(schema *huma.Schema) *huma.Schema {
	for range deepest {
		if schema == nil || schema.Ref == "" {
			break
		}
		schema = s.registry.SchemaFromRef(schema.Ref)
	}
	if schema == nil {
		return &huma.Schema{}
	}
	return schema
}

// properties are an object's, those that have to be there first.
func properties(schema *huma.Schema) []string {
	names := slices.DeleteFunc(slices.Clone(schema.Required), func(name string) bool { return schema.Properties[name] == nil })
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// fields are all of a body, by their paths.
func (s shapes) fields(prefix string, schema *huma.Schema, depth int) []docsField {
	schema = s.resolved(schema)
	if schema.Type == huma.TypeArray {
		return s.fields(prefix+"[]", schema.Items, depth+1)
	}
	var all []docsField
	for _, name := range properties(schema) {
		property := s.resolved(schema.Properties[name])
		path := strings.TrimPrefix(prefix+"."+name, ".")
		described := schema.Properties[name].Description
		if described == "" {
			described = property.Description
		}
		field := docsField{
			Name: path, Type: s.typeOf(property), Required: slices.Contains(schema.Required, name), Description: s.described(described, property),
		}
		if len(property.Examples) > 0 && property.Type != huma.TypeObject && property.Type != huma.TypeArray {
			field.Example = textOf(property.Examples[0])
		}
		all = append(all, field)
		if depth < deepest && (property.Type == huma.TypeObject || property.Type == huma.TypeArray) {
			all = append(all, s.fields(path, property, depth+1)...)
		}
	}
	return all
}

// typeOf names a type as people do.
func (s shapes) typeOf(schema *huma.Schema) string {
	schema = s.resolved(schema)
	switch {
	case schema.Type == huma.TypeArray:
		return "list of " + s.typeOf(schema.Items)
	case schema.Format == "date-time":
		return "time, RFC 3339"
	case schema.Format != "" && schema.Type == huma.TypeString:
		return schema.Format
	case schema.Type == huma.TypeString:
		return "text"
	case schema.Type == huma.TypeBoolean:
		return "true or false"
	}
	return schema.Type
}

// described adds to a description what the schema says in its own way.
func (s shapes) described(text string, schema *huma.Schema) string {
	schema = s.resolved(schema)
	var rules []string
	if len(schema.Enum) > 0 {
		words := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			words[i] = textOf(value)
		}
		rules = append(rules, "One of "+strings.Join(words, ", ")+".")
	}
	if schema.MaxLength != nil {
		rules = append(rules, fmt.Sprintf("%d characters at most.", *schema.MaxLength))
	}
	if schema.Minimum != nil && schema.Maximum != nil {
		rules = append(rules, fmt.Sprintf("From %v to %v.", *schema.Minimum, *schema.Maximum))
	}
	if schema.MaxItems != nil {
		rules = append(rules, fmt.Sprintf("%d at most.", *schema.MaxItems))
	}
	if schema.Default != nil {
		rules = append(rules, fmt.Sprintf("%s where it is left out.", textOf(schema.Default)))
	}
	return strings.TrimSpace(text + " " + strings.Join(rules, " "))
}

func (s shapes) parameterExample(p *huma.Param) any {
	if p.Example != nil {
		return p.Example
	}
	if schema := s.resolved(p.Schema); len(schema.Examples) > 0 {
		return schema.Examples[0]
	}
	return nil
}

func (s shapes) mediaExample(media *huma.MediaType) json.RawMessage {
	if media.Example != nil {
		return raw(media.Example)
	}
	return s.example(media.Schema, 0)
}

// example is made of the examples of a schema's fields; where one has none, of its type.
func (s shapes) example(schema *huma.Schema, depth int) json.RawMessage {
	if schema != nil && len(schema.Examples) > 0 {
		return raw(schema.Examples[0])
	}
	schema = s.resolved(schema)
	switch {
	case len(schema.Examples) > 0:
		return raw(schema.Examples[0])
	case schema.Default != nil:
		return raw(schema.Default)
	case len(schema.Enum) > 0:
		return raw(schema.Enum[0])
	case depth > deepest:
		return json.RawMessage("null")
	}
	switch schema.Type {
	case huma.TypeObject:
		return s.objectExample(schema, depth)
	case huma.TypeArray:
		return slices.Concat(json.RawMessage("["), s.example(schema.Items, depth+1), json.RawMessage("]"))
	case huma.TypeString:
		if schema.Format == "date-time" {
			return raw("2026-01-31T09:30:00Z")
		}
		return raw("…")
	case huma.TypeInteger, huma.TypeNumber:
		return raw(1)
	case huma.TypeBoolean:
		return raw(true)
	}
	return json.RawMessage("null")
}

func (s shapes) objectExample(schema *huma.Schema, depth int) json.RawMessage {
	var out bytes.Buffer
	out.WriteByte('{')
	for _, name := range properties(schema) {
		if strings.HasSuffix(schema.Properties[name].Ref, "/Problem") {
			continue // an example of what goes well
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(raw(name))
		out.WriteByte(':')
		out.Write(s.example(schema.Properties[name], depth+1))
	}
	out.WriteByte('}')
	return out.Bytes()
}

// raw is a value that came from JSON, or will go there.
func raw(value any) json.RawMessage {
	if text, ok := value.(json.RawMessage); ok {
		return text
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSpace(out.Bytes())
}

// textOf is a value as one writes it in an address or a header.
func textOf(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		words := make([]string, len(v))
		for i, one := range v {
			words[i] = textOf(one)
		}
		return strings.Join(words, ",")
	case []string:
		return strings.Join(v, ",")
	}
	return string(raw(value))
}
