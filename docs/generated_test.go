package docs_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/quarantine"
)

var update = flag.Bool("update", false, "write the generated parts of the pages anew") //nolint:gochecknoglobals // a flag

// writing lets tests that run at once write to the same page.
var writing sync.Mutex //nolint:gochecknoglobals // as the files that it guards

// generated compares the part of a page between `<!-- generated: name -->` and `<!-- end -->` with what the code says.
//
//	go test ./docs -update
func generated(t *testing.T, path, name, want string) {
	t.Helper()
	writing.Lock()
	defer writing.Unlock()
	text := readFile(t, path)
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(text, begin)
	require.True(t, found, "%s lacks %s", path, begin)
	have, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s lacks %s after %s", path, end, begin)
	want = "\n" + strings.TrimSpace(want) + "\n\n"
	if have == want {
		return
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+want+end+after), 0o600))
		return
	}
	require.Equal(t, want, have, "%s is stale: run `go test ./docs -update` and commit the result", path)
}

// table is a Markdown table.
func table(head []string, rows [][]string) string {
	var text strings.Builder
	line := func(cells []string) {
		for _, cell := range cells {
			text.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		text.WriteString("|\n")
	}
	line(head)
	text.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return text.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func TestMetricsAreUpToDate(t *testing.T) {
	t.Parallel()
	generated(t, "operations.md", "metrics", table([]string{"metric", "labels", "what it is"}, described(t)))
}

// testSettings holds the page to what `tributary config` lists, and what each is for.
func testSettings(t *testing.T, program string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, "config", "--json")
	command.Env, command.Dir = environ(), t.TempDir()
	out, err := command.Output()
	require.NoError(t, err)
	var rows [][]string
	for line := range bytes.Lines(out) {
		var s struct {
			Key      string `json:"key"`
			Value    string `json:"value"`
			Variable string `json:"variable"`
			Flag     string `json:"flag"`
		}
		require.NoError(t, json.Unmarshal(line, &s))
		rows = append(rows, []string{code(s.Key), code(s.Variable), code(s.Flag), code(s.Value), usage(t, s.Key)})
	}
	head := []string{"in the file", "in the environment", "flag", "default", "what it is"}
	generated(t, "operations.md", "settings", table(head, rows))
}

// usage is what the program says of a setting.
func usage(t *testing.T, key string) string {
	t.Helper()
	source := readFile(t, filepath.Join(root, "cmd", "tributary", "settings.go"))
	found := regexp.MustCompile(`key: "` + regexp.QuoteMeta(key) + `",.*usage: "([^"]*)"`).FindStringSubmatch(source)
	require.NotNil(t, found, "no usage of %s", key)
	return found[1]
}

// collected takes what a runner registers.
type collected struct {
	prometheus.Registerer

	all []prometheus.Collector
}

func (c *collected) Register(one prometheus.Collector) error {
	c.all = append(c.all, one)
	return nil
}

func (c *collected) MustRegister(all ...prometheus.Collector) { c.all = append(c.all, all...) }

// described are the names, labels and meanings of a runner's metrics.
func described(t *testing.T) [][]string {
	t.Helper()
	var registered collected
	store := postgres.NewStore(nil, quarantine.New(), postgres.Options{})
	projections.NewRunner(store, eventlog.Config{}, projections.Settings{Registerer: &registered})
	form := regexp.MustCompile(`^Desc{fqName: "([^"]*)", help: "([^"]*)",(?: unit: "[^"]*",)? constLabels: {(.*)}, variableLabels: {(.*)}}$`)
	rows := make([][]string, 0, len(registered.all))
	for _, collector := range registered.all {
		descriptions := make(chan *prometheus.Desc, 1)
		collector.Describe(descriptions)
		description := (<-descriptions).String()
		parts := form.FindStringSubmatch(description)
		require.NotNil(t, parts, "%s", description)
		var labels []string
		for label := range strings.SplitSeq(parts[3]+","+parts[4], ",") {
			if name, _, _ := strings.Cut(label, "="); name != "" {
				labels = append(labels, code(name))
			}
		}
		rows = append(rows, []string{code(parts[1]), strings.Join(labels, ", "), parts[2]})
	}
	slices.SortFunc(rows, slices.Compare)
	return rows
}

func TestMetricsThatAreNamedExist(t *testing.T) {
	t.Parallel()
	rows := described(t)
	names := make([]string, 0, len(rows))
	for _, row := range rows {
		names = append(names, strings.Trim(row[0], "`"))
	}
	for _, source := range []string{"ledger/web/gate.go", "cmd/tributary/gateway.go"} { // a gateway's, which no runner registers
		text := readFile(t, filepath.Join(root, source))
		for _, found := range regexp.MustCompile(`Name: "(tributary_[a-z_]+)"`).FindAllStringSubmatch(text, -1) {
			names = append(names, found[1])
		}
	}
	name := regexp.MustCompile(`\btributary_[a-z]+(?:_[a-z]+)*_(?:total|seconds|events)\b`)
	for _, p := range pages(t) {
		for _, found := range name.FindAllString(p.text, -1) {
			require.Contains(t, names, found, "%s names a metric that no process has", p.path)
		}
	}
}
