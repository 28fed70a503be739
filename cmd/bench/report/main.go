package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
)

func main() {
	if err := run("docs", os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run publishes these runs, or again those that were.
func run(docs string, files []string) error {
	place := filepath.Join(docs, "performance.json")
	published, err := measure.Read[measure.Published](place)
	if err != nil {
		return fmt.Errorf("run this in the repository's folder: %w", err)
	}
	if len(files) > 0 {
		published.Runs = nil
	}
	for _, file := range files {
		report, err := measure.Read[measure.Report](file)
		if err != nil {
			return err
		}
		published.Runs = append(published.Runs, report)
	}
	if err := measure.Write(place, published); err != nil {
		return err
	}
	pages, err := render(docs, published)
	if err != nil {
		return err
	}
	for path, text := range pages {
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // for everybody to read
			return fmt.Errorf("write a page: %w", err)
		}
	}
	return nil
}

// render makes the pages as they have to be, by their paths.
func render(docs string, published *measure.Published) (map[string][]byte, error) {
	path := filepath.Join(docs, "performance.md")
	page, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	text, err := fillIn(string(page), published)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	picture, err := chart(published)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{path: []byte(text), filepath.Join(docs, "pictures", "throughput.svg"): picture}, nil
}
