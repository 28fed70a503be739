package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the repository, seen from this package.
const root = ".."

// page is a document of the repository.
type page struct {
	path string // From the root, with slashes.
	text string
}

// block is fenced code: what stands behind the opening fence says what it is.
//
//	sh              runs, in one shell a page, on a machine where `make dev` runs
//	output          is what the block before it prints; "…" stands for whatever
//	sql             runs and returns, on tables filled with the product's sample
//	sql clickhouse  runs where the page's commands have run; over the periods it has to read the aggregate
//	result          is what the query before it returns, exactly, but for "…"
//	sql grafana     runs, with Grafana's macros filled in
//	sql admin       is understood; the server of `make dev` has nobody who may run it
//	sh pypi         runs after all of that, with its output pypi, where packages can be had from PyPI
//	sh python       runs a producer, in each of its formats, as do sh java and sh node (see testProducers)
//	sh … install    prepares that, once, in the cache
//	sh registry     fills a producer's schema registry
//
// Blocks of Go, fragments of SQL, and examples in other languages stand word for word in docs/examples. All others are only shown.
type block struct {
	page, kind string
	line       int
	text       string
}

// pages are all documents that users and maintainers read.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, ".md"):
			all = append(all, page{path, readFile(t, filepath.Join(root, path))})
		}
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// blocks are a page's fenced blocks, in order.
func (p page) blocks() []block {
	var all []block
	var open *block
	number := 0
	for line := range strings.Lines(p.text) {
		number++
		kind, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{page: p.path, kind: kind, line: number}
		case fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	return all
}

// prose is the page without its fenced blocks.
func (p page) prose() string {
	return regexp.MustCompile("(?ms)^```.*?```$").ReplaceAllString(p.text, "")
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, p := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(p.prose(), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			path := p.path
			if target != "" {
				path = filepath.Join(filepath.Dir(p.path), target)
			}
			_, err := os.Stat(filepath.Join(root, path))
			require.NoError(t, err, "%s links to %s", p.path, match[1])
			if anchor != "" {
				require.Contains(t, anchors(readFile(t, filepath.Join(root, path))), anchor, "%s links to %s", p.path, match[1])
			}
		}
	}
}

// anchors are the names that GitHub gives to a page's headings.
func anchors(text string) []string {
	var all []string
	dropped := regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
	for line := range strings.Lines(text) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(strings.TrimSpace(line), "#"), " "); ok && strings.HasPrefix(line, "#") {
			name := dropped.ReplaceAllString(strings.ToLower(heading), "")
			all = append(all, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return all
}

func TestCodeIsThatOfTheExamples(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	err := filepath.WalkDir("examples", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && isInstalled(entry.Name()):
			return fs.SkipDir
		case !entry.IsDir():
			code.WriteString(readFile(t, path))
		}
		return nil
	})
	require.NoError(t, err)
	for _, p := range pages(t) {
		for _, b := range ofKind(p.blocks(), "go", "sql fragment", "yaml example", "python example", "java example", "javascript example") {
			require.Contains(t, code.String(), b.text, "%s:%d is not the code of docs/examples", b.page, b.line)
		}
	}
}

// A page that says which test holds a promise must not outlive the test.
func TestTestsThatAreNamedAreThere(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go") || strings.Contains(path, "storetest/"):
			code.WriteString(readFile(t, filepath.Join(root, path)))
		}
		return nil
	})
	require.NoError(t, err)
	name := regexp.MustCompile("`((?:[Tt]est|Fuzz)[A-Z]\\w+)`")
	for _, p := range pages(t) {
		for _, match := range name.FindAllStringSubmatch(p.prose(), -1) {
			require.Contains(t, code.String(), "func "+match[1]+"(", "%s names a test that is not there", p.path)
		}
	}
}

// ofKind are the blocks of a kind.
func ofKind(all []block, kinds ...string) []block {
	return slices.DeleteFunc(slices.Clone(all), func(b block) bool { return !slices.Contains(kinds, b.kind) })
}
