package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/replay"
)

// replayFlags are how a replay is to be done.
type replayFlags struct {
	rate, workers           int
	until, tz               string
	accept, noSwap, restart bool
}

func newReplayCommand(a *app) *cobra.Command {
	var flags replayFlags
	command := &cobra.Command{
		Use:   "replay NAME",
		Short: "Build a projection's tables anew from the log, prove them, and make them live",
		Long: `Builds a new generation of a projection's tables from the start of the log, while the old one goes
on serving: projectors and readers need not be stopped, and notice nothing. When it has caught up it
is proven from the log, as verify does, and compared with the live tables, both at one point of the
log; only if they say the same it is made live, in one moment. The old one is kept: "tributary replay
rollback" goes back to it, "tributary replay drop" removes it.

Killed at any moment nothing is lost and nothing is half done: the same command goes on where it was
(--restart begins anew). Where the tables differ it prints how, and exits with 1; --accept-differences
makes the new ones live all the same, as after a change of how events are read. It accepts whatever
differs, from the live tables or from the log: look first whether it says "proven from the log".

With --until it builds a side generation, for questions: the tables as they were at a day's start or
a time, as "get --known-at" takes them (records of that very moment are in), or up to and with some
positions of the log, as publish prints them. Of partitions that no position names it has all that
there is when it begins. It is never made live; the names to query it by are printed.`,
		Example: `  tributary replay balances
  tributary replay revenue --rate 20000        # leave the servers some air
  tributary replay balances --no-swap          # have it built and proven, and swap later
  tributary replay receipts --until 2026-03-01T00:00:00Z
  tributary replay receipts --until 2026-03-01 --tz Europe/Paris
  tributary replay balances --until payments/3@1042,receivers/0@17
  tributary replay status`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFirstProjection,
		RunE: func(command *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			return a.replay(command.Context(), args[0], flags, flags.run)
		},
	}
	flags.add(command)
	command.Flags().StringVar(&flags.until, "until", "", "build the tables as of a `moment`: a day's start, a time, or positions")
	command.Flags().StringVar(&flags.tz, "tz", "UTC", "of a day or a time that names none")
	command.Flags().BoolVar(&flags.noSwap, "no-swap", false, "stop before the swap; the same command without it goes on")
	command.Flags().BoolVar(&flags.restart, "restart", false, "drop what an unfinished replay has built, and begin anew")
	a.jsonFlag(command, replayJSON)
	command.AddCommand(newReplayStatusCommand(a), newReplayRollbackCommand(a), newReplayDropCommand(a))
	return command
}

const replayJSON = `an object of projection, generation, version, live_before, live, resumed_at, offsets,
build_seconds, until, names, proof (what verify prints of a projection), comparison (views,
differences); proof and comparison are null where there was none`

func (f *replayFlags) add(command *cobra.Command) {
	command.Flags().IntVar(&f.rate, "rate", 0, "read at most so many events a second; 0 reads as fast as it can")
	command.Flags().IntVar(&f.workers, "workers", 0, "share out the partitions to so many; 0 means one for each core")
	command.Flags().BoolVar(&f.accept, "accept-differences", false, "make it live although it differs, from the live tables or from the log")
}

func (f *replayFlags) check() error {
	switch {
	case f.rate < 0:
		return usagef("--rate counts events a second: 0 or more")
	case f.workers < 0:
		return usagef("--workers counts from 1; 0 means one for each core")
	case f.until != "" && (f.noSwap || f.accept):
		return usagef("--until builds a generation that is never made live: --no-swap and --accept-differences mean nothing to it")
	default:
		return nil
	}
}

// run is a replay as the flags say.
func (f *replayFlags) run(ctx context.Context, r *replay.Replay) (replay.Result, error) {
	if f.until == "" {
		return r.Run(ctx)
	}
	moment, err := f.moment()
	if err != nil {
		return replay.Result{}, err
	}
	return r.Side(ctx, moment)
}

// moment is what --until says: a day or a time, as --known-at of "get" takes them, or positions.
func (f *replayFlags) moment() (replay.Moment, error) {
	zone, err := zoneOf(f.tz)
	if err != nil {
		return replay.Moment{}, err
	}
	if at, err := parseInstant("--until", f.until, zone); err == nil {
		return replay.At(at), nil
	}
	moment, err := replay.ParsePositions(f.until)
	if err != nil {
		return moment, usagef("--until: %w", err)
	}
	return moment, nil
}

func completeFirstProjection(command *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return noCompletion(command, args, toComplete)
	}
	return completeProjections(command, args, toComplete)
}

func newReplayRollbackCommand(a *app) *cobra.Command {
	var flags replayFlags
	command := &cobra.Command{
		Use:   "rollback NAME [GENERATION]",
		Short: "Make the generation live again that was before",
		Long: `Goes back to the generation that was live before the one that is, or to the one of that number. It
first catches up from where it stopped, is proven and compared as a new one is, and then made live:
nothing is lost, however long ago it was. The one that is live now is kept.`,
		Example: `  tributary replay rollback balances
  tributary replay rollback revenue 3`,
		Args:              cobra.RangeArgs(1, 2), //nolint:mnd // as the use says
		ValidArgsFunction: completeFirstProjection,
		RunE: func(command *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			number := int32(0)
			if len(args) > 1 {
				var err error
				if number, err = generationNumber(args[1]); err != nil {
					return err
				}
			}
			return a.replay(command.Context(), args[0], flags, func(ctx context.Context, r *replay.Replay) (replay.Result, error) {
				return r.Rollback(ctx, number)
			})
		},
	}
	flags.add(command)
	a.jsonFlag(command, replayJSON)
	return command
}

func generationNumber(text string) (int32, error) {
	const bits = 32
	number, err := strconv.ParseInt(text, 10, bits)
	if err != nil || number < 1 {
		return 0, usagef("%q is no number of a generation: \"tributary replay status\" lists them", text)
	}
	return int32(number), nil
}

func newReplayDropCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "drop NAME GENERATION",
		Short: "Remove a generation that is not live",
		Long: `Removes a generation's tables, names and progress. The live one is refused. It waits for transactions
that may still read it. Killed in the middle, the same command goes on.`,
		Example:           `  tributary replay drop balances 3`,
		Args:              cobra.ExactArgs(2), //nolint:mnd // as the use says
		ValidArgsFunction: completeFirstProjection,
		RunE: func(command *cobra.Command, args []string) error {
			number, err := generationNumber(args[1])
			if err != nil {
				return err
			}
			return a.dropGeneration(command.Context(), args[0], number)
		},
	}
	a.jsonFlag(command, "an object of projection, generation")
	return command
}

func (a *app) dropGeneration(ctx context.Context, name string, number int32) error {
	return a.withTables(ctx, name, func(on servers, tables replay.Tables) error {
		if err := replay.Drop(ctx, on.postgres, tables, number); err != nil {
			return err
		}
		if a.asJSON {
			return a.printJSON(map[string]any{"projection": name, "generation": number})
		}
		return a.printf("generation %d of %s is gone\n", number, name)
	})
}

// withTables opens the servers that a projection's tables need, and sees to it that they answer.
func (a *app) withTables(ctx context.Context, name string, do func(servers, replay.Tables) error) (err error) {
	if _, err := chosenProjections([]string{name}); err != nil {
		return err
	}
	admin, err := a.openKafka(ctx)
	if err != nil {
		return err
	}
	admin.Close()
	on := servers{}
	if on.kafka, err = a.kafka(a.logger(slog.LevelWarn)); err != nil {
		return err
	}
	if inClickHouse(name) {
		if on.clickhouse, err = a.openClickHouse(ctx); err != nil {
			return err
		}
	}
	if on.postgres, err = a.openPostgres(ctx); err != nil {
		return errors.Join(err, on.close())
	}
	defer func() { err = errors.Join(err, on.close()) }()
	return explainTables(a.explainClickHouse(do(on, a.tables(on, name))))
}

// tables are those of a projection.
func (a *app) tables(on servers, name string) replay.Tables {
	options := replay.Options{Step: a.step, Logger: a.logger(slog.LevelWarn)}
	for _, projection := range postgresProjections(on.postgres, findIn(on.kafka)) {
		if projection.Definition().Name == name {
			return replay.InPostgres(on.postgres, projection, options)
		}
	}
	for _, projection := range clickhouseProjections() {
		if projection.Definition().Name == name {
			return replay.InClickHouse(on.postgres, on.clickhouse, projection, options)
		}
	}
	return nil
}

// replayBytes is about how much memory a replay takes: while it builds, the pieces of the log that are read ahead, and the batches
// in work; later what a proof takes.
const replayBytes = 320 << 20

// replay does a replay, or what is like one, under a bar.
func (a *app) replay(
	ctx context.Context, name string, flags replayFlags, do func(context.Context, *replay.Replay) (replay.Result, error),
) error {
	return a.withTables(ctx, name, func(on servers, tables replay.Tables) error {
		ends, err := a.logEnds(ctx)
		if err != nil {
			return err
		}
		const bits = 8 // The proof takes one for each record.
		a.aim(replayBytes + records(ends)/bits)
		bar := newPhaseBar(ctx, a, name)
		r := &replay.Replay{
			Pool: on.postgres, Kafka: on.kafka, Tables: tables,
			Rate: flags.rate, Workers: flags.workers, Accept: flags.accept, NoSwap: flags.noSwap, Restart: flags.restart,
			Progress: bar.report, Note: bar.note, Logger: slog.New(bar.through(a.logger(slog.LevelWarn).Handler())), Step: a.step,
		}
		if slices.Contains(audit.Names(), name) {
			auditor := audit.New(on.postgres, on.kafka, on.clickhouse)
			r.Audit = func(ctx context.Context, target audit.Target, progress audit.Progress) (audit.Projection, error) {
				report, err := auditor.Verify(ctx, []audit.Target{target}, func(phase audit.Phase, done, total int64) {
					a.aimAt(phase)
					bar.proving(phase)
					progress(phase, done, total)
				})
				if err != nil {
					return audit.Projection{}, err
				}
				return report.Projections[0], nil
			}
		}
		result, err := do(ctx, r)
		bar.end()
		if err != nil && !errors.Is(err, replay.ErrDiffers) {
			if result.Generation > 0 && ctx.Err() != nil {
				a.notef("generation %d of %s is kept as far as it is: the same command goes on, \"tributary replay drop %s %d\" removes it",
					result.Generation, name, name, result.Generation)
			}
			return err
		}
		return a.printReplayed(ctx, &replayed{result, tables, on.postgres}, err)
	})
}

// replayed is a result, and what is needed to tell of it.
type replayed struct {
	replay.Result

	tables replay.Tables
	pool   *pgxpool.Pool
}

func (a *app) printReplayed(ctx context.Context, r *replayed, differs error) error {
	names, err := r.tables.Names(ctx, r.Generation)
	if err != nil {
		return err
	}
	if a.asJSON {
		if err := a.printJSON(struct {
			replay.Result

			Names []string `json:"names"`
		}{r.Result, notNil(names)}); err != nil {
			return err
		}
		return asNo(differs)
	}
	if err := a.printProofs(r); err != nil {
		return err
	}
	if err := a.printf("%s", r.story(names, a.called(), differs != nil)); err != nil {
		return err
	}
	return asNo(differs)
}

func asNo(differs error) error {
	if differs != nil {
		return errNo
	}
	return nil
}

// printProofs prints what differs, of the log and of the live tables.
func (a *app) printProofs(r *replayed) error {
	if r.Proof != nil && r.Proof.DifferencesTotal > 0 {
		if err := a.printDifferences(r.Proof); err != nil {
			return err
		}
	}
	if r.Comparison == nil || r.Comparison.Agrees() {
		return nil
	}
	return a.printComparison(*r.Comparison)
}

// story says in sentences what was done, and what can be done next.
func (r *replayed) story(names []string, called string, differs bool) string {
	built := fmt.Sprintf("%s records in %s", count(r.Offsets), time.Duration(r.Seconds*float64(time.Second)).Round(100*time.Millisecond))
	if r.Offsets > 0 && r.Seconds > 0 {
		built += fmt.Sprintf(" (%s/s)", count(int64(float64(r.Offsets)/r.Seconds)))
	}
	if r.Resumed > 0 {
		built += fmt.Sprintf(", after %s from before", count(r.Resumed))
	}
	text := fmt.Sprintf("%s: generation %d, %s\n", r.Projection, r.Generation, built)
	proof := "proven from the log"
	switch {
	case r.Proof == nil:
		proof = "not proven: there is no proof of it"
	case r.Proof.DifferencesTotal > 0:
		proof = count(r.Proof.DifferencesTotal) + " differences from the log"
	}
	if r.Comparison != nil {
		proof += r.compared()
	}
	text += proof + "\n"
	switch {
	case r.Until != "":
		text += fmt.Sprintf("as of %s; query it as\n  %s\n", r.Until, strings.Join(names, "\n  "))
		return text + fmt.Sprintf("when it has answered: \"%s replay drop %s %d\"\n", called, r.Projection, r.Generation)
	case r.Live:
		return text + fmt.Sprintf("live now; generation %d is kept\n"+
			"  to go back to it: %s replay rollback %s\n  to remove it:     %s replay drop %s %d\n",
			r.Before, called, r.Projection, called, r.Projection, r.Before)
	case differs:
		return text + fmt.Sprintf("NOT made live: generation %d stays\n  to make it live all the same: --accept-differences\n"+
			"  to remove it:                 %s replay drop %s %d\n", r.Before, called, r.Projection, r.Generation)
	default:
		return text + fmt.Sprintf("not made live yet: \"%s replay %s\" proves it again and swaps\n", called, r.Projection)
	}
}

func (r *replayed) compared() string {
	switch {
	case r.Comparison.Agrees():
		return fmt.Sprintf(", and the same as generation %d", r.Before)
	case r.Comparison.OnlyConflicts():
		return fmt.Sprintf("; it keeps other sides of conflicts than generation %d", r.Before)
	default:
		return fmt.Sprintf("; it differs from generation %d", r.Before)
	}
}
