package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8/cwriter"

	"github.com/tributary-ledger/tributary/projections"
)

// world is all that the program touches of its process.
type world struct {
	name           string // by which it was called
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	// step is called before each step of a replay; nil but where tests kill the program there.
	step projections.Step
	// goal tells the garbage collector how much memory the program should take, in bytes; nil where others share its memory.
	goal func(bytes int64)
	// garbage tells it how much garbage there may be, in percent of what is in use; nil where others share its memory.
	garbage func(percent int)
}

// app is one run of the program.
type app struct {
	world

	settings settings
	asJSON   bool
	// running is set once flags and arguments are known to be good: an error before that is one of usage.
	running bool
}

// run is the program: it runs the command that the arguments name and returns the exit code. Facts go to stdout, all else to
// stderr. It may be called several times at once.
func run(ctx context.Context, w world) int {
	a := &app{world: w}
	root := newRootCommand(a) //nolint:contextcheck // commands get their context from cobra, when they run
	command, err := root.ExecuteContextC(ctx)
	return a.report(ctx, command, err)
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "tributary",
		Short: "An event-sourced payments ledger",
		Long: `Tributary keeps every payment, receiver and monetization event in Kafka, once and for ever, and projects that
log into balances, receipts and revenue, exactly once.

Facts go to stdout, progress and logs to stderr; with --json facts are JSON. Exit codes: 0 done, 1 the answer is no
(invalid input, a difference found), 2 usage, 3 a server cannot be reached.

Settings come from flags, the environment (TRIBUTARY_…), and tributary.yaml, in that order; "tributary config" prints
what is in force.`,
		Example: `  tributary dev                                 # run all of it on this machine, until Ctrl-C
  set -a; . .tributary/endpoints.env; set +a    # in another shell: point every command at them
  tributary publish events.ndjson --wait
  tributary get balance merchant:acme:payable`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetArgs(a.args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentPreRunE = func(command *cobra.Command, _ []string) error { return a.prepare(command) }
	root.SetHelpCommand(newHelpCommand())
	root.Version = version
	root.SetVersionTemplate(versionLine())
	root.Flags().Bool("version", false, "print the version")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return plainFlagError(err) })
	addSettingFlags(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run it:"},
		&cobra.Group{ID: groupUse, Title: "Use it:"},
		&cobra.Group{ID: groupWatch, Title: "Watch and prove it:"},
	)
	addGroup(root, groupRun, newDemoCommand(a), newDevCommand(a), newMigrateCommand(a), newProjectCommand(a),
		newSandboxCommand(a), newServeCommand(a))
	addGroup(root, groupUse, newPublishCommand(a), newSimulateCommand(a), newGetCommand(a), newExplainCommand(a),
		newRestatedCommand(a), newKeysCommand(a))
	addGroup(root, groupWatch, newStatusCommand(a), newHealthCommand(a), newTailCommand(a), newStoryCommand(a),
		newVerifyCommand(a), newReplayCommand(a), newQuarantineCommand(a))
	root.AddCommand(newConfigCommand(a), newVersionCommand(a))
	addCompletion(root)
	wrapHelp(root)
	plainArgs(root)
	return root
}

const (
	groupRun   = "run"
	groupUse   = "use"
	groupWatch = "watch"
)

func addGroup(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, command := range commands {
		command.GroupID = group
		root.AddCommand(command)
	}
}

// called is how the program's user calls it, for commands to be typed.
func (a *app) called() string {
	if a.name == "" {
		return "tributary"
	}
	return a.name
}

// prepare runs before each command, when its flags are known.
func (a *app) prepare(command *cobra.Command) error {
	loaded, err := loadSettings(command.Flags(), a.environ)
	if err != nil {
		return err
	}
	a.settings = loaded
	a.running = true
	return nil
}

// jsonFlag adds --json; what it prints is said in the help, because programs hold on to it.
func (a *app) jsonFlag(command *cobra.Command, prints string) {
	command.Flags().BoolVar(&a.asJSON, "json", false, "print facts as JSON")
	command.Long = strings.TrimLeft(command.Long+"\n\nWith --json: "+prints+".", "\n")
}

// printf writes facts for people.
func (a *app) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(a.stdout, format, args...); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// printJSON writes one value on a line of its own.
func (a *app) printJSON(value any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write JSON to stdout: %w", err)
	}
	return nil
}

// notef tells people something that is no fact asked for: progress, a warning, a hint.
func (a *app) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...) // nowhere is left to complain
}

// logger is what long-running parts log to, from the level that the settings name, or else from this one, on.
func (a *app) logger(level slog.Level) *slog.Logger {
	if a.settings.source("log.level") != sourceDefault {
		level = a.settings.logLevel()
	}
	options := &slog.HandlerOptions{Level: level}
	if a.settings.get("log.format") == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}

// aim tells the garbage collector how much memory the program should take, in bytes, unless GOMEMLIMIT says so. What is needed is
// taken all the same.
func (a *app) aim(bytes int64) {
	if limit, _ := lookup(a.environ, "GOMEMLIMIT"); limit == "" && a.goal != nil {
		a.goal(bytes)
	}
}

// lavish lets garbage lie until the program takes so many bytes, unless GOGC and GOMEMLIMIT say otherwise: to collect it sooner is a good
// part of what small requests and batches cost.
func (a *app) lavish(bytes int64) {
	const percent = 400
	if said, _ := lookup(a.environ, "GOGC"); said == "" && a.garbage != nil {
		a.garbage(percent)
	}
	a.aim(bytes)
}

// tempDir is where temporary files go; empty means the system's place.
func (a *app) tempDir() string {
	dir, _ := lookup(a.environ, "TMPDIR")
	return dir
}

// isTerminal tells whether a person watches a stream.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && cwriter.IsTerminal(int(file.Fd()))
}
