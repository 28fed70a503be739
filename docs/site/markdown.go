package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	renderer "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// newMarkdown reads what GitHub reads. The pages are the repository's own, so the HTML in them stays.
func newMarkdown() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithRendererOptions(renderer.WithXHTML(), renderer.WithUnsafe()),
	)
}

// render fills in a page: its title, headings, HTML, and what the search finds in it.
func (s *site) render(p *page, source []byte) error {
	markdown := newMarkdown()
	document := markdown.Parser().Parse(text.NewReader(source))
	nameHeadings(p, document, source)
	if p.title == "" {
		return errors.New("a page begins with a heading, and this one has none")
	}
	p.passages = passages(p, document, source)
	if err := s.relink(p, document); err != nil {
		return err
	}
	decorate(document, source)
	var body bytes.Buffer
	if err := markdown.Renderer().Render(&body, source, document); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	p.body = body.String()
	return nil
}

// nodes are a document's, in order, of one kind.
func nodes[T ast.Node](document ast.Node) []T {
	var all []T
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) { // it returns what the function returns
		if found, ok := node.(T); ok && entering {
			all = append(all, found)
		}
		return ast.WalkContinue, nil
	})
	return all
}

// words is the text of a node and of all below it, as a reader sees it.
func words(node ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // as above
		if !entering {
			if n.Type() == ast.TypeBlock {
				out.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			value := n.Value(source)
			if n.Parent().Kind() != ast.KindCodeSpan {
				value = util.UnescapePunctuations(value)
			}
			out.Write(value)
			if n.SoftLineBreak() || n.HardLineBreak() {
				out.WriteByte(' ')
			}
		case *ast.String:
			out.Write(n.Value)
		case *ast.AutoLink:
			out.Write(n.Label(source))
		case *ast.FencedCodeBlock:
			out.Write(n.Lines().Value(source))
		case *ast.CodeBlock:
			out.Write(n.Lines().Value(source))
		}
		return ast.WalkContinue, nil
	})
	return html.UnescapeString(strings.Join(strings.Fields(out.String()), " "))
}

// dropped are the characters that GitHub leaves out of a heading's anchor.
var dropped = regexp.MustCompile(`[^\p{L}\p{M}\p{N}\p{Pc}\- ]`)

// nameHeadings gives headings the anchors that GitHub gives them, and the page its title and its headings.
func nameHeadings(p *page, document ast.Node, source []byte) {
	used := map[string]int{}
	for _, h := range nodes[*ast.Heading](document) {
		title := words(h, source)
		id := strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		n, again := used[id]
		used[id] = n + 1
		if again {
			id += "-" + strconv.Itoa(n)
		}
		h.SetAttributeString("id", []byte(id))
		if h.Level == 1 && p.title == "" {
			p.title = title
			continue
		}
		p.headings = append(p.headings, heading{h.Level, id, title})
	}
}

func idOf(h *ast.Heading) string {
	id, _ := h.AttributeString("id")
	name, _ := id.([]byte)
	return string(name)
}

// passages cuts a page at its headings.
func passages(p *page, document ast.Node, source []byte) []passage {
	all := []passage{{heading: p.title}}
	for node := document.FirstChild(); node != nil; node = node.NextSibling() {
		if h, ok := node.(*ast.Heading); ok {
			if title := words(h, source); h.Level > 1 {
				all = append(all, passage{id: idOf(h), heading: title})
			}
			continue
		}
		last := &all[len(all)-1]
		last.text = strings.TrimSpace(last.text + " " + words(node, source))
	}
	return all
}

// relink turns links between Markdown files into links between pages, and takes note of what else must be there.
func (s *site) relink(p *page, document ast.Node) error {
	for _, link := range nodes[*ast.Link](document) {
		target, err := s.resolve(p, string(link.Destination))
		if err != nil {
			return err
		}
		link.Destination = []byte(target)
	}
	for _, image := range nodes[*ast.Image](document) {
		place, outside := locate(p, string(image.Destination))
		if outside {
			return fmt.Errorf("the picture %s is somewhere else; keep a copy in docs/pictures", image.Destination)
		}
		if _, err := os.Stat(filepath.Join(s.root, place)); err != nil {
			return fmt.Errorf("a picture: %w", err)
		}
		s.pictures[place] = true
		image.Destination = []byte(relative(p.out, place))
	}
	return nil
}

// locate is the place of what a page links to; outside is true of what has a scheme.
func locate(p *page, destination string) (place string, outside bool) {
	if strings.Contains(destination, "://") || strings.HasPrefix(destination, "mailto:") {
		return destination, true
	}
	return path.Join(path.Dir(p.path), destination), false
}

// resolve is what a link of a page leads to in the site.
func (s *site) resolve(p *page, destination string) (string, error) {
	file, anchor, _ := strings.Cut(destination, "#")
	place, outside := locate(p, file)
	if outside || file == "" {
		return destination, nil
	}
	if anchor != "" {
		anchor = "#" + anchor
	}
	if other := cmp.Or(s.byPath[place], s.byPath[path.Join(place, "README.md")]); other != nil {
		return relative(p.out, other.out) + anchor, nil
	}
	if _, err := os.Stat(filepath.Join(s.root, place)); err != nil || strings.HasPrefix(place, "../") {
		return "", fmt.Errorf("it links to %s, which is not there", destination)
	}
	s.linked[place] = true
	return relative(p.out, sourceOut(place)) + anchor, nil
}

// relative leads from one file of the site to another.
func relative(from, to string) string { return upwards(from) + to }

// upwards leads from a file of the site to its root.
func upwards(from string) string { return strings.Repeat("../", strings.Count(from, "/")) }

// decorate adds what a page of HTML has and Markdown does not: anchors to copy, tables that scroll, coloured code.
func decorate(document ast.Node, source []byte) {
	for _, h := range nodes[*ast.Heading](document) {
		if h.Level > 1 {
			h.AppendChild(h, raw(fmt.Sprintf(` <a class="anchor" href="#%s" aria-label="Link to “%s”">#</a>`,
				idOf(h), html.EscapeString(words(h, source)))))
		}
	}
	for _, table := range nodes[*tables.Table](document) {
		parent := table.Parent()
		parent.InsertBefore(parent, table, raw(`<div class="wide" role="region" aria-label="Table" tabindex="0">`))
		parent.InsertAfter(parent, table, raw("</div>\n"))
	}
	for _, block := range nodes[*ast.FencedCodeBlock](document) {
		kind := ""
		if block.Info != nil {
			kind = string(block.Info.Value(source))
		}
		parent := block.Parent()
		parent.ReplaceChild(parent, block, raw(codeBlock(kind, string(block.Lines().Value(source)))))
	}
}

// raw is HTML that is written as it is, as goldmark does with what it calls code; what it calls raw it escapes.
func raw(markup string) *ast.String {
	node := ast.NewString([]byte(markup))
	node.SetCode(true)
	return node
}

// lists are the sections of a page that has lists of links, with the pages that they lead to.
func (s *site) lists(source []byte) []section {
	document := newMarkdown().Parser().Parse(text.NewReader(source))
	var all []section
	for node := document.FirstChild(); node != nil; node = node.NextSibling() {
		switch node := node.(type) {
		case *ast.Heading:
			if node.Level == 2 {
				all = append(all, section{Title: words(node, source)})
			}
		case *ast.List:
			for _, link := range nodes[*ast.Link](node) {
				place, _ := locate(s.byPath[contents], string(link.Destination))
				if p := s.byPath[place]; p != nil && len(all) > 0 {
					last := &all[len(all)-1]
					last.Entries = append(last.Entries, entry{Title: words(link, source), page: p})
				}
			}
		}
	}
	return all
}
