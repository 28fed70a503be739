package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestEventsReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	schemas := protos(t)
	var text strings.Builder
	for _, topic := range ledger.Topics() {
		fmt.Fprintf(&text, "## Topic `%s`\n\n", topic)
		for _, info := range ledger.Types() {
			if info.Topic == topic {
				text.WriteString(typeSection(t, schemas, info))
			}
		}
	}
	generated(t, "events-reference.md", "reference", text.String())
	var parts strings.Builder
	for _, message := range []protoreflect.ProtoMessage{new(eventsv1.Money), new(eventsv1.Line), new(eventsv1.Entry)} {
		descriptor := message.ProtoReflect().Descriptor()
		said := messageComment(t, schemas, descriptor.Name())
		fmt.Fprintf(&parts, "### %s\n\nIt %s\n\n%s\n", descriptor.Name(), said, fieldTable(t, schemas, descriptor, ""))
	}
	generated(t, "events-reference.md", "parts", parts.String())
}

// typeSection is all that there is to say about a type: its fields, what they must agree in, an example, and what that posts.
func typeSection(t *testing.T, schemas string, info ledger.TypeInfo) string {
	t.Helper()
	example := firstExample(t, info.Type)
	var data bytes.Buffer
	require.NoError(t, json.Indent(&data, example.data, "", "  "))
	var text strings.Builder
	fmt.Fprintf(&text, "### `%s`\n\n`%s` %s\n\n", short(info.Type), info.Type, example.says)
	text.WriteString(fieldTable(t, schemas, info.Descriptor, info.Subject))
	if rule := agreements()[info.Type]; rule != "" {
		text.WriteString("\n" + rule + "\n")
	}
	fmt.Fprintf(&text, "\n```json\n%s\n```\n\n", data.String())
	if posts := postings(t)[info.Type]; posts == "–" {
		text.WriteString("It posts nothing.\n\n")
	} else {
		fmt.Fprintf(&text, "An example of it posts:\n\n```text\n%s\n```\n\n", strings.ReplaceAll(posts, "<br>", "\n"))
	}
	return text.String()
}

// agreements are what the fields of a type must agree in, which no field says by itself.
func agreements() map[ledger.Type]string {
	return map[ledger.Type]string{
		ledger.TypePaymentPosted:   "`fee` is of the amount's asset, and at most the amount (`bad_amount`, `fee_over_amount`).",
		ledger.TypePaymentRefunded: "`fee_returned` is of the amount's asset, and at most the amount (`bad_amount`, `fee_over_amount`).",
		ledger.TypeSettlementReceived: "`provider_fee` is of the amount's asset, and both together are below 10^20 whole units " +
			"(`bad_amount`, `amount_too_large`).",
		ledger.TypeJournalPosted: "For each asset the debits of all entries equal the credits (`unbalanced_journal`).",
	}
}

func fieldTable(t *testing.T, schemas string, message protoreflect.MessageDescriptor, subject string) string {
	t.Helper()
	rows := make([][]string, message.Fields().Len())
	for i := range rows {
		field := message.Fields().Get(i)
		required := ""
		if rule(field).GetRequired() {
			required = "yes"
		}
		rows[i] = []string{code(string(field.Name())), fieldType(field), required, fieldRule(t, schemas, field, subject)}
	}
	return table([]string{"field", "type", "required", "what it is"}, rows)
}

func fieldType(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsList():
		return fmt.Sprintf("list of [%[1]s](#%[2]s)", field.Message().Name(), strings.ToLower(string(field.Message().Name())))
	case field.Message() != nil:
		return fmt.Sprintf("[%[1]s](#%[2]s)", field.Message().Name(), strings.ToLower(string(field.Message().Name())))
	case field.Kind() == protoreflect.BoolKind:
		return "true or false"
	case field.Kind() == protoreflect.Uint32Kind:
		return "whole number"
	default:
		return "text"
	}
}

// fieldRule is what the schemas say of a field, and of its form.
func fieldRule(t *testing.T, schemas string, field protoreflect.FieldDescriptor, subject string) string {
	t.Helper()
	var said []string
	if string(field.Name()) == subject {
		said = append(said, "The subject.")
	}
	if text := fieldComment(t, schemas, field); text != "" {
		said = append(said, text)
	}
	form := rule(field).GetForm()
	if form != eventsv1.Form_FORM_UNSPECIFIED {
		value := form.Descriptor().Values().ByNumber(form.Number())
		said = append(said, comment(t, schemas, string(value.Name())))
	}
	if rule(field).GetSigned() {
		said = append(said, "It may be negative.")
	}
	if rule(field).GetPersonal() {
		said = append(said, "Personal data.")
	}
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`).Replace(strings.Join(said, " "))
}

// testCommandPage writes down the help of every command of the program.
func testCommandPage(t *testing.T, program string) {
	t.Helper()
	var text strings.Builder
	var describe func(words []string)
	describe = func(words []string) {
		said, below := help(t, program, words)
		name := strings.Join(append([]string{"tributary"}, words...), " ")
		fmt.Fprintf(&text, "%s `%s`\n\n```text\n%s\n```\n\n", strings.Repeat("#", 2+min(len(words), 1)), name, said)
		for _, one := range below {
			describe(append(slices.Clone(words), one))
		}
	}
	describe(nil)
	generated(t, "commands.md", "commands", text.String())
}

// help is what a command says of itself, without the flags that all have, and the names of the commands below it.
func help(t *testing.T, program string, words []string) (said string, below []string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, append(slices.Clone(words), "--help")...)
	command.Env, command.Dir = environ(), t.TempDir()
	out, err := command.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	title := regexp.MustCompile(`^\S.*:$`)
	entry := regexp.MustCompile(`^ {2}([a-z][a-z-]*) {2,}\S`)
	var lines []string
	under := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, " \n")
		if title.MatchString(line) {
			under = line
		}
		found := entry.FindStringSubmatch(line)
		isCommand := found != nil && !slices.Contains([]string{"Usage:", "Examples:", "Flags:", "Global Flags:"}, under)
		switch {
		case under == "" || found == nil || !isCommand || found[1] == "help":
		default:
			below = append(below, found[1])
		}
		if under != "Global Flags:" || len(words) == 0 {
			lines = append(lines, line)
		}
	}
	said = regexp.MustCompile(`\n*Use "[^"]*" for more information about a command\.`).ReplaceAllString(strings.Join(lines, "\n"), "")
	return strings.TrimSpace(said), below
}
