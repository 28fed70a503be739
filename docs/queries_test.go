package docs_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testAnswers runs a page's queries where its commands have run, and holds the page to the results that it shows.
func testAnswers(t *testing.T, w warehouse, p page) {
	t.Helper()
	all := ofKind(p.blocks(), "sql clickhouse", "sql grafana", "sql admin", "result")
	var shown []block
	var printed []string
	for i, b := range all {
		if b.kind == "result" {
			require.True(t, i > 0 && all[i-1].kind == "sql clickhouse", "%s:%d: a result has to follow its query", b.page, b.line)
			continue
		}
		answer := w.run(t, b)
		if i+1 < len(all) && all[i+1].kind == "result" {
			require.NotEmpty(t, answer, "%s:%d returns nothing", b.page, b.line)
			shown, printed = append(shown, all[i+1]), append(printed, answer)
		}
	}
	compareResults(t, p, shown, printed)
}

// warehouse is a machine's ClickHouse, asked over HTTP as curl does.
type warehouse struct{ url string }

func openWarehouse(t *testing.T, m *machine) warehouse {
	t.Helper()
	return warehouse{strings.TrimSpace(m.shell(t, withEndpoints+`echo "$TRIBUTARY_CLICKHOUSE_URL"`))}
}

// withEndpoints points the shell at the machine's servers, as the pages do.
const withEndpoints = "set -a; . .tributary/endpoints.env; set +a\n"

// run runs a block's statements as its kind says, and returns what the last of them printed.
func (w warehouse) run(t *testing.T, b block) string {
	t.Helper()
	var answer string
	for statement := range strings.SplitSeq(strings.TrimSpace(b.text), ";\n") {
		switch b.kind {
		case "sql admin":
			statement = "EXPLAIN AST " + statement
		case "sql grafana":
			statement = withoutMacros(statement)
		}
		answer = w.ask(t, b, statement)
		if regexp.MustCompile(`(?s)^(?:SELECT|WITH)\b.*\b(?:revenue|reports)\.by_`).MatchString(statement) {
			require.Contains(t, w.ask(t, b, "EXPLAIN "+statement), "quarter_hours", "%s:%d does not read the aggregate", b.page, b.line)
		}
	}
	return answer
}

// ask returns what a statement prints, without the spaces around it.
func (w warehouse) ask(t *testing.T, b block, statement string) string {
	t.Helper()
	const settings = "default_format=PrettySpaceMonoBlock&output_format_pretty_color=0&output_format_pretty_row_numbers=0" +
		"&output_format_pretty_single_large_number_tip_threshold=0&output_format_pretty_max_value_width=200"
	separator := "?"
	if strings.Contains(w.url, "?") {
		separator = "&"
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+separator+settings, strings.NewReader(statement))
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode, "%s:%d: %s", b.page, b.line, body)
	return unpadded(string(body))
}

// withoutMacros fills in Grafana's macros as its plugin does, for a dashboard that shows two years by the hour.
func withoutMacros(sql string) string {
	const from, to = "1735689600", "1798761600"
	for macro, meant := range map[string]string{
		`\$__timeFilter\((\w+)\)`:   "$1 >= toDateTime(" + from + ") AND $1 <= toDateTime(" + to + ")",
		`\$__timeInterval\((\w+)\)`: "toStartOfInterval(toDateTime($1), INTERVAL 3600 second)",
	} {
		sql = regexp.MustCompile(macro).ReplaceAllString(sql, meant)
	}
	return sql
}

// unpadded is a printed table without the spaces that it begins and ends with.
func unpadded(table string) string {
	lines := strings.Split(strings.TrimRight(table, " \n"), "\n")
	indent := len(table)
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
		if lines[i] != "" {
			indent = min(indent, len(line)-len(strings.TrimLeft(line, " ")))
		}
	}
	for i, line := range lines {
		lines[i] = line[min(indent, len(line)):]
	}
	return strings.Join(lines, "\n")
}

// compareResults compares what a page shows with what was printed, or writes it anew.
func compareResults(t *testing.T, p page, shown []block, printed []string) {
	t.Helper()
	lines := strings.SplitAfter(p.text, "\n")
	for i, b := range slices.Backward(shown) { // so that the numbers of the lines before hold
		if isShown(b.text, printed[i]) {
			continue
		}
		if !*update {
			require.Equal(t, b.text, printed[i]+"\n", "%s:%d is stale: run `go test ./docs -update`, and look at what differs", b.page, b.line)
		}
		rest := lines[b.line+strings.Count(b.text, "\n"):]
		lines = append(append(lines[:b.line:b.line], printed[i]+"\n"), rest...)
	}
	if text := strings.Join(lines, ""); text != p.text {
		writing.Lock()
		defer writing.Unlock()
		require.NoError(t, os.WriteFile(filepath.Join(root, p.path), []byte(text), 0o600))
	}
}

// isShown compares line by line. Where the page has ellipses its lines are patterns, whatever the spaces.
func isShown(shown, printed string) bool {
	if !strings.Contains(shown, "…") {
		return shown == printed+"\n"
	}
	return slices.EqualFunc(strings.Split(shown, "\n"), strings.Split(printed+"\n", "\n"), func(want, have string) bool {
		return pattern(want).MatchString(have)
	})
}

// testPyPI runs the commands of a page that need packages of Python's index.
func testPyPI(t *testing.T, m *machine, p page) {
	t.Helper()
	all := ofKind(p.blocks(), "sh pypi", "output pypi")
	probe := exec.CommandContext(t.Context(), "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", t.TempDir(), "certifi")
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, the commands of %s with dbt and Python not tested: %v\n%s", p.path, err, out)
	}
	compare(t, all, m.shell(t, withEndpoints+"export PIP_NO_COMPILE=1\n"+script(all)))
}
