package main

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// moments are of when an answer is: of event time and of recorded time; zero where it is of now.
type moments struct {
	atText, knownText, tz string
	at, known             time.Time
	zone                  *time.Location
}

const asOfHelp = `
--at counts what had occurred by then, by the events' own times; a day counts whole. --known-at counts what was in the log by
then, whatever it says of when it happened: a day is the moment at which it begins. Together: what was known then of what had
happened until then. Days and times without a zone are of --tz.`

// addTo adds the flags; known is what --known-at is of.
func (m *moments) addTo(command *cobra.Command, withZone bool) {
	set := command.Flags()
	set.StringVar(&m.atText, "at", "", "as of a day's end or a time, by when events occurred")
	addKnownAt(command, &m.knownText)
	if withZone {
		set.StringVar(&m.tz, "tz", "UTC", "of times that name none")
	}
}

func addKnownAt(command *cobra.Command, text *string) {
	command.Flags().StringVar(text, "known-at", "", "as known at a day's start or a time, by when events were recorded")
}

// read reads the flags.
func (m *moments) read() error {
	var err error
	if m.zone, err = zoneOf(m.tz); err != nil {
		return err
	}
	if m.at, err = parseUntil("--at", m.atText, m.zone); err != nil {
		return err
	}
	m.known, err = parseInstant("--known-at", m.knownText, m.zone)
	return err
}

func (m *moments) isZero() bool { return m.at.IsZero() && m.known.IsZero() }

func (m *moments) asOf() balances.AsOf { return balances.AsOf{At: m.at, KnownAt: m.known} }

// described says of when the answer is, such as " at 2026-03-31 23:59:59.999999 UTC, as known at 2026-04-01 00:00:00 UTC".
func (m *moments) described() string {
	var parts []string
	if !m.at.IsZero() {
		parts = append(parts, "at "+zonedTime(m.at, m.zone))
	}
	if !m.known.IsZero() {
		parts = append(parts, "as known at "+zonedTime(m.known, m.zone))
	}
	return strings.Join(parts, ", ")
}

// zonedTime is a time to the microsecond, without a fraction that is none.
func zonedTime(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04:05.999999 MST")
}

func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || !ledger.IsTimeZone(name) {
		return nil, usagef("there is no time zone %q%s", name, zoneMeant(name))
	}
	return zone, nil
}

// parseInstant reads a moment; a day is when it begins.
func parseInstant(flag, text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := ledger.ParseTime(text); err == nil {
		return at, nil
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at.UTC().Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, usagef("%s is %q: want a day such as 2026-03-31, or a time such as 2026-03-31T14:00:00Z", flag, text)
}

// parseUntil reads the last moment that counts; a day counts whole.
func parseUntil(flag, text string, zone *time.Location) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Microsecond).UTC(), nil
	}
	return parseInstant(flag, text, zone)
}

// withGeneration runs a read of a projection's generation in one snapshot; 0 is the live one.
func (a *app) withGeneration(
	ctx context.Context, projection string, generation int32, read func(postgres.Querier) error,
) error {
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		tx, err := postgres.BeginSnapshot(ctx, pool)
		if err != nil {
			return err
		}
		defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // It was only read.
		if generation != 0 {
			if err := postgres.Show(ctx, tx, projection, generation); err != nil {
				return err
			}
		}
		return read(tx)
	})
}

// generationFlag adds --generation.
func generationFlag(command *cobra.Command, generation *int32) {
	command.Flags().Int32Var(generation, "generation", 0, "look in this generation of the tables (default the live one)")
	run := command.RunE
	command.RunE = func(command *cobra.Command, args []string) error {
		if command.Flags().Changed("generation") && *generation < 1 {
			return usagef("--generation counts from 1")
		}
		return run(command, args)
	}
}

// presentOnly adds --at and --known-at, hidden, where there is no answer to them, to say so.
func presentOnly(command *cobra.Command, what string) {
	var at, known string
	command.Flags().StringVar(&at, "at", "", "")
	command.Flags().StringVar(&known, "known-at", "", "")
	_ = command.Flags().MarkHidden("at")
	_ = command.Flags().MarkHidden("known-at")
	run := command.RunE
	command.RunE = func(command *cobra.Command, args []string) error {
		if at != "" || known != "" {
			return usagef(`%s are told as they are now: --at and --known-at are for balances and revenue; "tributary story" tells `+
				`each fact and its time`, what)
		}
		return run(command, args)
	}
}
