package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// simulateFlags say what is simulated and where it goes.
type simulateFlags struct {
	options     simulation.Options
	troubles    simulation.Troubles
	start, span string
	out, expect string
	wait        bool
	rate        int
	timeout     time.Duration
}

func newSimulateCommand(a *app) *cobra.Command {
	const defaultEvents, defaultSeed = 10_000, 1
	var flags simulateFlags
	command := &cobra.Command{
		Use:   "simulate",
		Short: "Make up a realistic workload, for the log or as NDJSON",
		Long: `Makes up events of every type as a platform's merchants, sites and providers would cause them: payments that are refunded
or disputed, receivers paid in parts, twice or too late, pages that earn by the second, settlements, payouts, exchanges. A
few merchants make most of it. Days, weeks and years have their rhythm, on the clocks of where merchants and sites are.

The events go to the log, or with --out as NDJSON to a file, or to stdout (-). The same seed and flags make the same bytes on
any machine, so simulating into the same log again changes nothing: an event counts once.

What goes wrong on the way comes on request, each with its share of the events: some late, again (some of those under other
keys and in other formats), again with another content, and bad ones, of each reason in turn. With --expect the exact totals
that the tables must come to are added up meanwhile, by the stories themselves; "tributary verify --expect" compares.`,
		Example: `  tributary simulate --events 1_000_000 --seed 7 --span 3y
  tributary simulate --duplicates 1% --bad 0.1% --ledger test --expect expected.json --wait
  tributary verify --expect expected.json
  tributary simulate --events 60000 --rate 1000     # for a minute, 1,000 a second
  tributary simulate --events 1000 --out - | jq -r .type | sort | uniq -c
  tributary simulate --events 100000 --out day.ndjson --span 24h --json | jq .bytes`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.simulate(command.Context(), flags) },
	}
	set := command.Flags()
	set.Int64Var(&flags.options.Events, "events", defaultEvents, "how many events, each counted once")
	set.Uint64Var(&flags.options.Seed, "seed", defaultSeed, "which workload")
	set.IntVar(&flags.options.Accounts, "accounts", simulation.DefaultAccounts, "merchants and sites together")
	set.StringVar(&flags.start, "start", simulation.DefaultStart().Format(time.RFC3339), "time before the first event, RFC 3339")
	set.StringVar(&flags.span, "span", "", fmt.Sprintf("about how `long` the events take, such as 24h, 90d or 3y (default %v each)",
		simulation.DefaultPace))
	set.StringVar(&flags.options.Ledger, "ledger", ledger.DefaultLedger, "ledger of the events")
	set.StringVar(&flags.out, "out", "", "write NDJSON to this `file`, or to stdout (-), instead of to the log")
	set.TextVar(&flags.troubles.Late, "late", simulation.Share(0), "`share` of the events that come long after their turn")
	set.TextVar(&flags.troubles.Duplicates, "duplicates", simulation.Share(0), "`share` of the events that come twice")
	set.TextVar(&flags.troubles.Conflicts, "conflicts", simulation.Share(0), "`share` of the events that come again, with another content")
	set.TextVar(&flags.troubles.Bad, "bad", simulation.Share(0), "how many invalid ones come besides, as a `share` of the events")
	set.StringVar(&flags.expect, "expect", "", "write what the tables must come to, as JSON, to this `file`, or stdout (-)")
	set.IntVar(&flags.rate, "rate", 0, "how many go to the log a second (default as fast as it takes them)")
	set.BoolVar(&flags.wait, "wait", false, "wait until every projection has the events")
	set.DurationVar(&flags.timeout, "timeout", 10*time.Minute, "how long to wait at most")
	a.jsonFlag(command, `an object of events, types (a number for each), seed, accounts, ledger, from and to (times of events), traffic
(messages, late, duplicates, conflicts, refused by reason), bytes (of NDJSON), positions (in the log), seconds,
events_per_second, waited_seconds; with --out - or --expect - it goes to stderr, because stdout has the others`)
	return command
}

// simulated is what simulate did, as --json prints it.
type simulated struct {
	Events    int64                      `json:"events"`
	Types     map[ledger.Type]int64      `json:"types"`
	Seed      uint64                     `json:"seed"`
	Accounts  int                        `json:"accounts"`
	Ledger    string                     `json:"ledger"`
	From      time.Time                  `json:"from"`
	To        time.Time                  `json:"to"`
	Traffic   simulation.ExpectedTraffic `json:"traffic"`
	Bytes     int64                      `json:"bytes"`
	Positions []string                   `json:"positions"`
	Seconds   float64                    `json:"seconds"`
	Rate      float64                    `json:"events_per_second"`
	Waited    float64                    `json:"waited_seconds"`
}

// check reads what flags say in words, and refuses what cannot be meant.
func (f *simulateFlags) check() error {
	switch {
	case f.out == "-" && f.expect == "-":
		return usagef("--out and --expect cannot both go to stdout: name a file for one of them")
	case f.rate < 0:
		return usagef("--rate %d is no number of events a second", f.rate)
	case f.out != "" && f.rate > 0:
		return usagef("--rate is for events that go to the log; a file takes them as they come")
	case f.out != "" && f.wait:
		return usagef("--wait is for events that go to the log: publish %s with --wait", f.out)
	}
	var err error
	if f.options.Start, err = ledger.ParseTime(f.start); err != nil {
		return usagef("--start %q is %w", f.start, err)
	}
	if f.options.Span, err = parseSpan(f.span); err != nil {
		return err
	}
	f.options.Expect = f.expect != ""
	return nil
}

// parseSpan reads a time such as 24h, or a number of days, weeks or years of 365 days.
func parseSpan(text string) (time.Duration, error) {
	const hoursOfDay, mostDays = 24, 100_000
	if text == "" {
		return 0, nil
	}
	number, unit := text[:len(text)-1], text[len(text)-1]
	if days := map[byte]int{'d': 1, 'w': 7, 'y': 365}[unit]; days > 0 {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > mostDays/days {
			return 0, usagef("--span %q is no whole number of days, weeks or years that events can take, such as 90d or 3y", text)
		}
		return time.Duration(n*days*hoursOfDay) * time.Hour, nil
	}
	span, err := time.ParseDuration(text)
	if err != nil || span <= 0 {
		return 0, usagef("--span %q is no time such as 24h, 90d, 8w or 3y", text)
	}
	return span, nil
}

func (a *app) simulate(ctx context.Context, flags simulateFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	stream, err := simulation.New(flags.options)
	if err != nil {
		return usageError{err}
	}
	door := simulation.DoorLog
	if flags.out != "" {
		door = simulation.DoorFile
	}
	traffic, err := stream.Traffic(flags.troubles, door)
	if err != nil {
		return usageError{err}
	}
	expect, err := a.openExpect(flags.expect)
	if err != nil {
		return err
	}
	s := &simulator{options: stream.Options(), traffic: traffic, types: map[ledger.Type]int64{}, atOnce: simulatedAtOnce}
	if flags.rate > 0 {
		const looksPerSecond = 100 // so that they come evenly
		s.atOnce = min(simulatedAtOnce, max(1, flags.rate/looksPerSecond))
		s.pace = rate.NewLimiter(rate.Limit(flags.rate), s.atOnce)
	}
	began := time.Now()
	sent, err := a.simulateAll(ctx, flags.out, s)
	if err := errors.Join(err, expect.close(traffic, err == nil)); err != nil {
		return err
	}
	done := s.facts(time.Since(began))
	if sent != nil {
		done.Positions = sent.positions()
	}
	if flags.wait {
		began = time.Now()
		if err := a.awaitProjections(ctx, sent.ends(), flags.timeout); err != nil {
			return err
		}
		done.Waited = time.Since(began).Seconds()
	}
	return a.printSimulated(flags, done)
}

// simulateAll makes all of it; nothing is sent where it goes to a file.
func (a *app) simulateAll(ctx context.Context, out string, s *simulator) (*sending, error) {
	s.progress = a.startProgress(ctx, "simulating", s.options.Events, countEvents)
	defer s.progress.end()
	switch out {
	case "":
		return a.simulateToLog(ctx, s)
	case "-":
		return nil, s.write(ctx, a.stdout)
	default:
		return nil, s.writeFile(ctx, out)
	}
}

// simulator makes the messages of a simulation and counts its events.
type simulator struct {
	options  simulation.Options
	traffic  *simulation.Traffic
	progress *progress
	made     int64
	types    map[ledger.Type]int64
	bytes    int64
	from, to time.Time
	atOnce   int           // how many are made at once
	pace     *rate.Limiter // nil where there is no haste to hold back
}

// simulatedAtOnce is how many messages are made between two looks at the context.
const simulatedAtOnce = 512

// next makes some messages; none at the end.
func (s *simulator) next() []simulation.Message {
	messages := make([]simulation.Message, 0, s.atOnce)
	before := s.made
	for len(messages) < cap(messages) {
		message, ok := s.traffic.Next()
		if !ok {
			break
		}
		messages = append(messages, message)
		if message.Kind == simulation.KindEvent {
			s.count(message.Event)
		}
	}
	s.progress.add(s.made - before)
	return messages
}

func (s *simulator) count(event *ledger.Event) {
	s.made++
	s.types[event.Type]++
	if s.from.IsZero() || event.Time.Before(s.from) {
		s.from = event.Time
	}
	if event.Time.After(s.to) {
		s.to = event.Time
	}
}

// write writes all messages as NDJSON; when ctx ends first, the lines so far, all of them whole.
func (s *simulator) write(ctx context.Context, to io.Writer) error {
	const bufferBytes = 256 << 10
	buffered := bufio.NewWriterSize(to, bufferBytes)
	var line []byte
	for messages := s.next(); len(messages) > 0; messages = s.next() {
		for i := range messages {
			line = append(messages[i].AppendJSON(line[:0]), '\n')
			s.bytes += int64(len(line))
			if _, err := buffered.Write(line); err != nil {
				return fmt.Errorf("write event %s: %w", messages[i].Event.ID, err)
			}
		}
		if ctx.Err() != nil {
			return errors.Join(flush(buffered), fmt.Errorf("interrupted after %s of %s events; what was written ends with a whole line",
				count(s.made), count(s.options.Events)))
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

func (s *simulator) facts(took time.Duration) simulated {
	seconds := max(took, time.Microsecond).Seconds()
	return simulated{
		Events: s.made, Types: s.types, Seed: s.options.Seed, Accounts: s.options.Accounts, Ledger: s.options.Ledger,
		From: s.from, To: s.to, Traffic: s.traffic.Told(),
		Bytes: s.bytes, Positions: []string{}, Seconds: seconds, Rate: float64(s.made) / seconds,
	}
}

// printSimulated tells what was done, on stderr where stdout has something else.
func (a *app) printSimulated(flags simulateFlags, done simulated) error {
	facts := *a
	if flags.out == "-" || flags.expect == "-" {
		facts.stdout = a.stderr
	}
	if a.asJSON {
		return facts.printJSON(done)
	}
	where := "into the log"
	if flags.out != "" {
		where = fmt.Sprintf("of %s bytes", count(done.Bytes))
	}
	took := duration(time.Duration(done.Seconds * float64(time.Second)))
	if err := facts.printf("simulated %s events %s in %s (%s/s), from %s to %s\n", count(done.Events), where, took,
		count(int64(done.Rate)), done.From.Format(time.RFC3339), done.To.Format(time.RFC3339)); err != nil {
		return err
	}
	if text := troublesText(done.Traffic); text != "" {
		if err := facts.printf("with %s\n", text); err != nil {
			return err
		}
	}
	if flags.wait {
		return facts.printf("every projection has them, %s later\n", duration(time.Duration(done.Waited*float64(time.Second))))
	}
	return nil
}

// troublesText is such as "100 late, 99 twice, 20 bad"; empty where nothing went wrong.
func troublesText(t simulation.ExpectedTraffic) string {
	bad := int64(0)
	for _, n := range t.Refused {
		bad += n
	}
	var parts []string
	for _, trouble := range []struct {
		n    int64
		text string
	}{{t.Late, "late"}, {t.Duplicates, "duplicates"}, {t.Conflicts, "conflicts"}, {bad, "bad ones"}} {
		if trouble.n > 0 {
			parts = append(parts, count(trouble.n)+" "+trouble.text)
		}
	}
	return strings.Join(parts, ", ")
}
