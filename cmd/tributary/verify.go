package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/projections/audit"
)

func newVerifyCommand(a *app) *cobra.Command {
	var expect string
	var generation int32
	var memoryMiB int
	command := &cobra.Command{
		Use:   "verify [NAME…]",
		Short: "Prove that the tables are what the log says",
		Long: `Reads the log from its start up to where each projection is by its own account, folds it anew with code of its own, and
compares every row. Projectors may run meanwhile. Prints what differs, with the events behind it, and exits with 1 then.
Conflicts (one event id with two contents) are listed, but are no difference.

Proven are the live generations. --generation proves another one of a projection, which nobody may be reading: what a replay
builds, or what was live before.

Memory is bounded, whatever the log: --memory is for sorting what the log says, and what does not fit is sorted in files without
a name in TMPDIR. Beside it some 140 MiB are taken, and a bit for each record and projection; more only where tables differ.
GOMEMLIMIT, where it is set, says in place of that when garbage is collected.

With --expect the tables are held, besides, against what "tributary simulate --expect" said of its events: nobody else may have
written to that ledger. Rows of the quarantine that name no ledger stand for what it misses, and never count against it.`,
		Example: `  tributary verify
  tributary verify balances --json | jq '.projections[].differences'
  tributary verify revenue --generation 12
  tributary verify --expect expected.json`,
		ValidArgsFunction: completeProjections,
		RunE: func(command *cobra.Command, args []string) error {
			targets, err := verifyTargets(args, generation)
			if err != nil {
				return err
			}
			if memoryMiB < 1 {
				return usagef("--memory is a number of MiB, from 1")
			}
			memory := audit.Memory{Bytes: memoryMiB << 20}
			if expect == "" {
				return a.verifyAgainst(command.Context(), targets, memory, nil)
			}
			expected, err := a.readExpect(expect)
			if err != nil {
				return err
			}
			if generation != 0 {
				return usagef("--expect is about the live generations, so not with --generation")
			}
			return a.verifyAgainst(command.Context(), targets, memory, expected)
		},
	}
	command.Flags().StringVar(&expect, "expect", "", "compare with this `file` of a simulation's totals, or with stdin (-)")
	command.Flags().Int32Var(&generation, "generation", 0, "prove this generation of the projection in place of the live one")
	command.Flags().IntVar(&memoryMiB, "memory", audit.DefaultMemory>>20, "sort so many `MiB` in memory, the rest in TMPDIR")
	a.jsonFlag(command, `an object of projections (name, generation, positions, behind, records, duplicates, outdated, rows,
checks, differences, differences_total, conflicts, conflicts_total) and, with --expect, expected (name, projection, rows,
differences, differences_total)`)
	return command
}

// verifyTargets are the live generations of the projections, or that one of the one that is named.
func verifyTargets(names []string, generation int32) ([]audit.Target, error) {
	for _, name := range names {
		if !slices.Contains(audit.Names(), name) {
			return nil, usagef("there is no proof of %q, only of %s", name, strings.Join(audit.Names(), ", "))
		}
	}
	targets := audit.Live(names...)
	if generation != 0 {
		if len(names) != 1 || generation < 1 {
			return nil, usagef("--generation is a number from 1, of the one projection that is named")
		}
		targets[0].Generation = generation
	}
	return targets, nil
}

func (a *app) verify(ctx context.Context, targets []audit.Target) error {
	return a.verifyAgainst(ctx, targets, audit.Memory{}, nil)
}

// verifyAgainst compares with what a simulation says, too, if anything is expected.
func (a *app) verifyAgainst(
	ctx context.Context, targets []audit.Target, memory audit.Memory, expected *simulation.Expected,
) error {
	names := make([]string, len(targets))
	for i, target := range targets {
		names[i] = target.Name
	}
	ends, err := a.logEnds(ctx)
	if err != nil {
		return err
	}
	a.aim(memory.Most(records(ends), cmp.Or(len(targets), len(audit.Names()))))
	kafka, err := a.kafka(a.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	var warehouse driver.Conn
	if a.hasClickHouse() && len(names) == 0 || slices.ContainsFunc(names, inClickHouse) {
		if warehouse, err = a.openClickHouse(ctx); err != nil {
			return err
		}
		defer warehouse.Close() //nolint:errcheck // it was only read
	}
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		report, err := a.auditWithBar(ctx, audit.New(pool, kafka, warehouse).Within(memory), targets)
		if errors.Is(err, audit.ErrNoClickHouse) {
			return usagef("%w: set TRIBUTARY_CLICKHOUSE_URL, or name the projections to verify", err)
		}
		if err != nil {
			return a.explainClickHouse(err)
		}
		all := verification{Projections: withLag(report, ends)}
		if all.Expected, err = a.compare(ctx, pool, warehouse, expected, names); err != nil {
			return err
		}
		err = a.printReport(all)
		if err == nil && !(report.Agrees() && asExpected(all.Expected)) {
			err = errNo
		}
		return err
	})
}

// aimAt lets a proof take what it needs where something differs: what does is held, as far as it is told.
func (a *app) aimAt(phase audit.Phase) {
	if phase == audit.PhaseAgain {
		a.aim(math.MaxInt64)
	}
}

// records is how many the log has.
func records(ends map[eventlog.TopicPartition]int64) (total int64) {
	for _, end := range ends {
		total += end
	}
	return total
}

// proofCounts is what a phase of a proof counts.
func proofCounts(phase audit.Phase) unit {
	switch phase {
	case audit.PhaseIdentities:
		return countIDs
	case audit.PhaseTables:
		return countProjections
	default:
		return countRecords
	}
}

// auditWithBar shows what an audit is doing, and how much of that is done.
func (a *app) auditWithBar(ctx context.Context, auditor *audit.Auditor, targets []audit.Target) (audit.Report, error) {
	bar, now := &progress{}, audit.Phase("")
	report, err := auditor.Verify(ctx, targets, func(phase audit.Phase, done, total int64) {
		if phase != now {
			a.aimAt(phase)
			bar.end()
			now, bar = phase, a.startProgress(ctx, string(phase), total, proofCounts(phase))
		}
		bar.set(done)
	})
	bar.end()
	return report, err
}

// verification is what verify found, as --json prints it.
type verification struct {
	Projections []verified `json:"projections"`
	Expected    []compared `json:"expected,omitempty"`
}

// verified is what is proven of a projection, and how much of the log it does not have yet: of that nothing is said.
type verified struct {
	audit.Projection

	Behind int64 `json:"behind"`
}

// withLag compares how far the projections were when they were judged with where the log ended just before.
func withLag(report audit.Report, ends map[eventlog.TopicPartition]int64) []verified {
	topics := map[string][]string{}
	for _, definition := range definitions() {
		topics[definition.Name] = definition.Topics
	}
	all := make([]verified, len(report.Projections))
	for i, p := range report.Projections {
		all[i].Projection = p
		next := map[eventlog.TopicPartition]int64{}
		for _, at := range p.Positions {
			next[eventlog.TopicPartition{Topic: at.Topic, Partition: at.Partition}] = at.NextOffset
		}
		for at, end := range ends {
			if slices.Contains(topics[p.Name], at.Topic) {
				all[i].Behind += max(0, end-next[at])
			}
		}
	}
	return all
}

func (a *app) printReport(all verification) error {
	if a.asJSON {
		return a.printJSON(all)
	}
	report := all.Projections
	if err := a.printTable(reportTable(report)); err != nil {
		return err
	}
	for i := range report {
		if report[i].Behind > 0 {
			a.notef("%s has %s records of the log still before it; what it has is judged here", report[i].Name, count(report[i].Behind))
		}
		if n := report[i].Outdated; n > 0 {
			a.notef("quarantined records that are valid events to this version: %s; \"tributary quarantine release\" publishes them again", count(n))
		}
		if err := a.printDifferences(&report[i].Projection); err != nil {
			return err
		}
	}
	if all.Expected != nil {
		if err := a.printCompared(all.Expected); err != nil {
			return err
		}
	}
	return a.printf("\n%s\n", conclusion(all))
}

// conclusion is the last line: what the whole comes to.
func conclusion(all verification) string {
	var records, differences int64
	var differing []string
	for i := range all.Projections {
		p := &all.Projections[i].Projection
		records += p.Records
		if differences += p.DifferencesTotal; p.DifferencesTotal > 0 {
			differing = append(differing, p.Name)
		}
	}
	for _, part := range all.Expected {
		if differences += part.DifferencesTotal; part.DifferencesTotal > 0 {
			differing = append(differing, "what is expected of "+part.Name)
		}
	}
	if len(differing) > 0 {
		return "DIFFERS: " + count(differences) + " differences, in " + strings.Join(differing, ", ")
	}
	return "Proven: the tables are what the log says (projections: " + count(len(all.Projections)) + ", records: " + count(records) + ")."
}

func reportTable(report []verified) *table {
	listed := newTable("PROJECTION", ">GENERATION", ">RECORDS", ">DUPLICATES", ">ROWS", ">CONFLICTS", "RESULT")
	for i := range report {
		p := &report[i].Projection
		result := "proven"
		if p.DifferencesTotal > 0 {
			result = "DIFFERS (" + count(p.DifferencesTotal) + ")"
		}
		listed.row(p.Name, strconv.Itoa(int(p.Generation)), count(p.Records), count(p.Duplicates), count(p.Rows),
			count(p.ConflictsTotal), result)
	}
	return listed
}

// printDifferences lists what differs in a projection, and its conflicts; the first few of many.
func (a *app) printDifferences(p *audit.Projection) error {
	const most = 20
	for i := range min(len(p.Differences), most) {
		if err := a.printf("%s", differenceText(p.Name, &p.Differences[i])); err != nil {
			return err
		}
	}
	if more := p.DifferencesTotal - int64(min(len(p.Differences), most)); more > 0 {
		if err := a.printf("… and %s more differences in %s; --json lists %s\n", count(more), p.Name, count(len(p.Differences))); err != nil {
			return err
		}
	}
	const mostConflicts = 3 // They are no differences, and must not hide these.
	for i := range min(len(p.Conflicts), mostConflicts) {
		c := &p.Conflicts[i]
		if err := a.printf("conflict in %s: id %s has two contents; the one at %s counts, the one at %s does not\n",
			p.Name, c.EventID, c.Kept, c.Refused); err != nil {
			return err
		}
	}
	if more := p.ConflictsTotal - int64(min(len(p.Conflicts), mostConflicts)); more > 0 {
		return a.printf("… and %s more conflicts in %s; --json lists %s\n", count(more), p.Name, count(len(p.Conflicts)))
	}
	return nil
}

func differenceText(projection string, d *audit.Difference) string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n%s: %s in %s: %s\n", projection, strings.ReplaceAll(d.Kind, "_", " "), d.Table, printable(d.Key))
	if d.Column != "" {
		fmt.Fprintf(&out, "  %s is %s, the log says %s\n", d.Column, printable(d.Got), printable(d.Want))
	}
	for _, event := range d.Events {
		fmt.Fprintf(&out, "  by %s at %s, %s\n", shortType(event.Type), event.Position, event.EventID)
	}
	if more := d.EventsTotal - int64(len(d.Events)); more > 0 {
		fmt.Fprintf(&out, "  and %s more events\n", count(more))
	}
	return out.String()
}
