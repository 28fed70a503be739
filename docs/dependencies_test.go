package docs_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDependenciesAreExplained compares docs/dependencies.md with what the repository really depends on.
func TestDependenciesAreExplained(t *testing.T) {
	t.Parallel()
	page := readFile(t, "dependencies.md")
	direct, required := modules(t)

	rows := rowNames(section(t, page, "## Go modules"))
	for _, module := range direct {
		require.Contains(t, rows, module, "docs/dependencies.md lacks a row for this direct dependency: why it, what else was looked at")
	}
	for _, row := range rows {
		require.Contains(t, required, row, "docs/dependencies.md has a row for what go.mod no longer requires")
	}
	require.ElementsMatch(t, packages(t), rowNames(section(t, page, "## npm packages")))
}

// modules returns the modules that go.mod requires directly, and all that it requires.
func modules(t *testing.T) (direct, required []string) {
	t.Helper()
	for line := range strings.Lines(readFile(t, filepath.Join("..", "go.mod"))) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") {
			continue
		}
		required = append(required, fields[0])
		if !strings.HasSuffix(strings.TrimSpace(line), "// indirect") {
			direct = append(direct, fields[0])
		}
	}
	require.NotEmpty(t, required)
	return direct, required
}

// packages returns the npm packages that the repository's package.json files name.
func packages(t *testing.T) []string {
	t.Helper()
	names := make(map[string]string)
	for _, pattern := range []string{"../*/package.json", "../*/*/package.json"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			var manifest struct {
				Dependencies         map[string]string `json:"dependencies"`
				DevDependencies      map[string]string `json:"devDependencies"`      //nolint:tagliatelle // npm's name
				OptionalDependencies map[string]string `json:"optionalDependencies"` //nolint:tagliatelle // npm's name
			}
			require.NoError(t, json.Unmarshal([]byte(readFile(t, path)), &manifest), path)
			maps.Copy(names, manifest.Dependencies)
			maps.Copy(names, manifest.DevDependencies)
			maps.Copy(names, manifest.OptionalDependencies)
		}
	}
	return slices.Collect(maps.Keys(names))
}

// section returns the text from a heading to the next one.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(page, heading+"\n")
	require.True(t, found, heading)
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// rowNames returns what stands in backquotes in the first column of a section's table.
func rowNames(text string) []string {
	quoted := regexp.MustCompile("`([^`]+)`")
	var names []string
	for line := range strings.Lines(text) {
		first, _, isRow := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !isRow || first == line {
			continue
		}
		for _, match := range quoted.FindAllStringSubmatch(first, -1) {
			names = append(names, match[1])
		}
	}
	return names
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
