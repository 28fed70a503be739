package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/evidence"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

func newExplainCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "explain",
		Short: "Show the events behind a balance, a receipt or revenue, adding up to it",
		Long: `Lists the events that a figure was made from, reads each of them back from the log at its position, adds them up by the
rules, and holds the sum against what the tables say. Where the two differ it says where, and exits with 1.

"tributary verify" proves whole tables, and finds events that they lack; this proves one figure, in a moment.`,
		Example: `  tributary explain balance merchant:acme:payable EUR
  tributary explain receipt rcpt-1007
  tributary explain revenue --by day --owner acme --from 2026-03-02 --to 2026-03-02`,
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newExplainBalanceCommand(a), newExplainReceiptCommand(a), newExplainRevenueCommand(a))
	return command
}

// explained is how explanations are shown.
type explained struct {
	limit    int // of events; 0 is all
	from, to time.Time
	zone     *time.Location
	// running tells that the result is shown as it is after each event, not of each.
	running bool
	// generation is the one whose figures are explained; 0 is the live one.
	generation int32
	moments    moments
}

const explainedAsJSON = `objects, one a line. kind is event (position, event_id, type, reference, occurred_at, recorded_at, adds, and
disputed where the log says otherwise), opening, earlier or later (events and what they add together, where they are not
listed), or total (events, log, stored, agrees, differences, differences_total). Each has of, ledger and asset_code; adds, log
and stored are objects of decimals, as strings`

// explainFlags adds --limit and --json.
func (a *app) explainFlags(command *cobra.Command, how *explained) {
	const few, most = 40, 10_000
	command.Flags().IntVar(&how.limit, "limit", few, "list the latest so many, the others as one sum (--json: all)")
	a.jsonFlag(command, explainedAsJSON)
	run := command.RunE
	command.RunE = func(command *cobra.Command, args []string) error {
		switch {
		case a.asJSON && !command.Flags().Changed("limit"):
			how.limit = 0
		case how.limit < 1 || how.limit > most && !a.asJSON:
			return usagef("--limit is between 1 and %s; --json lists all", count(most))
		}
		return run(command, args)
	}
}

func newExplainBalanceCommand(a *app) *cobra.Command {
	how := explained{running: true, zone: time.UTC}
	var filter balances.Filter
	var from, to string
	command := &cobra.Command{
		Use:   "balance ACCOUNT [ASSET]",
		Short: "Show the events behind an account's balance",
		Long: `Lists what each event posted to the account, and the balance after it. With --from what came before is one line, the opening
balance; with --to what came after is one line, too: all of them always add up to the balance.

--at and --known-at explain what "tributary get balance" says with them.`,
		Example: `  tributary explain balance merchant:acme:payable
  tributary explain balance merchant:acme:payable EUR --from 2026-03-01 --limit 100
  tributary explain balance merchant:acme:payable --known-at 2026-04-01
  tributary explain balance platform:fees --json | jq -c 'select(.kind == "total")'`,
		Args:              cobra.RangeArgs(1, 2), //nolint:mnd // ACCOUNT and ASSET
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, args []string) error {
			filter.Account = args[0]
			if len(args) > 1 {
				filter.Asset = args[1]
			}
			var err error
			if how.from, err = parseMoment("--from", from); err != nil {
				return err
			}
			if how.to, err = parseEnd("--to", to); err != nil {
				return err
			}
			if err := how.moments.read(); err != nil {
				return err
			}
			filter.AsOf = how.moments.asOf()
			return a.explainBalance(command.Context(), filter, how)
		},
	}
	command.Flags().StringVar(&from, "from", "", "list events from then on: a day, such as 2026-03-01, or an RFC 3339 time")
	command.Flags().StringVar(&to, "to", "", "list events up to this day, which is included, or before an RFC 3339 time")
	how.moments.addTo(command, true)
	generationFlag(command, &how.generation)
	ledgerFlag(command, &filter.Ledger, "")
	a.explainFlags(command, &how)
	return command
}

// parseMoment reads a day of UTC, or a time.
func parseMoment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, usagef("%s is %q: want a day such as 2026-03-01, or a time such as 2026-03-01T14:00:00Z", flag, text)
}

// parseEnd reads where a range ends: before a time, or behind a day of UTC, which is so included.
func parseEnd(flag, text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	return parseMoment(flag, text)
}

func newExplainReceiptCommand(a *app) *cobra.Command {
	how := explained{zone: time.UTC}
	books := ""
	command := &cobra.Command{
		Use:   "receipt ID",
		Short: "Show the events behind a receipt",
		Long: `Lists the postings and refunds of the receipt's payment. Of several postings the last one counts; what an earlier one said
adds nothing.`,
		Example: `  tributary explain receipt rcpt-1007
  tributary explain receipt rcpt-1007 --json | jq -r 'select(.kind == "event") | .position'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, args []string) error {
			return a.explainReceipt(command.Context(), books, args[0], how)
		},
	}
	generationFlag(command, &how.generation)
	presentOnly(command, "receipts")
	ledgerFlag(command, &books, ledger.DefaultLedger)
	a.explainFlags(command, &how)
	return command
}

func newExplainRevenueCommand(a *app) *cobra.Command {
	how := explained{}
	var flags revenueFlags
	command := &cobra.Command{
		Use:   "revenue",
		Short: "Show the events behind revenue",
		Long: `Takes the flags of "tributary get revenue", and lists the events behind what that shows, asset by asset. The sums of all
periods that are chosen are held against the views, each by itself: choose the one that is in question by --from and --to.`,
		Example: `  tributary explain revenue --by day --owner acme --from 2026-03-02 --to 2026-03-02
  tributary explain revenue --by hour --post hello-world --tz Asia/Kolkata --asset USD
  tributary explain revenue --year 2026 --json | jq 'select(.kind == "event").adds.net'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			how.zone = flags.zone
			return a.explainRevenue(command.Context(), flags, how)
		},
	}
	flags.add(command)
	a.explainFlags(command, &how)
	return command
}

func (a *app) explainBalance(ctx context.Context, filter balances.Filter, how explained) error {
	const most = 1000 // assets of one account
	filter.Limit = most
	return a.explainBooks(ctx, balances.Name, how.generation, func(db pgx.Tx, log *eventlog.Lookup) error {
		figures, err := balances.Figures(ctx, db, filter)
		if err != nil {
			return err
		}
		if len(figures) == 0 && !how.moments.isZero() {
			return fmt.Errorf("%q had no entries %s", filter.Account, how.moments.described())
		}
		if len(figures) == 0 {
			return fmt.Errorf(`the books have no account %q%s; "tributary get balance" lists what they have`,
				filter.Account, sought(balances.Filter{Asset: filter.Asset, Ledger: filter.Ledger})[len("accounts"):])
		}
		for i := range figures {
			if !how.moments.isZero() {
				figures[i].Name += " " + how.moments.described()
			}
		}
		return a.explainAll(ctx, figures, log, how)
	})
}

func (a *app) explainReceipt(ctx context.Context, books, id string, how explained) error {
	return a.explainBooks(ctx, receipts.Name, how.generation, func(db pgx.Tx, log *eventlog.Lookup) error {
		figure, err := receipts.Figure(ctx, db, log, books, id)
		if err != nil {
			return noSuch("receipt", id, books, err)
		}
		return a.explainAll(ctx, []evidence.Figure{figure}, log, how)
	})
}

func (a *app) explainRevenue(ctx context.Context, flags revenueFlags, how explained) error {
	return a.withClickHouse(ctx, func(conn clickhouse.Conn) error {
		log, err := a.openLookup(ctx)
		if err != nil {
			return err
		}
		defer log.Close()
		if flags.generation, err = revenue.Shown(ctx, conn, flags.generation); err != nil {
			return err
		}
		figures, err := revenue.Figures(ctx, conn, flags.query())
		if err != nil {
			return err
		}
		if len(figures) == 0 {
			if err := a.noRevenue(ctx, conn, flags); err != nil {
				return err
			}
			return errNo
		}
		for i := range figures {
			figures[i].Name = "revenue by " + flags.by + flags.described()
		}
		return a.explainAll(ctx, figures, log, how)
	})
}

// openLookup is a lookup in a log that answers.
func (a *app) openLookup(ctx context.Context) (*eventlog.Lookup, error) {
	admin, err := a.openKafka(ctx)
	if err != nil {
		return nil, err
	}
	admin.Close()
	kafka, err := a.kafka(a.logger(slog.LevelError))
	if err != nil {
		return nil, err
	}
	return eventlog.NewLookup(kafka)
}

// explainBooks explains what is in Postgres, from one snapshot of it; at the end it says how far the projection is behind.
func (a *app) explainBooks(
	ctx context.Context, projection string, generation int32, explain func(pgx.Tx, *eventlog.Lookup) error,
) error {
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		log, err := a.openLookup(ctx)
		if err != nil {
			return err
		}
		defer log.Close()
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
		answer := explain(tx, log)
		if answer != nil && !errors.Is(answer, errNo) {
			return answer
		}
		if err := a.noteBehind(ctx, tx, projection); err != nil {
			return err
		}
		return answer
	})
}

// noteBehind says how much of the log a projection had still before it, as the snapshot has it: of that nothing is explained.
func (a *app) noteBehind(ctx context.Context, db pgx.Tx, projection string) error {
	rows, err := db.Query(ctx, `SELECT topic, "partition", next_offset FROM books.progress WHERE projection = $1`, projection)
	if err != nil {
		return fmt.Errorf("read how far %s is: %w", projection, err)
	}
	next := map[eventlog.TopicPartition]int64{}
	var at eventlog.TopicPartition
	var offset int64
	_, err = pgx.ForEachRow(rows, []any{&at.Topic, &at.Partition, &offset}, func() error {
		next[at] = offset
		return nil
	})
	if err != nil {
		return fmt.Errorf("read how far %s is: %w", projection, err)
	}
	ends, err := a.logEnds(ctx)
	if err != nil {
		return err
	}
	behind := int64(0)
	for _, definition := range definitions() {
		for p, end := range ends {
			if definition.Name == projection && slices.Contains(definition.Topics, p.Topic) {
				behind += max(0, end-next[p])
			}
		}
	}
	if behind > 0 {
		a.notef("%s has %s records of the log still before it; what it has is explained here", projection, count(behind))
	}
	return nil
}
