package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// restatedFlags say which period was closed when.
type restatedFlags struct {
	closed, tz, day, month, year, from, to string
	events                                 bool
	limit                                  int
	zone                                   *time.Location
	query                                  revenue.ClosedPeriod
}

func newRestatedCommand(a *app) *cobra.Command {
	var flags restatedFlags
	command := &cobra.Command{
		Use:   "restated --closed TIME --month MONTH",
		Short: "Show what changed in a period since it was closed, and by which events",
		Long: `Holds a period's revenue as it was known when the period was closed against what it is now: for each owner and asset the net
then, the net now, and the events that were recorded since but happened in the period, by type: late events, late refunds,
reversals. --events lists them. Owners of whom nothing came since are left out.

A day given to --closed is the moment at which it begins. Days, months and years are those of --tz.`,
		Example: `  tributary restated --closed 2011-04-01 --month 2011-03
  tributary restated --closed 2011-04-05T18:00:00+01:00 --month 2011-03 --owner acme --events
  tributary restated --closed 2012-01-10 --year 2011 --json | jq -r '[.owner, .difference] | @tsv'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.read(); err != nil {
				return err
			}
			return a.withClickHouse(command.Context(), func(conn clickhouse.Conn) error {
				return a.restated(command.Context(), conn, &flags)
			})
		},
	}
	flags.add(command)
	a.jsonFlag(command, `an object a line. kind is restated (ledger, stream, owner, asset_code, net_then, net_now, difference,
events_then, events_now, why: type, events and net of what came since) or, with --events, event (ledger, stream, owner,
asset_code, type, event_id, occurred_at, recorded_at, net, topic, partition, kafka_offset); amounts are decimals, as strings`)
	return command
}

func (f *restatedFlags) add(command *cobra.Command) {
	const many = 100
	set := command.Flags()
	set.StringVar(&f.closed, "closed", "", "when the period was closed: a day or a time; required")
	set.StringVar(&f.day, "day", "", "the period: a day, such as 2011-03-31")
	set.StringVar(&f.month, "month", "", "the period: a month, such as 2011-03")
	set.StringVar(&f.year, "year", "", "the period: a year, such as 2011")
	set.StringVar(&f.from, "from", "", "the period: from this day on …")
	set.StringVar(&f.to, "to", "", "… up to this day, which is included")
	set.StringVar(&f.tz, "tz", "UTC", "the time zone in which days begin, such as Europe/London")
	set.StringVar(&f.query.Stream, "stream", "", "only "+strings.Join(revenueStreams(), ", or "))
	set.StringVar(&f.query.Owner, "owner", "", "only this merchant's or site's")
	set.StringVar(&f.query.Asset, "asset", "", "only this asset, such as EUR")
	set.BoolVar(&f.events, "events", false, "list the events that came since")
	set.IntVar(&f.limit, "limit", many, "with --events, list at most so many (--json: all)")
	ledgerFlag(command, &f.query.Ledger, ledger.DefaultLedger)
	generationFlag(command, &f.query.Generation)
}

// read reads the period and the time.
func (f *restatedFlags) read() error {
	var err error
	if f.zone, err = zoneOf(f.tz); err != nil {
		return err
	}
	switch {
	case f.closed == "":
		return usagef("--closed says when the period was closed: a day such as 2011-04-01, or a time such as 2011-04-01T18:00:00Z")
	case f.query.Stream != "" && !slices.Contains(revenueStreams(), f.query.Stream):
		return usagef("--stream is one of %s, not %q", strings.Join(revenueStreams(), ", "), f.query.Stream)
	case f.limit < 1:
		return usagef("--limit counts from 1")
	}
	if f.query.ClosedAt, err = parseInstant("--closed", f.closed, f.zone); err != nil {
		return err
	}
	if f.query.From, f.query.Until, err = f.period(); err != nil {
		return err
	}
	if !f.query.From.Before(f.query.Until) {
		return usagef("--to %s is before --from %s", f.to, f.from)
	}
	return nil
}

// period is where the period begins and ends; exactly one way to say it is used.
func (f *restatedFlags) period() (from, until time.Time, err error) {
	given := 0
	for _, way := range []string{f.day, f.month, f.year, f.from + f.to} {
		if way != "" {
			given++
		}
	}
	if given != 1 || (f.from == "") != (f.to == "") {
		return from, until, usagef("say the period by one of --day, --month, --year, or by --from and --to")
	}
	for _, way := range []struct {
		flag, first, last, layout, example string
		years, months, days                int
	}{
		{"--day", f.day, f.day, time.DateOnly, "2011-03-31", 0, 0, 1},
		{"--month", f.month, f.month, "2006-01", "2011-03", 0, 1, 0},
		{"--year", f.year, f.year, "2006", "2011", 1, 0, 0},
		{"--from and --to", f.from, f.to, time.DateOnly, "2011-03-31", 0, 0, 1},
	} {
		if way.first == "" {
			continue
		}
		var last time.Time
		if from, err = time.ParseInLocation(way.layout, way.first, f.zone); err == nil {
			last, err = time.ParseInLocation(way.layout, way.last, f.zone)
		}
		if err != nil {
			return from, until, usagef("%s: want one such as %s", way.flag, way.example)
		}
		until = last.AddDate(way.years, way.months, way.days)
	}
	return from.UTC(), until.UTC(), nil
}

// named is the period for people.
func (f *restatedFlags) named() string {
	name := f.day + f.month + f.year
	if f.from != "" {
		name = f.from + " to " + f.to
	}
	if f.zone != time.UTC {
		name += " in " + f.zone.String()
	}
	return name
}

func (a *app) restated(ctx context.Context, conn clickhouse.Conn, flags *restatedFlags) error {
	if flags.query.ClosedAt.Before(flags.query.Until) {
		a.notef("%s was not over when it was closed: what came after that is told as late", flags.named())
	}
	var err error
	if flags.query.Generation, err = revenue.Shown(ctx, conn, flags.query.Generation); err != nil {
		return err
	}
	found, err := revenue.Restate(ctx, conn, flags.query)
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printRestatedJSON(ctx, conn, found, flags.events)
	}
	closed := zonedTime(flags.query.ClosedAt, flags.zone)
	switch {
	case len(found.Changed)+found.Unchanged == 0:
		a.notef("there is no such revenue in %s, nor was there any at %s", flags.named(), closed)
		return nil
	case len(found.Changed) == 0:
		a.notef("nothing changed in %s since %s: no event of that time was recorded later (%s)", flags.named(), closed,
			countOf(int64(found.Unchanged), "figure"))
		return nil
	}
	if err := a.printf("%s, closed at %s\n%s", flags.named(), closed, restatedTable(found.Changed).String()); err != nil {
		return err
	}
	if found.Unchanged > 0 {
		a.notef("%s did not change", countOf(int64(found.Unchanged), "other figure"))
	}
	if !flags.events {
		return nil
	}
	return a.printLateEvents(ctx, conn, found, flags)
}

func (a *app) printRestatedJSON(ctx context.Context, conn clickhouse.Conn, found *revenue.Restatement, events bool) error {
	for i := range found.Changed {
		if err := a.printJSON(struct {
			revenue.Restated

			Kind string `json:"kind"`
		}{found.Changed[i], "restated"}); err != nil {
			return err
		}
	}
	if !events {
		return nil
	}
	return found.Events(ctx, conn, func(event *revenue.LateEvent) error {
		return a.printJSON(struct {
			*revenue.LateEvent

			Kind string `json:"kind"`
		}{event, "event"})
	})
}

// restatedTable has a line for each figure, and below it one for each type of event that came since.
func restatedTable(changed []revenue.Restated) *table {
	figures := newFigures()
	for i := range changed {
		c := &changed[i]
		figures.see(c.AssetCode, c.NetThen, c.NetNow, c.Difference)
		for _, why := range c.Why {
			figures.see(c.AssetCode, why.Net)
		}
	}
	listed := newTable("STREAM", "OWNER", "ASSET", ".NET THEN", ".NET NOW", ".DIFFERENCE", "WHY")
	for i := range changed {
		c := &changed[i]
		show := func(amount string) string { return figures.show(c.AssetCode, amount) }
		why := make([]string, len(c.Why))
		for n, late := range c.Why {
			why[n] = count(late.Events) + " " + shortType(late.Type)
		}
		if len(why) == 1 {
			listed.row(c.Stream, c.Owner, c.AssetCode, show(c.NetThen), show(c.NetNow), signed(show(c.Difference)), why[0])
			continue
		}
		listed.row(c.Stream, c.Owner, c.AssetCode, show(c.NetThen), show(c.NetNow), signed(show(c.Difference)),
			countOf(c.EventsNow-c.EventsThen, "event"))
		for n, late := range c.Why {
			listed.row("", "", "", "", "", signed(show(late.Net)), "  "+why[n])
		}
	}
	return listed
}

func (a *app) printLateEvents(ctx context.Context, conn clickhouse.Conn, found *revenue.Restatement, flags *restatedFlags) error {
	var events []revenue.LateEvent
	figures := newFigures()
	total := 0
	err := found.Events(ctx, conn, func(event *revenue.LateEvent) error {
		total++
		if total <= flags.limit {
			events = append(events, *event)
			figures.see(event.AssetCode, event.Net)
		}
		return nil
	})
	if err != nil {
		return err
	}
	listed := newTable("RECORDED", "OCCURRED", "EVENT", "OWNER", ".NET", "ASSET", "POSITION")
	for i := range events {
		e := &events[i]
		local := func(t time.Time) string { return t.In(flags.zone).Format(time.DateTime) }
		listed.row(local(e.RecordedAt), local(e.OccurredAt), shortType(e.Type), e.Owner, signed(figures.show(e.AssetCode, e.Net)),
			e.AssetCode, e.Position.String())
	}
	if err := a.printf("\n%s", listed.String()); err != nil {
		return err
	}
	if total > len(events) {
		a.notef("%s", fmt.Sprintf("… and %s more: --limit shows them", count(int64(total-len(events)))))
	}
	return nil
}
