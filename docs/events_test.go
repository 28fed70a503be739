package docs_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestEventsAreUpToDate(t *testing.T) {
	t.Parallel()
	generated(t, "events.md", "types", typeTables(t))
	generated(t, "events.md", "forms", forms(t))
	generated(t, "events.md", "codes", codes(t))
}

// protos is the text of the schemas, for what descriptors do not keep: comments.
func protos(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "schemas", "tributary", "events", "v1", "*.proto"))
	require.NoError(t, err)
	var all strings.Builder
	for _, path := range paths {
		all.WriteString(readFile(t, path))
	}
	return all.String()
}

// typeTables are the types by topic: what each is, its data, and what an example of it posts.
func typeTables(t *testing.T) string {
	t.Helper()
	schemas, posts := protos(t), postings(t)
	var text strings.Builder
	for _, topic := range ledger.Topics() {
		var rows [][]string
		for _, info := range ledger.Types() {
			if info.Topic != topic {
				continue
			}
			name := strings.TrimSuffix(strings.TrimPrefix(string(info.Type), "tributary."), ".v1")
			meaning := comment(t, schemas, "message "+string(info.Descriptor.Name()))
			meaning = strings.TrimPrefix(meaning, string(info.Descriptor.Name())+" ")
			posted, ok := posts[info.Type]
			require.True(t, ok, "ledger/testdata/postings has no example of %s", info.Type)
			rows = append(rows, []string{code(name), strings.TrimSuffix(meaning, "."), fields(info.Descriptor, info.Subject), posted})
		}
		fmt.Fprintf(&text, "**Topic `%s`**\n\n%s\n", topic, table([]string{"type", "it", "data", "postings"}, rows))
	}
	return text.String()
}

// comment is what stands above a line of a schema.
func comment(t *testing.T, schemas, line string) string {
	t.Helper()
	found := regexp.MustCompile(`((?: *//[^\n]*\n)+) *` + regexp.QuoteMeta(line) + `\b`).FindStringSubmatch(schemas)
	require.NotNil(t, found, "the schemas have no comment above %q", line)
	text := regexp.MustCompile(`(?m)^ *// ?`).ReplaceAllString(found[1], "")
	return strings.Join(strings.Fields(text), " ")
}

func rule(field protoreflect.FieldDescriptor) *eventsv1.Rule {
	rule, _ := proto.GetExtension(field.Options(), eventsv1.E_Rule).(*eventsv1.Rule)
	return rule
}

// fields lists a message's fields, those within lists in parentheses.
func fields(message protoreflect.MessageDescriptor, subject string) string {
	names := make([]string, message.Fields().Len())
	for i := range names {
		field := message.Fields().Get(i)
		name := string(field.Name())
		if nested := field.Message(); nested != nil && nested.Name() != "Money" {
			name += " (" + fields(nested, "") + ")"
		}
		if rule(field).GetPersonal() {
			name += " †"
		}
		switch {
		case string(field.Name()) == subject:
			name = "**" + name + "**"
		case !rule(field).GetRequired():
			name = "[" + name + "]"
		}
		names[i] = name
	}
	return strings.Join(names, ", ")
}

// postings are those of the first example of each type that posts, or “–”.
func postings(t *testing.T) map[ledger.Type]string {
	t.Helper()
	posts := map[ledger.Type]string{}
	for _, e := range examples(t, "postings") {
		event, invalid := ledger.DecodeJSON([]byte(e.input), ledger.Strict)
		require.Nil(t, invalid)
		if was, ok := posts[event.Type]; ok && was != "–" {
			continue
		}
		posts[event.Type] = strings.ReplaceAll(strings.TrimSpace(e.output), "\n", "<br>")
	}
	return posts
}

// forms are the shapes that fields must have, and the fields that have them.
func forms(t *testing.T) string {
	t.Helper()
	schemas, used := protos(t), map[eventsv1.Form]map[string]bool{}
	for _, info := range ledger.Types() {
		collectForms(info.Descriptor, used)
	}
	values := eventsv1.Form(0).Descriptor().Values()
	rows := make([][]string, 0, values.Len())
	for i := range values.Len() {
		value := values.Get(i)
		form := eventsv1.Form(value.Number())
		meaning := comment(t, schemas, string(value.Name()))
		where := "all other text"
		if form != eventsv1.Form_FORM_UNSPECIFIED {
			names := make([]string, 0, len(used[form]))
			for name := range used[form] {
				names = append(names, code(name))
			}
			slices.Sort(names)
			where = strings.Join(names, ", ")
		}
		rows = append(rows, []string{where, strings.TrimSuffix(meaning, " In force where a field names no other form.")})
	}
	return table([]string{"fields", "their form"}, rows)
}

func collectForms(message protoreflect.MessageDescriptor, used map[eventsv1.Form]map[string]bool) {
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		if nested := field.Message(); nested != nil {
			collectForms(nested, used)
			continue
		}
		form := rule(field).GetForm()
		if used[form] == nil {
			used[form] = map[string]bool{}
		}
		used[form][string(field.Name())] = true
	}
}

// example is one of a golden file: what goes in, what comes out, and the comment above it.
type example struct{ comment, input, output string }

// examples reads a golden file of package ledger.
func examples(t *testing.T, name string) []example {
	t.Helper()
	text := readFile(t, filepath.Join(root, "ledger", "testdata", name))
	form := regexp.MustCompile(`(?m)^# ([^\n]*)\n[a-z][^\n]*\n((?:[^#\n][^\n]*\n)*)\n?----\n((?:[^\n]+\n)+)`)
	matches := form.FindAllStringSubmatch(text, -1)
	all := make([]example, 0, len(matches))
	for _, found := range matches {
		all = append(all, example{found[1], found[2], found[3]})
	}
	require.Len(t, all, strings.Count(text, "\n----\n"), "an example of %s has another form than this test knows", name)
	return all
}

// meanings are the codes, in the order of the documentation.
func meanings() [][2]string {
	return [][2]string{
		{"bad_envelope", "An attribute of the envelope breaks its rule."},
		{"unknown_type", "No such type. A newer producer may know it: upgrade."},
		{"undecodable", "The bytes are not what they are said to be: no JSON, no protobuf, a value of the wrong kind."},
		{"unknown_field", "A field that the type does not have. Said at the doors alone; in records of others such fields are ignored."},
		{"missing_field", "A required attribute or field is absent or empty."},
		{"bad_field", "A field's form: its characters, its length, its list of values."},
		{"bad_id", "The id is no UUID, or an id that becomes part of an account has other characters than those may have."},
		{"bad_time", "No RFC 3339 time, or one before 1970 or after 2105."},
		{"bad_amount", "No integer, a scale that is missing or over 18, an asset code of another form, two assets where there must be one."},
		{"amount_negative", "Money that goes the other way is another type of event."},
		{"amount_too_large", "10^20 whole units or more."},
		{"fee_over_amount", "The fee is more than the amount that it is taken from."},
		{"bad_account", "The account of a journal's entry has another form, or an unknown kind."},
		{"unbalanced_journal", "The debits of an asset are not its credits."},
		{"subject_mismatch", "The subject is not what the data says."},
		{"wrong_topic", "The type belongs on another topic. Said of records alone."},
		{"too_large", "The event is over 1 MiB."},
	}
}

// codes are the reasons to refuse an event, each with an example and the answers that the tests know.
func codes(t *testing.T) string {
	t.Helper()
	byCode := map[string][]example{}
	answer := regexp.MustCompile(`^code: (\S+)\npath: ?(.*)\nmessage: (.*)\n`)
	for _, e := range examples(t, "invalid") {
		parts := answer.FindStringSubmatch(e.output)
		require.NotNil(t, parts, "%s: %q", e.comment, e.output)
		byCode[parts[1]] = append(byCode[parts[1]], e)
	}
	var text strings.Builder
	require.Len(t, ledger.Codes(), len(meanings()))
	for _, meaning := range meanings() {
		require.Contains(t, ledger.Codes(), ledger.Code(meaning[0]))
		all := byCode[meaning[0]]
		require.NotEmpty(t, all, "ledger/testdata/invalid has no example of %s", meaning[0])
		delete(byCode, meaning[0])
		fmt.Fprintf(&text, "### `%s`\n\n%s\n\n", meaning[0], meaning[1])
		if all[0].input != "" {
			input := strings.NewReplacer(`,"type":`, ",\n \"type\":", `,"data":`, ",\n \"data\":").Replace(strings.TrimSpace(all[0].input))
			fmt.Fprintf(&text, "```text\n%s\n```\n\n", input)
		}
		rows := make([][]string, 0, len(all))
		for _, e := range all {
			parts := answer.FindStringSubmatch(e.output)
			rows = append(rows, []string{e.comment, code(parts[2]), strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`).Replace(parts[3])})
		}
		text.WriteString(table([]string{"case", "path", "the answer"}, rows) + "\n")
	}
	require.Empty(t, byCode, "docs/events_test.go has no meaning for these codes")
	return text.String()
}
