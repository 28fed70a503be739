package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"

	"github.com/tributary-ledger/tributary/cmd/bench/floors"
	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/cmd/bench/peers"
	"github.com/tributary-ledger/tributary/cmd/bench/product"
	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// flags are what a run is told.
type flags struct {
	of     string
	json   string
	list   bool
	repeat int
	peers  bool
	growth bool
	check  string
	record bool
	bed    measure.Options
}

func main() {
	devstack.RunChildIfAsked()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// all are all measures there are, in the order in which they run: what is compared side by side.
func all() []measure.Measure {
	return slices.Concat(floors.Measures(), product.Measures(), peers.Measures())
}

func parse(args []string) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.StringVar(&f.of, "of", "", "run the measures whose names match this `regexp`, and what they are divided by; --list lists them")
	set.BoolVar(&f.list, "list", false, "list the measures")
	set.StringVar(&f.json, "json", "", "write the report as JSON to this `file`")
	set.BoolVar(&f.peers, "peers", false, "measure peers, too (some need Java and Maven)")
	set.BoolVar(&f.growth, "growth", false, "measure how rates change with events (see --events), partitions, processes and accounts, too")
	set.StringVar(&f.check, "check", "", "hold a few ratios of a short run against those in this `file`, docs/performance.json")
	set.BoolVar(&f.record, "record", false, "with --check: write what is reached to that file in place of comparing")
	set.IntVar(&f.repeat, "repeat", 1, "rounds; the report has medians")
	set.BoolVar(&f.bed.Apache, "apache", false, "on a broker of Apache Kafka (needs Java and Maven) in place of the embedded one")
	set.Int64Var(&f.bed.Fill.Events, "events", 1_000_000, "events in the log")
	set.IntVar(&f.bed.Fill.Accounts, "accounts", 100_000, "merchants and sites together")
	set.IntVar(&f.bed.Fill.Partitions, "partitions", 12, "partitions of each topic")
	set.Uint64Var(&f.bed.Fill.Seed, "seed", 1, "which events")
	set.StringVar(&f.bed.Dir, "dir", "", "folder for all data, which is removed at the end; in TMPDIR when empty")
	if err := set.Parse(args); err != nil {
		return nil, fmt.Errorf("%w (--help has the flags)", err)
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("what is %q? --of REGEXP chooses measures", set.Arg(0))
	}
	return f, nil
}

func run(ctx context.Context, args []string) (err error) {
	f, err := parse(args)
	if err != nil {
		return err
	}
	if f.check != "" {
		f.bed.Fill.Events = checkEvents
	}
	plan := measure.Plan{Repeat: f.repeat}
	if f.peers {
		plan.Slow = append(plan.Slow, "peer/")
	}
	if f.growth {
		plan.Slow = append(plan.Slow, "growth/")
	}
	if f.of != "" {
		if plan.Select, err = regexp.Compile(f.of); err != nil {
			return fmt.Errorf("--of: %w", err)
		}
	}
	if f.list {
		return list(os.Stdout, plan)
	}
	if f.bed.Dir, err = measure.Dir(f.bed.Dir); err != nil {
		return err
	}
	f.bed.Say = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	bed, err := measure.Open(ctx, f.bed)
	if err != nil {
		return errors.Join(err, os.RemoveAll(f.bed.Dir))
	}
	defer func() { err = errors.Join(err, bed.Close(context.WithoutCancel(ctx))) }()
	if f.check != "" {
		return check(ctx, bed, f.check, f.record)
	}
	report, err := measure.Run(ctx, bed, plan, all())
	if err != nil {
		return err
	}
	return tell(report, f.json)
}

// tell prints the report and keeps it; it fails where a measure has.
func tell(report *measure.Report, file string) error {
	if err := report.Print(os.Stdout); err != nil {
		return err
	}
	if file != "" {
		if err := measure.Write(file, report); err != nil {
			return err
		}
	}
	return report.Failed()
}
