package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// simulateFlags say what is simulated and where it goes.
type simulateFlags struct {
	options    simulation.Options
	start, out string
}

func newSimulateCommand(a *app) *cobra.Command {
	const defaultEvents, defaultSeed = 10_000, 1
	var flags simulateFlags
	command := &cobra.Command{
		Use:   "simulate",
		Short: "Make up a realistic workload, for the log or as NDJSON",
		Long: `Makes up events of every type as a platform's merchants, sites and providers would cause them: payments that are refunded
or disputed, receivers paid in parts or too late, settlements, payouts, exchanges. A few merchants make most of it.

The events go to the log, or with --out as NDJSON to a file, or to stdout (-). The same seed and flags make the same bytes on
any machine, so simulating into the same log again changes nothing: an event counts once.`,
		Example: `  tributary simulate --events 1_000_000 --seed 7
  tributary simulate --events 1000 --out - | jq -r .type | sort | uniq -c
  tributary simulate --events 100000 --out day.ndjson --span 24h --json | jq .bytes`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.simulate(command.Context(), flags) },
	}
	set := command.Flags()
	set.Int64Var(&flags.options.Events, "events", defaultEvents, "how many events")
	set.Uint64Var(&flags.options.Seed, "seed", defaultSeed, "which workload")
	set.IntVar(&flags.options.Accounts, "accounts", simulation.DefaultAccounts, "merchants and sites together")
	set.StringVar(&flags.start, "start", simulation.DefaultStart().Format(time.RFC3339), "time before the first event, RFC 3339")
	set.DurationVar(&flags.options.Span, "span", 0, fmt.Sprintf("about how long the events take (default %v each)", simulation.DefaultPace))
	set.StringVar(&flags.options.Ledger, "ledger", ledger.DefaultLedger, "ledger of the events")
	set.StringVar(&flags.out, "out", "", "write NDJSON to this file, or to stdout (-), instead of to the log")
	a.jsonFlag(command, `an object of events, seed, accounts, ledger, from and to (times of events), bytes (of NDJSON), positions (in the
log), seconds, events_per_second; with --out - it goes to stderr, because stdout has the events`)
	return command
}

// simulated is what simulate did, as --json prints it.
type simulated struct {
	Events    int64     `json:"events"`
	Seed      uint64    `json:"seed"`
	Accounts  int       `json:"accounts"`
	Ledger    string    `json:"ledger"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Bytes     int64     `json:"bytes"`
	Positions []string  `json:"positions"`
	Seconds   float64   `json:"seconds"`
	Rate      float64   `json:"events_per_second"`
}

func (a *app) simulate(ctx context.Context, flags simulateFlags) error {
	start, err := ledger.ParseTime(flags.start)
	if err != nil {
		return usagef("--start %q is %w", flags.start, err)
	}
	flags.options.Start = start
	stream, err := simulation.New(flags.options)
	if err != nil {
		return usageError{err}
	}
	bar := a.startProgress(ctx, "simulating", flags.options.Events, countEvents)
	defer bar.end()
	s := &simulator{stream: stream, progress: bar}
	began := time.Now()
	var positions []string
	switch flags.out {
	case "":
		positions, err = a.simulateToLog(ctx, s)
	case "-":
		err = s.write(ctx, a.stdout)
	default:
		err = s.writeFile(ctx, flags.out)
	}
	bar.end()
	if err != nil {
		return err
	}
	return a.printSimulated(flags.out, s.facts(positions, time.Since(began)))
}

// simulator makes the events of a stream and counts them.
type simulator struct {
	stream   *simulation.Simulation
	progress *progress
	made     int64
	bytes    int64
	from, to time.Time
}

// simulatedAtOnce is how many events are made between two looks at the context.
const simulatedAtOnce = 512

// next makes some events; none at the end.
func (s *simulator) next() []*ledger.Event {
	events := make([]*ledger.Event, 0, simulatedAtOnce)
	for len(events) < cap(events) {
		event, ok := s.stream.Next()
		if !ok {
			break
		}
		events = append(events, event)
	}
	if len(events) == 0 {
		return nil
	}
	if s.made == 0 {
		s.from = events[0].Time
	}
	s.made, s.to = s.made+int64(len(events)), events[len(events)-1].Time
	s.progress.add(int64(len(events)))
	return events
}

// write writes all events as NDJSON; when ctx ends first, the lines so far, all of them whole.
func (s *simulator) write(ctx context.Context, to io.Writer) error {
	const bufferBytes = 256 << 10
	buffered := bufio.NewWriterSize(to, bufferBytes)
	var line []byte
	for events := s.next(); len(events) > 0; events = s.next() {
		for _, event := range events {
			line = append(ledger.AppendJSON(line[:0], event), '\n')
			s.bytes += int64(len(line))
			if _, err := buffered.Write(line); err != nil {
				return fmt.Errorf("write event %s: %w", event.ID, err)
			}
		}
		if ctx.Err() != nil {
			return errors.Join(flush(buffered), fmt.Errorf("interrupted after %s of %s events; what was written ends with a whole line",
				count(s.made), count(s.stream.Options().Events)))
		}
	}
	return flush(buffered)
}

func flush(buffered *bufio.Writer) error {
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

func (s *simulator) writeFile(ctx context.Context, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return usagef("--out: %w", err)
	}
	if err := errors.Join(s.write(ctx, file), file.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (s *simulator) facts(positions []string, took time.Duration) simulated {
	options := s.stream.Options()
	seconds := max(took, time.Microsecond).Seconds()
	return simulated{
		Events: s.made, Seed: options.Seed, Accounts: options.Accounts, Ledger: options.Ledger, From: s.from, To: s.to,
		Bytes: s.bytes, Positions: notNil(positions), Seconds: seconds, Rate: float64(s.made) / seconds,
	}
}

// printSimulated tells what was done, on stderr where stdout has the events.
func (a *app) printSimulated(out string, done simulated) error {
	facts := *a
	if out == "-" {
		facts.stdout = a.stderr
	}
	if a.asJSON {
		return facts.printJSON(done)
	}
	where := "into the log"
	if out != "" {
		where = fmt.Sprintf("of %s bytes", count(done.Bytes))
	}
	took := duration(time.Duration(done.Seconds * float64(time.Second)))
	return facts.printf("simulated %s events %s in %s (%s/s), from %s to %s\n", count(done.Events), where, took,
		count(int64(done.Rate)), done.From.Format(time.RFC3339), done.To.Format(time.RFC3339))
}
