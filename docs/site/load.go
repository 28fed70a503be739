package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// site is all that the templates and the search need to know. Paths are relative to the repository and have slashes.
type site struct {
	root  string
	pages []*page
	nav   []section
	// byPath finds a page by its Markdown file.
	byPath map[string]*page
	// linked are the files and folders, no pages, that pages link to; pictures are copied as they are.
	linked   map[string]bool
	pictures map[string]bool
}

// page is one Markdown file.
type page struct {
	path, out string // docs/events.md, docs/events.html
	title     string
	headings  []heading
	body      string
	passages  []passage
}

// heading is one that a page's table of contents names.
type heading struct {
	Level    int
	ID, Text string
}

// passage is what the search finds: a heading and the words below it.
type passage struct{ id, heading, text string }

// section is a part of the navigation: what is read for one purpose.
type section struct {
	Title   string
	Entries []entry
}

// entry is a page in the navigation, with those that lie below it.
type entry struct {
	Title    string
	page     *page
	Children []entry
}

// load reads every page of a repository.
func load(root string) (*site, error) {
	s := &site{root: root, byPath: map[string]*page{}, linked: map[string]bool{}, pictures: map[string]bool{}}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, found fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case found.IsDir() && name != "." && skipped(found.Name()):
			return fs.SkipDir
		case !found.IsDir() && strings.HasSuffix(name, ".md"):
			p := &page{path: name, out: outOf(name)}
			s.pages = append(s.pages, p)
			s.byPath[name] = p
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for pages in %s: %w", root, err)
	}
	for _, p := range s.pages {
		source, err := os.ReadFile(filepath.Join(root, p.path))
		if err != nil {
			return nil, fmt.Errorf("read a page: %w", err)
		}
		if err := s.render(p, source); err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
	}
	if err := s.navigate(); err != nil {
		return nil, err
	}
	return s, nil
}

// skipped are folders that hold no documentation.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "bin", "testdata"}, name)
}

// outOf is where a page goes: a folder's README is what a folder's address shows.
func outOf(name string) string {
	folder, file := path.Split(name)
	if file == "README.md" {
		return folder + "index.html"
	}
	return strings.TrimSuffix(name, ".md") + ".html"
}

// The pages that the navigation begins with and is made from.
const (
	home     = "README.md"
	contents = "docs/README.md"
)

// navigate makes the navigation from the lists of docs/README.md. A page that is not in them stands below the one that its folder
// belongs to: docs/decisions/0001-….md below docs/decisions/README.md, docs/operations/….md below docs/operations.md.
func (s *site) navigate() error {
	index := s.byPath[contents]
	if index == nil || s.byPath[home] == nil {
		return fmt.Errorf("%s needs both %s and %s", s.root, home, contents)
	}
	source, err := os.ReadFile(filepath.Join(s.root, contents))
	if err != nil {
		return fmt.Errorf("read the navigation: %w", err)
	}
	s.nav = append([]section{{Entries: []entry{
		{Title: "Overview", page: s.byPath[home]}, {Title: index.title, page: index},
	}}}, s.lists(source)...)
	placed := map[string]*entry{}
	for _, part := range s.nav {
		for i := range part.Entries {
			placed[part.Entries[i].page.path] = &part.Entries[i]
		}
	}
	for _, p := range s.pages {
		folder := path.Dir(p.path)
		for _, owner := range []string{folder + "/README.md", folder + ".md"} {
			if above := placed[owner]; above != nil && placed[p.path] == nil && owner != contents {
				above.Children = append(above.Children, entry{Title: p.title, page: p})
				break
			}
		}
	}
	return nil
}

// order is the navigation, from the first page to the last.
func (s *site) order() []*page {
	var all []*page
	for _, part := range s.nav {
		for _, e := range part.Entries {
			all = append(all, e.page)
			for _, child := range e.Children {
				all = append(all, child.page)
			}
		}
	}
	return all
}
