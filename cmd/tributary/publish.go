package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// publishFlags say how a file is published.
type publishFlags struct {
	skipInvalid, dryRun, wait bool
	brief                     bool // without the positions
	timeout                   time.Duration
}

func newPublishCommand(a *app) *cobra.Command {
	var flags publishFlags
	command := &cobra.Command{
		Use:   "publish [FILE|-]",
		Short: "Publish events from a file, or from stdin",
		Long: `Publishes NDJSON: a CloudEvent in JSON on each line; blank lines are passed over. First every line is checked, and if
one is bad nothing is published, each bad line is named with its number, code, field and reason, and the exit code is 1.
With --skip-invalid the good lines are published all the same.

Publishing the same file again is safe: an event counts once, however often its id is published.`,
		Example: `  tributary publish events.ndjson --wait
  tributary publish events.ndjson --dry-run --json | jq '.invalid[] | [.line, .code, .path]'
  zcat events.ndjson.gz | tributary publish --skip-invalid`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if flags.dryRun && flags.wait {
				return usagef("--dry-run publishes nothing to --wait for")
			}
			name := "-"
			if len(args) > 0 {
				name = args[0]
			}
			return a.publish(command.Context(), name, flags)
		},
	}
	command.Flags().BoolVar(&flags.skipInvalid, "skip-invalid", false, "publish the good lines though others are bad")
	command.Flags().BoolVar(&flags.dryRun, "dry-run", false, "check only")
	command.Flags().BoolVar(&flags.wait, "wait", false, "wait until every projection has the events")
	command.Flags().DurationVar(&flags.timeout, "timeout", 10*time.Minute, "how long to wait at most")
	a.jsonFlag(command, `an object of events, published, skipped (a number for each code), invalid (line, code, path, message),
repeated (line, first_line, id), positions, seconds, waited_seconds`)
	return command
}

// publication is what publish did, as --json prints it.
type publication struct {
	// Events are the valid ones among the lines.
	Events    int            `json:"events"`
	Published int            `json:"published"`
	Skipped   map[string]int `json:"skipped"`
	Invalid   []badLine      `json:"invalid"`
	Repeated  []repeatedID   `json:"repeated"`
	Positions []string       `json:"positions"`
	Seconds   float64        `json:"seconds"`
	Waited    float64        `json:"waited_seconds"`
}

func (a *app) publish(ctx context.Context, name string, flags publishFlags) error {
	input, err := unlessInterrupted(ctx, func() (*os.File, error) { return a.openInput(ctx, name) })
	if err != nil {
		return err
	}
	defer input.Close() //nolint:errcheck // it was only read
	if !flags.dryRun {  // a large file should not be checked for nothing
		if err := a.checkLog(ctx); err != nil {
			return err
		}
	}
	checked, err := a.checkLines(ctx, input)
	if err != nil {
		return err
	}
	result := checked.publication()
	if len(checked.counts) > 0 && !flags.skipInvalid || flags.dryRun {
		return a.printCheck(checked, result)
	}
	sent, err := a.sendLines(ctx, input, checked)
	if err != nil {
		return err
	}
	result.Published, result.Seconds = sent.acknowledged, sent.took.Seconds()
	result.Positions = sent.positions()
	if err := a.printSent(checked, sent, flags.brief); err != nil {
		return err
	}
	if flags.wait {
		started := time.Now()
		if err := a.awaitProjections(ctx, sent.ends(), flags.timeout); err != nil {
			return err
		}
		waited := time.Since(started)
		result.Waited = waited.Seconds()
		if !a.asJSON {
			if err := a.printf("every projection has them, %s later\n", duration(waited)); err != nil {
				return err
			}
		}
	}
	if a.asJSON {
		return a.printJSON(result)
	}
	return nil
}

// unlessInterrupted does not wait for a pipe whose other end is silent, which no context ends. What it leaves behind ends with
// the process.
func unlessInterrupted[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := do()
		done <- outcome{result, err}
	}()
	select {
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("interrupted, and nothing was published: %w", ctx.Err())
	case got := <-done:
		return got.result, got.err
	}
}

// openInput opens a file that can be read twice: what cannot, stdin or a pipe, is copied to a file that has no name any more,
// and so is gone when this process is, however it ends.
func (a *app) openInput(ctx context.Context, name string) (*os.File, error) {
	if name == "-" {
		return a.spool(ctx, a.stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, usageError{plainPathError(err)}
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("look at %s: %w", name, err), file.Close())
	case info.IsDir():
		return nil, errors.Join(usagef("%s is a folder: name a file of NDJSON", name), file.Close())
	case info.Mode().IsRegular():
		return file, nil
	}
	defer file.Close() //nolint:errcheck // it was only read
	return a.spool(ctx, file)
}

func plainPathError(err error) error {
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("cannot read %s: %w", failed.Path, failed.Err)
	}
	return err
}

func (a *app) spool(ctx context.Context, from io.Reader) (*os.File, error) {
	if isTerminal(from) {
		a.notef("reading events from the terminal, until Ctrl-D")
	}
	file, err := os.CreateTemp(a.tempDir(), "tributary-publish-*.ndjson")
	if err != nil {
		return nil, fmt.Errorf("make a file to keep the input in: %w", err)
	}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = io.Copy(file, interruptibleReader{from, ctx})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keep the input in a file: %w", err), file.Close())
	}
	return file, nil
}

// interruptibleReader ends a long copy with its context.
type interruptibleReader struct {
	io.Reader

	ctx context.Context //nolint:containedctx // it lives as long as one call
}

func (r interruptibleReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p) //nolint:wrapcheck // io.EOF must stay itself
}
