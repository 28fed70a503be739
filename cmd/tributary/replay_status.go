package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/replay"
)

func newReplayStatusCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "status [NAME]",
		Short: "List the generations of projections, and who works on them",
		Long: `Lists each generation of each projection's tables: which one is live, which are being built, kept from
before, or as of a moment, how far they are, and by what names they can be queried.`,
		Example: `  tributary replay status
  tributary replay status balances --json | jq 'map(select(.live))'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeFirstProjection,
		RunE: func(command *cobra.Command, args []string) error {
			names, err := chosenProjections(args)
			if err != nil {
				return err
			}
			return a.replayStatus(command.Context(), names)
		},
	}
	a.jsonFlag(command, `an array of objects: projection, generation, version, state (building, ready, side or dropping),
until, made, updated, live, records, behind, names, holder (who, address, since, pid; null
where nobody works on it)`)
	return command
}

func (a *app) replayStatus(ctx context.Context, names []string) error {
	ends, err := a.logEnds(ctx)
	if err != nil {
		return err
	}
	var chosen []projections.Definition
	for _, definition := range definitions() {
		if slices.Contains(names, definition.Name) {
			chosen = append(chosen, definition)
		}
	}
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		all, err := replay.Statuses(ctx, pool, chosen, ends)
		if err != nil {
			return err
		}
		if err := a.nameAll(ctx, pool, all); err != nil {
			return err
		}
		if a.asJSON {
			return a.printJSON(all)
		}
		return a.printGenerations(all)
	})
}

// nameAll finds the names of generations. Those in a ClickHouse that is not configured have none.
func (a *app) nameAll(ctx context.Context, pool *pgxpool.Pool, all []replay.Status) (err error) {
	on := servers{postgres: pool}
	elsewhere := slices.ContainsFunc(all, func(s replay.Status) bool { return inClickHouse(s.Projection) })
	if elsewhere && a.hasClickHouse() {
		if on.clickhouse, err = a.openClickHouse(ctx); err != nil {
			return err
		}
		defer on.clickhouse.Close() //nolint:errcheck // it was only read
	}
	for i := range all {
		if inClickHouse(all[i].Projection) && on.clickhouse == nil {
			continue
		}
		names, err := a.tables(on, all[i].Projection).Names(ctx, all[i].Number)
		if err != nil {
			return a.explainClickHouse(err)
		}
		all[i].Names = notNil(names)
	}
	return nil
}

func (a *app) printGenerations(all []replay.Status) error {
	listed := newTable("PROJECTION", ">GENERATION", ">VERSION", "STATE", "MADE", ">BEHIND", "QUERY IT AS")
	versions := map[string]int{}
	several := false
	for i := range all {
		s := &all[i]
		listed.row(s.Projection, strconv.Itoa(int(s.Number)), strconv.Itoa(s.Version), stateText(s), shortTime(s.Made),
			count(s.Behind), namesText(s))
		other, met := versions[s.Projection]
		several = several || met && other != s.Version
		versions[s.Projection] = s.Version
	}
	if !several { // Few have ever more than one.
		listed.drop("VERSION")
	}
	if err := a.printTable(listed); err != nil {
		return err
	}
	for i := range all {
		if s := &all[i]; s.State == replay.StateSide && s.Until != nil {
			if err := a.printf("generation %d of %s is as of %s\n", s.Number, s.Projection, *s.Until); err != nil {
				return err
			}
		}
		if h := all[i].Holder; h != nil {
			if err := a.printf("%s\n", atWork(all[i].Projection, *h)); err != nil {
				return err
			}
		}
	}
	return nil
}

// atWork says who works on a projection's generations.
func atWork(projection string, h replay.Holder) string {
	from := ""
	if h.Address != "" {
		from = " from " + h.Address
	}
	return fmt.Sprintf("%s: %s%s, since %s", projection, h.Who, from, shortTime(h.Since))
}

func stateText(s *replay.Status) string {
	switch {
	case s.Live:
		return "live"
	case s.State == replay.StateBuilding && s.Holder == nil:
		return "unfinished"
	case s.State == replay.StateReady:
		return "kept"
	default:
		return s.State
	}
}

// namesText is the schema or database of a generation's names; the live one has the names that everybody uses.
func namesText(s *replay.Status) string {
	switch {
	case len(s.Names) > 0:
		schema, _, _ := strings.Cut(s.Names[0], ".")
		return schema + ".…"
	case s.Live:
		return "the usual names"
	default:
		return ""
	}
}
