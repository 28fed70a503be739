package docs_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/ledgertest"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// asyncapiPath is the document, made from the schemas and the registry of types.
const asyncapiPath = "../schemas/asyncapi.json"

func TestAsyncAPIIsUpToDate(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(asyncapi(t)))
	if *update {
		require.NoError(t, os.WriteFile(asyncapiPath, want.Bytes(), 0o600))
		return
	}
	require.Equal(t, want.String(), readFile(t, asyncapiPath), "%s is stale: run `go test ./docs -update` and commit the result", asyncapiPath)
}

// short is a type without what all types have: payment.posted.
func short(name ledger.Type) string {
	return strings.TrimSuffix(strings.TrimPrefix(string(name), "tributary."), ".v1")
}

// asyncapi describes Tributary: what it receives on which topic, in which form.
func asyncapi(t *testing.T) object {
	t.Helper()
	channels, operations := make(object, 0, len(ledger.Topics())), make(object, 0, len(ledger.Topics()))
	messages := make(object, 0, len(ledger.Types()))
	for _, topic := range ledger.Topics() {
		name := strings.TrimPrefix(topic, "tributary.")
		var here object
		for _, info := range ledger.Types() {
			if info.Topic == topic {
				here = append(here, member{short(info.Type), ref("messages", short(info.Type))})
			}
		}
		channels = append(channels, member{name, channel(topic, here.with(member{"event", ref("messages", "event")}))})
		operations = append(operations, member{name, object{
			{"action", "receive"},
			{"channel", object{{"$ref", "#/channels/" + name}}},
			{"summary", "Projectors read every event of " + topic + ", and make tables of them."},
		}})
	}
	for _, info := range ledger.Types() {
		messages = append(messages, member{short(info.Type), binaryMessage(t, info)})
	}
	return object{
		{"asyncapi", "3.0.0"},
		{"info", object{
			{"title", "Tributary's events"},
			{"version", "1.0.0"},
			{"description", "What producers write to Kafka: CloudEvents 1.0 in binary mode, as JSON or protobuf, or whole as JSON. " +
				"A schema cannot say all that makes an event valid; docs/events.md says it, and tributary publish --dry-run checks it."},
			{"license", object{{"name", "Apache-2.0"}, {"url", "https://www.apache.org/licenses/LICENSE-2.0"}}},
			{"externalDocs", object{{"url", "https://github.com/tributary-ledger/tributary/blob/main/docs/events.md"}}},
		}},
		{"defaultContentType", "application/json"},
		{"channels", channels},
		{"operations", operations},
		{"components", object{
			{"messages", messages.with(member{"event", structuredMessage(t)})},
			{"schemas", allSchemas(t)},
		}},
	}
}

func channel(topic string, messages object) object {
	return object{
		{"address", topic},
		{"description", "Kept for ever. The key is the subject, or the attribute partitionkey."},
		{"messages", messages},
		{"bindings", object{{"kafka", object{
			{"topic", topic},
			{"partitions", 12},
			{"replicas", 3},
			{"topicConfiguration", object{
				{"cleanup.policy", []string{"delete"}},
				{"retention.ms", -1},
				{"retention.bytes", -1},
				{"max.message.bytes", eventlog.TopicMaxMessageBytes},
			}},
			{"bindingVersion", "0.5.0"},
		}}}},
	}
}

func keyBinding(text string) member {
	key := object{{"type", "string"}, {"description", text}}
	return member{"bindings", object{{"kafka", object{{"key", key}, {"bindingVersion", "0.5.0"}}}}}
}

// binaryMessage is a type of event in binary mode: attributes as headers, the data as the value.
func binaryMessage(t *testing.T, info ledger.TypeInfo) object {
	t.Helper()
	example := firstExample(t, info.Type)
	return object{
		{"name", string(info.Type)},
		{"title", string(info.Descriptor.Name())},
		{"summary", strings.ToUpper(example.says[:1]) + example.says[1:]},
		{"contentType", "application/json"},
		{"headers", object{{"type", "object"}, {"allOf", []object{
			ref("schemas", "Headers"), {{"properties", object{{"ce_type", object{{"const", string(info.Type)}}}}}},
		}}}},
		{"payload", ref("schemas", string(info.Descriptor.Name()))},
		keyBinding(info.Subject + ", which is the subject"),
		{"examples", []object{{{"headers", example.headers}, {"payload", example.data}}}},
	}
}

// structuredMessage is any event, whole.
func structuredMessage(t *testing.T) object {
	t.Helper()
	line, _, _ := strings.Cut(readFile(t, samplePath), "\n")
	return object{
		{"name", "event"},
		{"title", "Any event in structured mode"},
		{"summary", "The whole event as JSON, attributes and data in one object."},
		{"contentType", "application/cloudevents+json"},
		{"headers", object{{"type", "object"}, {"properties", object{
			{"content-type", object{{"enum", []string{"application/cloudevents+json", "application/json"}}}},
		}}}},
		{"payload", ref("schemas", "Event")},
		keyBinding("the subject"),
		{"examples", []object{{{"headers", object{{"content-type", "application/cloudevents+json"}}}, {"payload", json.RawMessage(line)}}}},
	}
}

const samplePath = "../cmd/tributary/sample.ndjson"

// typeExample is an event of a type, in parts.
type typeExample struct {
	says    string // What the schemas say of the type.
	headers object
	data    json.RawMessage
}

// firstExample is the first of a type in ledger/testdata/postings.
func firstExample(t *testing.T, name ledger.Type) typeExample {
	t.Helper()
	for _, e := range examples(t, "postings") {
		event, invalid := ledger.DecodeJSON([]byte(e.input), ledger.Strict)
		require.Nil(t, invalid)
		if event.Type != name {
			continue
		}
		var whole struct {
			Data json.RawMessage `json:"data"`
		}
		require.NoError(t, json.Unmarshal([]byte(e.input), &whole))
		a := event.Attributes()
		return typeExample{
			says: messageComment(t, protos(t), event.Data.ProtoReflect().Descriptor().Name()),
			headers: object{
				{"content-type", "application/json"},
				{"ce_specversion", "1.0"},
				{"ce_id", a.ID},
				{"ce_source", a.Source},
				{"ce_type", a.Type},
				{"ce_time", a.Time},
				{"ce_subject", a.Subject},
			},
			data: whole.Data,
		}
	}
	require.Fail(t, "ledger/testdata/postings has no example", "%s", name)
	return typeExample{}
}

// contract is the committed document, and a compiler of the schemas in it.
func contract(t *testing.T) (document any, compile func(place string) *jsonschema.Schema) {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(readFile(t, asyncapiPath)))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("asyncapi.json", document))
	return document, func(place string) *jsonschema.Schema {
		schema, err := compiler.Compile("asyncapi.json#" + place)
		require.NoError(t, err, place)
		return schema
	}
}

// against validates JSON.
func against(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// at is a part of a document.
func at(t *testing.T, value any, names ...string) any {
	t.Helper()
	for _, name := range names {
		in, ok := value.(map[string]any)
		require.True(t, ok, names)
		require.Contains(t, in, name, names)
		value = in[name]
	}
	return value
}

// The document follows AsyncAPI's own schema, which the npm package @asyncapi/specs holds; make installs it where it is not yet.
func TestAsyncAPIFollowsItsSpecification(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "--silent", "asyncapi-schema")
	command.Dir = root
	command.Stderr = os.Stderr
	place, err := command.Output()
	require.NoError(t, err)
	specification, err := jsonschema.UnmarshalJSON(strings.NewReader(readFile(t, strings.TrimSpace(string(place)))))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("asyncapi-3.0.0.json", specification))
	schema, err := compiler.Compile("asyncapi-3.0.0.json")
	require.NoError(t, err)
	document, _ := contract(t)
	require.NoError(t, schema.Validate(document))
	at(t, document, "info").(map[string]any)["version"] = 1
	require.Error(t, schema.Validate(document), "the check finds nothing")
}

func TestExamplesOfAsyncAPIAreEvents(t *testing.T) {
	t.Parallel()
	document, compile := contract(t)
	for _, info := range ledger.Types() {
		place := "/components/messages/" + short(info.Type)
		message := at(t, document, "components", "messages", short(info.Type))
		one := at(t, message, "examples").([]any)[0]
		headers, payload := at(t, one, "headers"), at(t, one, "payload")
		require.NoError(t, compile(place+"/headers").Validate(headers), info.Type)
		require.NoError(t, compile(place+"/payload").Validate(payload), info.Type)
		var a ledger.Attributes
		for name, value := range headers.(map[string]any) {
			if attribute, ok := strings.CutPrefix(name, "ce_"); ok {
				require.True(t, a.Set(attribute, value.(string)), name)
			}
		}
		data, err := json.Marshal(payload)
		require.NoError(t, err)
		event, invalid := ledger.Decode(&a, data, ledger.Strict)
		require.Nil(t, invalid)
		require.Equal(t, info.Type, event.Type)
		whole := ledger.AppendJSON(nil, event)
		require.NoError(t, against(t, compile("/components/schemas/Event"), whole))
	}
	one := at(t, document, "components", "messages", "event", "examples").([]any)[0]
	require.NoError(t, compile("/components/schemas/Event").Validate(at(t, one, "payload")))
}

// beyondSchemas are the invalid events that a JSON Schema cannot tell from valid ones; the checker alone refuses them.
func beyondSchemas() []string {
	return []string{
		// Its text is right, and two readers of JSON may see two objects.
		"one name twice", "an attribute twice", "half of a surrogate pair",
		// It is protobuf.
		"protobuf that ends early", "protobuf with a text where money is due", "protobuf with one field twice",
		// An offset reaches beyond the years.
		"before the first year, in UTC",
		// What several fields, or the topic, say together.
		"a fee in another asset", "10^20 whole units", "40 digits", "a line's price", "a provider's fee that makes the whole too large",
		"a fee over its amount", "more returned than refunded", "more debits than credits", "two assets that balance only if added together",
		"another payment's subject", "a payment on the receivers' topic",
	}
}

func TestSchemasRefuseInvalidEvents(t *testing.T) {
	t.Parallel()
	_, compile := contract(t)
	schema := compile("/components/schemas/Event")
	var passed []string
	for _, e := range examples(t, "invalid") {
		if e.input != "" && against(t, schema, []byte(e.input)) == nil {
			passed = append(passed, e.comment)
		}
	}
	require.ElementsMatch(t, beyondSchemas(), passed)
}

func TestSchemasAcceptValidEvents(t *testing.T) {
	t.Parallel()
	_, compile := contract(t)
	schema := compile("/components/schemas/Event")
	t.Run("of the sample", func(t *testing.T) {
		t.Parallel()
		for line := range strings.Lines(readFile(t, samplePath)) {
			require.NoError(t, against(t, schema, []byte(line)), line)
		}
	})
	t.Run("of a simulation", func(t *testing.T) {
		t.Parallel()
		simulated, err := simulation.New(simulation.Options{Seed: 5, Events: 2000})
		require.NoError(t, err)
		for event, more := simulated.Next(); more; event, more = simulated.Next() {
			text := ledger.AppendJSON(nil, event)
			require.NoError(t, against(t, schema, text), "%s", text)
		}
	})
	t.Run("at the extremes", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(r *rapid.T) {
			text := ledger.AppendJSON(nil, ledgertest.Event(r, ledgertest.Extreme()))
			if err := against(t, schema, text); err != nil {
				r.Fatalf("%s: %v", text, err)
			}
		})
	})
}
