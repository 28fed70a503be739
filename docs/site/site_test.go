package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository is where it is seen from this package.
const repository = "../.."

// made is a page of a built site, as a browser sees it.
type made struct {
	path  string
	title string
	ids   map[string]bool
	// links are what a reader may follow, loads what the browser fetches by itself.
	links, loads []string
}

// build makes the site of the repository, and reads it again.
func build(t *testing.T) (out string, pages map[string]*made) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "docs")
	var said bytes.Buffer
	require.NoError(t, run([]string{"-root", repository, "-out", out}, &said, io.Discard))
	require.Contains(t, said.String(), "index.html")
	pages = map[string]*made{}
	err := fs.WalkDir(os.DirFS(out), ".", func(name string, found fs.DirEntry, err error) error {
		if err == nil && !found.IsDir() && strings.HasSuffix(name, ".html") {
			pages[name] = read(t, out, name)
		}
		return err
	})
	require.NoError(t, err)
	return out, pages
}

// read parses a page strictly: each element is closed, each name comes once.
func read(t *testing.T, out, name string) *made {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(out, name))
	require.NoError(t, err)
	// The one element of HTML without an end that Markdown is written with.
	content = bytes.ReplaceAll(content, []byte("<br>"), []byte("<br/>"))
	decoder := xml.NewDecoder(bytes.NewReader(content))
	p := &made{path: name, ids: map[string]bool{}}
	inTitle := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		require.NoErrorf(t, err, "%s is not well-formed", name)
		switch token := token.(type) {
		case xml.StartElement:
			inTitle = token.Name.Local == "title"
			p.take(t, token)
		case xml.CharData:
			if inTitle {
				p.title += string(token)
			}
		case xml.EndElement:
			inTitle = false
		}
	}
}

func (p *made) take(t *testing.T, element xml.StartElement) {
	t.Helper()
	attributes := map[string]string{}
	for _, a := range element.Attr {
		require.NotContains(t, attributes, a.Name.Local, "%s: an attribute twice on <%s>", p.path, element.Name.Local)
		attributes[a.Name.Local] = a.Value
	}
	if id, ok := attributes["id"]; ok {
		require.False(t, p.ids[id], "%s has the id %q twice", p.path, id)
		p.ids[id] = true
	}
	switch element.Name.Local {
	case "a":
		p.links = append(p.links, attributes["href"])
	case "link":
		p.loads = append(p.loads, attributes["href"])
	case "img":
		require.NotEmpty(t, attributes["alt"], "%s: a picture says in words what it shows", p.path)
		p.loads = append(p.loads, attributes["src"])
	case "script", "iframe", "video", "audio", "source", "object", "embed":
		p.loads = append(p.loads, attributes["src"]+attributes["srcset"]+attributes["data"])
	}
}

func TestTheSite(t *testing.T) {
	t.Parallel()
	out, pages := build(t)
	t.Run("every link and anchor is there", func(t *testing.T) { t.Parallel(); testLinks(t, out, pages) })
	t.Run("nothing is loaded from a network", func(t *testing.T) { t.Parallel(); testOffline(t, out, pages) })
	t.Run("every page is reached and has a title of its own", func(t *testing.T) { t.Parallel(); testPages(t, pages) })
	t.Run("search finds known words", func(t *testing.T) { t.Parallel(); testSearch(t, out) })
}

func testLinks(t *testing.T, out string, pages map[string]*made) {
	t.Helper()
	for _, p := range pages {
		for _, link := range p.links {
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			target := p.path
			if file != "" {
				target = path.Join(path.Dir(p.path), file)
			}
			require.Contains(t, pages, target, "%s links to %s", p.path, link)
			if anchor != "" {
				require.True(t, pages[target].ids[anchor], "%s links to %s, and there is no such anchor", p.path, link)
			}
		}
		for _, load := range p.loads {
			require.FileExists(t, filepath.Join(out, path.Dir(p.path), load), "%s loads %s", p.path, load)
		}
	}
}

func testOffline(t *testing.T, out string, pages map[string]*made) {
	t.Helper()
	for _, p := range pages {
		for _, load := range p.loads {
			require.NotRegexp(t, `^([a-z]+:)?//`, load, p.path)
		}
	}
	outside := regexp.MustCompile(`@import|url\(\s*['"]?(?:https?:)?//|fetch\(|XMLHttpRequest`)
	for _, name := range []string{"assets/site.css", "assets/site.js"} {
		content, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		require.NotRegexp(t, outside, string(content), name)
	}
}

func testPages(t *testing.T, pages map[string]*made) {
	t.Helper()
	reached, todo := map[string]bool{"index.html": true}, []string{"index.html"}
	for len(todo) > 0 {
		p := pages[todo[0]]
		todo = todo[1:]
		for _, link := range p.links {
			file, _, _ := strings.Cut(link, "#")
			target := path.Join(path.Dir(p.path), file)
			if file != "" && pages[target] != nil && !reached[target] {
				reached[target] = true
				todo = append(todo, target)
			}
		}
	}
	titles := map[string]string{}
	for name, p := range pages {
		require.True(t, reached[name], "no page that one comes to links to %s", name)
		require.NotEmpty(t, p.title, name)
		require.Empty(t, titles[p.title], "%s has the title of another page: %s", name, p.title)
		titles[p.title] = name
	}
}

func TestTheNavigationHasEachPageOnce(t *testing.T) {
	t.Parallel()
	s, err := load(repository)
	require.NoError(t, err)
	order := s.order()
	require.Equal(t, home, order[0].path)
	seen := map[*page]bool{}
	for _, p := range order {
		require.False(t, seen[p], "docs/README.md lists %s twice", p.path)
		seen[p] = true
	}
	for _, p := range s.pages {
		require.True(t, seen[p] || !strings.HasPrefix(p.path, "docs/") || strings.HasPrefix(p.path, "docs/examples/"),
			"%s is not in the navigation: add it to docs/README.md", p.path)
	}
}

// The names are those that GitHub's pages have.
func TestAnchorsAreThoseOfGitHub(t *testing.T) {
	t.Parallel()
	s := &site{byPath: map[string]*page{}, linked: map[string]bool{}, pictures: map[string]bool{}}
	p := &page{path: "p.md", out: "p.html"}
	require.NoError(t, s.render(p, []byte("# Title\n## 1. What you need?\n## `books.by_hour` and more\n## A & B\n## Größe – 2\n## A & B\n"+
		"## [link](https://example.org) *here*\n## a\\_b `c\\_d`\n")))
	ids := make([]string, 0, len(p.headings))
	for _, h := range p.headings {
		ids = append(ids, h.ID)
	}
	require.Equal(t, []string{"1-what-you-need", "booksby_hour-and-more", "a--b", "größe--2", "a--b-1", "link-here", "a_b-c_d"}, ids)
}

func TestALinkThatLeadsNowhereIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"[x](missing.md)", "[x](../../../etc/passwd)", "![x](missing.svg)", "![x](https://example.org/x.svg)"} {
		s := &site{root: repository, byPath: map[string]*page{}, linked: map[string]bool{}, pictures: map[string]bool{}}
		require.Error(t, s.render(&page{path: "docs/p.md", out: "docs/p.html"}, []byte("# Title\n"+text+"\n")), text)
	}
}

func TestAFolderOfOthersIsNotReplaced(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	kept := filepath.Join(out, "kept")
	require.NoError(t, os.WriteFile(kept, nil, 0o600))
	require.ErrorContains(t, run([]string{"-root", repository, "-out", out}, io.Discard, io.Discard), "remove it or name another folder")
	require.FileExists(t, kept)
}

// The script that the pages have is run as it is, on the words that the pages have.
func testSearch(t *testing.T, out string) {
	t.Helper()
	program := `
		const {readFileSync} = require("node:fs"), vm = require("node:vm");
		const code = ["search.js", "site.js"].map((name) => readFileSync(process.argv[1] + "/assets/" + name, "utf8")).join("\n");
		const answer = vm.runInNewContext(code + "; (q) => find(passages, q).map((p) => p.page + '#' + p.anchor)");
		for (const query of process.argv.slice(2)) console.log(answer(query).join(" "));`
	queries := [][2]string{
		{"fee_over_amount", "docs/events.html#fee_over_amount"},
		{"Quickstart", "docs/quickstart.html#"},
		{"log is lost", "docs/operations.html#the-log-is-lost"},
		{"offs liv store", "docs/decisions/0001-offsets-in-the-store.html#"},
		{"no-such-word-anywhere-xyzzy", ""},
		{" ", ""},
	}
	arguments := append(make([]string, 0, 3+len(queries)), "-e", program, out)
	for _, query := range queries {
		arguments = append(arguments, query[0])
	}
	said, err := exec.CommandContext(t.Context(), "node", arguments...).CombinedOutput()
	require.NoErrorf(t, err, "%s", said)
	answers := strings.Split(string(said), "\n")
	for i, query := range queries {
		found := strings.Fields(answers[i])
		if query[1] == "" {
			require.Empty(t, found, query[0])
			continue
		}
		require.True(t, slices.Contains(found[:min(3, len(found))], query[1]), "%q finds %v first, not %s", query[0], found, query[1])
	}
}

func TestPicturesAreUsedAndSayWhatTheyShow(t *testing.T) {
	t.Parallel()
	s, err := load(repository)
	require.NoError(t, err)
	folder := filepath.Join(repository, "docs", "pictures")
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, s.pictures["docs/pictures/"+file.Name()], "no page shows %s", file.Name())
		content, err := os.ReadFile(filepath.Join(folder, file.Name()))
		require.NoError(t, err)
		require.NoError(t, xml.Unmarshal(content, new(struct{})), file.Name())
		require.Contains(t, string(content), "<title", file.Name())
		require.Contains(t, string(content), "prefers-color-scheme: dark", file.Name())
		require.NotRegexp(t, `href="http|url\(http|<script|<image`, string(content), file.Name())
	}
}
