package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// revenueFlags say which revenue is shown.
type revenueFlags struct {
	by, tz                                      string
	ledger, stream, owner, pointer, post, asset string
	year                                        int
	fromText, toText                            string
	from, to                                    time.Time // days, both included; zero where not given
	zone                                        *time.Location
	knownText                                   string
	known                                       time.Time
	generation                                  int32
}

func revenueStreams() []string { return []string{"payments", "receivers", "monetization"} }

func newGetRevenueCommand(a *app) *cobra.Command {
	var flags revenueFlags
	command := &cobra.Command{
		Use:   "revenue",
		Short: "Show revenue by hour, day, month, day of week or day of year, in any time zone",
		Long: `Shows what came in, for each period: gross, refunds, fees and net (gross less refunds less fees), and a bar of the net. Each
asset stands apart: currencies are never added up. Periods in which nothing happened are told as gaps.

An owner is a merchant (streams payments and receivers) or a site (stream monetization); a pointer is the payment provider,
the chain, or the site's payment pointer.

--known-at counts what was in the log by then: late events and refunds that came since are left out. A day is the moment at
which it begins, in the zone of --tz.`,
		Example: `  tributary get revenue
  tributary get revenue --by day --owner acme --tz Asia/Kolkata --from 2026-03-01 --to 2026-03-31
  tributary get revenue --by day_of_week --stream monetization --year 2026
  tributary get revenue --owner acme --known-at 2026-04-01
  tributary get revenue --by hour --post hello-world --json | jq -r '[.hour, .net] | @tsv'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, _ []string) error {
			return a.getRevenueOf(command.Context(), flags)
		},
	}
	flags.add(command)
	a.jsonFlag(command, `an object a line: hour, day, year and month, year and day_of_week (1 is Monday), or year and
day_of_year; asset_code, gross, refunds, fees, net (decimals, as strings), events; periods without events are left out`)
	return command
}

// add adds the flags that choose revenue.
func (f *revenueFlags) add(command *cobra.Command) {
	set := command.Flags()
	set.StringVar(&f.by, "by", byMonth, strings.Join(allPeriods(), ", "))
	set.StringVar(&f.tz, "tz", "UTC", "the time zone in which days begin, such as Europe/Paris")
	set.StringVar(&f.stream, "stream", "", "only "+strings.Join(revenueStreams(), ", or "))
	set.StringVar(&f.owner, "owner", "", "only this merchant's or site's")
	set.StringVar(&f.pointer, "pointer", "", "only what came by this provider, chain or payment pointer")
	set.StringVar(&f.post, "post", "", "only this post's")
	set.StringVar(&f.asset, "asset", "", "only this asset, such as EUR")
	set.IntVar(&f.year, "year", 0, "only this year")
	addKnownAt(command, &f.knownText)
	generationFlag(command, &f.generation)
	set.StringVar(&f.fromText, "from", "", "from this day on, such as 2026-03-01")
	set.StringVar(&f.toText, "to", "", "up to this day, which is included")
	ledgerFlag(command, &f.ledger, ledger.DefaultLedger)
	complete := func(values ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	}
	_ = command.RegisterFlagCompletionFunc("by", complete(allPeriods()...))
	_ = command.RegisterFlagCompletionFunc("stream", complete(revenueStreams()...))
	_ = command.RegisterFlagCompletionFunc("tz", complete(ledger.TimeZones()...))
}

// check refuses what cannot be meant, and reads days and zone.
func (f *revenueFlags) check() error {
	if !slices.Contains(allPeriods(), f.by) {
		return usagef("--by is one of %s, not %q", strings.Join(allPeriods(), ", "), f.by)
	}
	if f.stream != "" && !slices.Contains(revenueStreams(), f.stream) {
		return usagef("--stream is one of %s, not %q", strings.Join(revenueStreams(), ", "), f.stream)
	}
	var err error
	if f.zone, err = zoneOf(f.tz); err != nil {
		return err
	}
	if f.known, err = parseInstant("--known-at", f.knownText, f.zone); err != nil {
		return err
	}
	const firstYear, lastYear = 1970, 2105
	if f.year != 0 && (f.year < firstYear || f.year > lastYear) {
		return usagef("--year is between %d and %d, not %d", firstYear, lastYear, f.year)
	}
	for _, day := range []struct {
		name, text string
		at         *time.Time
	}{{"--from", f.fromText, &f.from}, {"--to", f.toText, &f.to}} {
		if day.text == "" {
			continue
		}
		if *day.at, err = time.ParseInLocation(time.DateOnly, day.text, f.zone); err != nil {
			return usagef("%s is %q: want a day such as 2026-03-01", day.name, day.text)
		}
	}
	if !f.from.IsZero() && !f.to.IsZero() && f.to.Before(f.from) {
		return usagef("--to %s is before --from %s", f.toText, f.fromText)
	}
	return nil
}

// revenueRow is the revenue of a period in one asset, as --json prints it; of the fields that name the period some are left out.
type revenueRow revenue.Row

// period is the row's.
func (r *revenueRow) period(zone *time.Location) period {
	switch {
	case r.Hour != nil:
		return period{byHour, r.Hour.In(zone)}
	case r.Day != "":
		day, _ := time.ParseInLocation(time.DateOnly, r.Day, time.UTC) // a date of ClickHouse's
		return period{byDay, day}
	case r.Month > 0:
		return period{byMonth, time.Date(r.Year, time.Month(r.Month), 1, 0, 0, 0, 0, time.UTC)}
	case r.DayOfWeek > 0:
		return period{byDayOfWeek, weekdayOf(r.Year, r.DayOfWeek, time.UTC)}
	default:
		return period{byDayOfYear, time.Date(r.Year, time.January, r.DayOfYear, 0, 0, 0, 0, time.UTC)}
	}
}

// getRevenueOf checks the question, and answers it.
func (a *app) getRevenueOf(ctx context.Context, flags revenueFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	return a.getRevenue(ctx, flags)
}

func (a *app) getRevenue(ctx context.Context, flags revenueFlags) error {
	return a.withClickHouse(ctx, func(conn clickhouse.Conn) error {
		var err error
		if flags.generation, err = revenue.Shown(ctx, conn, flags.generation); err != nil {
			return err
		}
		rows, err := readRevenue(ctx, conn, flags)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return a.noRevenue(ctx, conn, flags)
		}
		if !a.asJSON {
			return a.printRevenue(rows, flags)
		}
		for i := range rows {
			if err := a.printJSON(rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// noRevenue says what is not there, and what was perhaps meant.
func (a *app) noRevenue(ctx context.Context, conn clickhouse.Conn, flags revenueFlags) error {
	for _, named := range []struct{ column, name, value string }{
		{"owner", "owner", flags.owner},
		{"post_id", "post", flags.post},
		{"pointer", "pointer", flags.pointer},
		{"asset_code", "asset", flags.asset},
		{"ledger", "ledger", flags.ledger},
	} {
		if named.value == "" {
			continue
		}
		known, err := namesIn(ctx, conn, named.column)
		if err != nil {
			return err
		}
		nothingYet := named.column == "ledger" && named.value == ledger.DefaultLedger && len(known) == 0
		if !nothingYet && !slices.Contains(known, named.value) {
			return fmt.Errorf(`there is no revenue of %s %q%s`, named.name, named.value, orAny(didYouMean(named.value, known), known))
		}
	}
	what := "revenue"
	if flags.asset != "" {
		what = "revenue in " + flags.asset
	}
	a.notef("there is no %s%s", what, flags.described())
	return nil
}

// orAny lists what there is, where nothing comes near what was typed.
func orAny(near string, known []string) string {
	const few = 10
	switch {
	case near != "":
		return near
	case len(known) == 0:
		return ": there is none of anybody yet"
	case len(known) <= few:
		return "; there is some of " + strings.Join(known, ", ")
	default:
		return ""
	}
}

// described is the question without its asset, for the end of a heading.
func (f *revenueFlags) described() string {
	var parts []string
	for _, part := range []string{f.owner, f.stream, f.pointer, f.post} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if f.ledger != ledger.DefaultLedger {
		parts = append(parts, "in ledger "+f.ledger)
	}
	if f.year != 0 {
		parts = append(parts, strconv.Itoa(f.year))
	}
	if f.fromText != "" {
		parts = append(parts, "from "+f.fromText)
	}
	if f.toText != "" {
		parts = append(parts, "to "+f.toText)
	}
	if !f.known.IsZero() {
		parts = append(parts, "as known at "+zonedTime(f.known, f.zone))
	}
	if f.generation != 0 {
		parts = append(parts, fmt.Sprintf("in generation %d", f.generation))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}
