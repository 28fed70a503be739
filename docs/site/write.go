package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed assets
var assets embed.FS

// shown is what the template makes a page of.
type shown struct {
	Title      string
	Home       bool   // The first page, whose title is the product's.
	Root       string // Leads to the site's root.
	Body       template.HTML
	Contents   []heading
	Nav        []shownSection
	Above      string // The section of the navigation that it is in.
	Prev, Next *shownEntry
	Source     string // The file that it was made from.
}

type shownSection struct {
	Title   string
	Entries []shownEntry
}

type shownEntry struct {
	Title, Href string
	Current     bool
	Open        bool // It or a page below it is the current one.
	Children    []shownEntry
}

// write makes the site in a folder beside out, and then puts it in out's place: whoever reads there sees the old site or the new.
func (s *site) write(out string) error {
	if err := ours(out); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil { //nolint:gosec // a site is for everybody to read
		return fmt.Errorf("make the site's folder: %w", err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(out), filepath.Base(out)+"-new-")
	if err != nil {
		return fmt.Errorf("make the site's folder: %w", err)
	}
	err = errors.Join(os.Chmod(fresh, 0o755), s.writePages(fresh), s.writeAssets(fresh)) //nolint:gosec // as above
	if err == nil {
		err = errors.Join(os.RemoveAll(out), os.Rename(fresh, out))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the site: %w", err), os.RemoveAll(fresh))
	}
	return nil
}

// searchWords is the file with the words to search in; a folder that has it is a site of ours.
const searchWords = "assets/search.js"

// ours refuses to replace a folder that is something else.
func ours(out string) error {
	inside, err := os.ReadDir(out)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(inside) == 0) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(out, searchWords)); err != nil {
		return fmt.Errorf("%s is there and is no site that this made; remove it or name another folder with -out", out)
	}
	return nil
}

func (s *site) writePages(out string) error {
	layout, err := template.ParseFS(assets, "assets/page.html")
	if err != nil {
		return fmt.Errorf("the template: %w", err)
	}
	sources, err := s.sources()
	if err != nil {
		return err
	}
	for _, p := range append(sources, s.pages...) {
		var text bytes.Buffer
		if err := layout.Execute(&text, s.show(p)); err != nil {
			return fmt.Errorf("%s: %w", p.path, err)
		}
		if err := writeFile(out, p.out, text.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// show is a page with all that stands around it.
func (s *site) show(p *page) shown {
	view := shown{
		Title: p.title, Home: p.path == home, Root: upwards(p.out), Source: p.path,
		Body: template.HTML(p.body), //nolint:gosec // made from the repository's own pages
	}
	for _, h := range p.headings {
		if h.Level <= 3 {
			view.Contents = append(view.Contents, h)
		}
	}
	for _, part := range s.nav {
		shownPart := shownSection{Title: part.Title}
		for _, e := range part.Entries {
			one := link(p, e)
			if one.Open {
				view.Above = part.Title
			}
			shownPart.Entries = append(shownPart.Entries, one)
		}
		view.Nav = append(view.Nav, shownPart)
	}
	order := s.order()
	for i := range order {
		if order[i] != p {
			continue
		}
		if i > 0 {
			view.Prev = &shownEntry{Title: order[i-1].title, Href: relative(p.out, order[i-1].out)}
		}
		if i+1 < len(order) {
			view.Next = &shownEntry{Title: order[i+1].title, Href: relative(p.out, order[i+1].out)}
		}
	}
	return view
}

// link is an entry of the navigation as a page shows it.
func link(p *page, e entry) shownEntry {
	one := shownEntry{Title: e.Title, Href: relative(p.out, e.page.out), Current: e.page == p, Open: e.page == p}
	for _, child := range e.Children {
		below := link(p, child)
		one.Open = one.Open || below.Open
		one.Children = append(one.Children, below)
	}
	return one
}

func (s *site) writeAssets(out string) error {
	for _, name := range []string{"site.css", "site.js"} {
		content, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return fmt.Errorf("an asset: %w", err)
		}
		if err := writeFile(out, "assets/"+name, content); err != nil {
			return err
		}
	}
	for _, place := range sorted(s.pictures) {
		content, err := os.ReadFile(filepath.Join(s.root, place))
		if err != nil {
			return fmt.Errorf("a picture: %w", err)
		}
		if err := writeFile(out, place, content); err != nil {
			return err
		}
	}
	index, err := s.index()
	if err != nil {
		return err
	}
	return writeFile(out, searchWords, index)
}

// index are the words to search in, as a script: a page that was opened as a file may load that, and nothing else.
func (s *site) index() ([]byte, error) {
	type found struct {
		Page    string `json:"page"`
		Title   string `json:"title"`
		Anchor  string `json:"anchor"`
		Heading string `json:"heading"`
		Text    string `json:"text"`
	}
	var all []found
	for _, p := range s.pages {
		for _, one := range p.passages {
			all = append(all, found{p.out, p.title, one.id, one.heading, one.text})
		}
	}
	var text strings.Builder
	text.WriteString("const passages = ")
	encoder := json.NewEncoder(&text)
	if err := encoder.Encode(all); err != nil {
		return nil, fmt.Errorf("the words to search in: %w", err)
	}
	return []byte(strings.TrimSpace(text.String()) + ";\n"), nil
}

func writeFile(out, name string, content []byte) error {
	place := filepath.Join(out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil { //nolint:gosec // a site is for everybody to read
		return fmt.Errorf("make a folder of the site: %w", err)
	}
	if err := os.WriteFile(place, content, 0o644); err != nil { //nolint:gosec // as above
		return fmt.Errorf("write a file of the site: %w", err)
	}
	return nil
}
