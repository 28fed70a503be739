package main

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/chroma/v2"
	formatter "github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/alecthomas/chroma/v2/styles"
)

// codeBlock is a fenced block: its first word names the language, and output and result are what the block before answers.
func codeBlock(kind, code string) string {
	language, _, _ := strings.Cut(kind, " ")
	label := map[string]string{"output": "prints", "result": "returns", "text": "", "sh": "shell"}
	title, known := label[language]
	if !known {
		title = language
	}
	class := "code"
	if language == "output" || language == "result" {
		class = "code answer"
	}
	return `<div class="` + class + `" data-kind="` + html.EscapeString(title) + `"><pre tabindex="0"><code>` +
		colour(lexers.Get(language), code, formatter.PreventSurroundingPre(true)) + "</code></pre></div>\n"
}

// colour marks code up with chroma's classes; the style sheet gives them colours. Without a lexer it is plain text.
func colour(lexer chroma.Lexer, code string, options ...formatter.Option) string {
	if lexer == nil {
		lexer = lexers.Fallback
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, code)
	if err != nil {
		return html.EscapeString(code)
	}
	var out bytes.Buffer
	options = append(options, formatter.WithClasses(true))
	if err := formatter.New(options...).Format(&out, styles.Fallback, tokens); err != nil {
		return html.EscapeString(code)
	}
	return out.String()
}

// sourceOut is where the page of a file or folder goes that is no page itself.
func sourceOut(place string) string { return "source/" + place + ".html" }

// maxSource bounds the files that are shown, in bytes: what is larger is data, to be looked at with other tools.
const maxSource = 512 << 10

// sources are the pages of the files and folders that pages link to, and of the files in those folders.
func (s *site) sources() ([]*page, error) {
	var all []*page
	for _, place := range sorted(s.linked) {
		info, err := os.Stat(filepath.Join(s.root, place))
		if err != nil {
			return nil, fmt.Errorf("a linked file: %w", err)
		}
		if !info.IsDir() {
			continue
		}
		files, err := s.filesIn(place)
		if err != nil {
			return nil, err
		}
		p := &page{path: place, out: sourceOut(place), title: place + "/"}
		var list strings.Builder
		for _, file := range files {
			s.linked[file] = true
			fmt.Fprintf(&list, "<li><a href=\"%s\">%s</a></li>\n", relative(p.out, sourceOut(file)),
				html.EscapeString(strings.TrimPrefix(file, place+"/")))
		}
		p.body = "<h1><code>" + html.EscapeString(p.title) + "</code></h1>\n<ul>\n" + list.String() + "</ul>\n"
		all = append(all, p)
	}
	for _, place := range sorted(s.linked) {
		if !slices.ContainsFunc(all, func(p *page) bool { return p.path == place }) {
			p, err := s.source(place)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// source is the page of one file.
func (s *site) source(place string) (*page, error) {
	content, err := os.ReadFile(filepath.Join(s.root, place))
	if err != nil {
		return nil, fmt.Errorf("a linked file: %w", err)
	}
	p := &page{path: place, out: sourceOut(place), title: place}
	body := "<p>A file of the repository, too large or not made to be shown here.</p>\n"
	if len(content) <= maxSource && !bytes.ContainsRune(content, 0) {
		body = colour(lexers.Match(path.Base(place)), string(content), formatter.WithLineNumbers(true),
			formatter.WithLinkableLineNumbers(true, "L"), formatter.TabWidth(4))
		body = `<div class="code source">` + body + "</div>\n"
	}
	p.body = "<h1><code>" + html.EscapeString(place) + "</code></h1>\n" + body
	return p, nil
}

// filesIn are a folder's files and those of the folders in it.
func (s *site) filesIn(folder string) ([]string, error) {
	var all []string
	err := fs.WalkDir(os.DirFS(s.root), folder, func(name string, found fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case found.IsDir() && name != folder && skipped(found.Name()):
			return fs.SkipDir
		case !found.IsDir() && !strings.HasSuffix(name, ".md"):
			all = append(all, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", folder, err)
	}
	return all, nil
}

func sorted[K cmp.Ordered](set map[K]bool) []K {
	all := make([]K, 0, len(set))
	for key := range set {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}
