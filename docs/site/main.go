package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "docs/site:", err)
		os.Exit(1)
	}
}

// run builds the site that the arguments ask for, and says where it is.
func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("site", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "the repository")
	out := flags.String("out", filepath.Join("bin", "docs"), "the folder to make the site in; what a former run left there is replaced")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	s, err := load(*root)
	if err != nil {
		return err
	}
	if err := s.write(*out); err != nil {
		return err
	}
	place, err := filepath.Abs(filepath.Join(*out, "index.html"))
	if err != nil {
		return fmt.Errorf("%s: %w", *out, err)
	}
	if _, err := fmt.Fprintf(stdout, "%d pages: open file://%s\n", len(s.pages), place); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
