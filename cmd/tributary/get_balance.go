package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// balanceFlags say which balances are shown.
type balanceFlags struct {
	asset, ledger string
	limit         int
	entries       bool
	moments       moments
	generation    int32
}

func newGetBalanceCommand(a *app) *cobra.Command {
	var flags balanceFlags
	command := &cobra.Command{
		Use:   "balance [ACCOUNT | PREFIX:…]",
		Short: "Show balances, or the entries behind one",
		Long: `Shows the balances of an account, or of all accounts that begin with a prefix; with no name, of all. A name that ends
with a colon or an asterisk is a prefix.
` + asOfHelp,
		Example: `  tributary get balance merchant:acme:payable
  tributary get balance merchant:
  tributary get balance merchant:acme:payable --entries --limit 20
  tributary get balance merchant:acme:payable --at 2026-03-31 --known-at 2026-04-01
  tributary get balance --json | jq -r 'select(.asset_code == "EUR") | [.account, .balance] | @tsv'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, args []string) error {
			if flags.limit < 1 {
				return usagef("--limit counts from 1")
			}
			if err := flags.moments.read(); err != nil {
				return err
			}
			return a.getBalance(command.Context(), strings.Join(args, ""), flags)
		},
	}
	command.Flags().StringVar(&flags.asset, "asset", "", "only this asset, such as EUR")
	command.Flags().IntVar(&flags.limit, "limit", 100, "show at most so many lines") //nolint:mnd // a screenful or two
	command.Flags().BoolVar(&flags.entries, "entries", false, "show the account's entries, the latest first, instead")
	flags.moments.addTo(command, true)
	generationFlag(command, &flags.generation)
	ledgerFlag(command, &flags.ledger, "")
	a.jsonFlag(command, `an object a line: ledger, account, asset_code, debits, credits, balance (decimals, as strings);
with --entries event_id, entry, ledger, account, asset_code, direction, amount, occurred_at, recorded_at, event_type,
reference, topic, partition, kafka_offset`)
	return command
}

func (a *app) getBalance(ctx context.Context, name string, flags balanceFlags) error {
	filter := balances.Filter{
		Account: name, Ledger: flags.ledger, Asset: flags.asset, Limit: flags.limit + 1, AsOf: flags.moments.asOf(),
	}
	prefix, starred := strings.CutSuffix(name, "*")
	if starred || strings.HasSuffix(name, ":") {
		filter.Account, filter.Prefix = "", prefix
	}
	if flags.entries {
		if filter.Account == "" {
			return usagef("--entries wants one account, not a prefix")
		}
		return a.withGeneration(ctx, balances.Name, flags.generation, func(db postgres.Querier) error {
			return a.listEntries(ctx, db, name, flags)
		})
	}
	return a.withGeneration(ctx, balances.Name, flags.generation, func(db postgres.Querier) error {
		return a.listBalances(ctx, db, filter, flags)
	})
}

func (a *app) listBalances(ctx context.Context, db postgres.Querier, filter balances.Filter, flags balanceFlags) error {
	found, err := balances.List(ctx, db, filter)
	if err != nil {
		return err
	}
	if len(found) == 0 && !flags.moments.isZero() {
		return a.noBalancesThen(ctx, db, filter, &flags.moments)
	}
	if len(found) == 0 {
		return a.noBalances(ctx, db, filter)
	}
	if !flags.moments.isZero() {
		a.notef("balances %s", flags.moments.described())
	}
	return printPage(a, found, flags.limit, balanceTable)
}

// noBalancesThen tells what there was not yet from what there is not now either.
func (a *app) noBalancesThen(ctx context.Context, db postgres.Querier, filter balances.Filter, when *moments) error {
	filter.AsOf = balances.AsOf{}
	now, err := balances.List(ctx, db, filter)
	switch {
	case err != nil:
		return err
	case len(now) == 0:
		return a.noBalances(ctx, db, filter)
	case filter.Account != "":
		return fmt.Errorf("%q had no entries %s", filter.Account, when.described())
	default:
		a.notef("there were no %s %s", sought(filter), when.described())
		return nil
	}
}

// noBalances says what is not there, and what was perhaps meant.
func (a *app) noBalances(ctx context.Context, db postgres.Querier, filter balances.Filter) error {
	upper, below := filter, filter
	upper.Asset = strings.ToUpper(filter.Asset)
	below.Account, below.Prefix = "", filter.Account+":"
	hint := "; \"tributary get balance\" lists what they have"
	for _, other := range []struct {
		balances.Filter

		meant string
		asked bool
	}{
		{upper, "--asset " + upper.Asset, upper.Asset != filter.Asset},
		{below, below.Prefix, filter.Account != ""},
	} {
		if !other.asked {
			continue
		}
		other.Limit = 1
		found, err := balances.List(ctx, db, other.Filter)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			hint = fmt.Sprintf(": did you mean %q?", other.meant)
			break
		}
	}
	switch {
	case filter.Account != "":
		return fmt.Errorf("the books have no account %q%s%s", filter.Account,
			sought(balances.Filter{Asset: filter.Asset, Ledger: filter.Ledger})[len("accounts"):], hint)
	case filter.Prefix != "":
		return fmt.Errorf("the books have no %s%s", sought(filter), hint)
	case filter.Asset != upper.Asset && strings.HasPrefix(hint, ":"):
		a.notef("the books have no %s%s", sought(filter), hint)
	default:
		a.notef("the books have no %s", sought(filter))
	}
	return nil
}

// sought describes the balances that a list without an account's name was to show.
func sought(filter balances.Filter) string {
	words := "accounts"
	if filter.Prefix != "" {
		words += fmt.Sprintf(" that begin with %q", filter.Prefix)
	}
	if filter.Asset != "" {
		words += " in " + filter.Asset
	}
	if filter.Ledger != "" {
		words += " in ledger " + filter.Ledger
	}
	return words
}

// printPage prints at most limit rows, as JSON lines or as a table, and says when there are more.
func printPage[T any](a *app, rows []T, limit int, lay func([]T) *table) error {
	more := len(rows) > limit
	rows = rows[:min(len(rows), limit)]
	if a.asJSON {
		for i := range rows {
			if err := a.printJSON(rows[i]); err != nil {
				return err
			}
		}
	} else if err := a.printTable(lay(rows)); err != nil {
		return err
	}
	if more {
		a.notef("… and more: --limit shows them")
	}
	return nil
}

func balanceTable(rows []balances.Balance) *table {
	manyLedgers := false
	figures := newFigures()
	for _, b := range rows {
		manyLedgers = manyLedgers || b.Ledger != rows[0].Ledger
		figures.see(b.AssetCode, b.Debits, b.Credits, b.Balance)
	}
	headers := []string{"ACCOUNT", ".DEBITS", ".CREDITS", ".BALANCE", "ASSET"}
	if manyLedgers {
		headers = append(headers, "LEDGER")
	}
	listed := newTable(headers...)
	for _, b := range rows {
		show := func(decimal string) string { return figures.show(b.AssetCode, decimal) }
		listed.row(b.Account, show(b.Debits), show(b.Credits), show(b.Balance), b.AssetCode, b.Ledger)
	}
	return listed
}

func (a *app) listEntries(ctx context.Context, db postgres.Querier, account string, flags balanceFlags) error {
	found, err := balances.Entries(ctx, db, balances.EntryFilter{
		Account: account, Ledger: flags.ledger, Asset: flags.asset, Limit: flags.limit + 1, AsOf: flags.moments.asOf(),
	})
	if err != nil {
		return err
	}
	if len(found) == 0 && !flags.moments.isZero() {
		return fmt.Errorf("the books have no entries of %q %s", account, flags.moments.described())
	}
	if len(found) == 0 {
		return fmt.Errorf("the books have no entries of %q; \"tributary get balance\" lists the accounts they have", account)
	}
	return printPage(a, found, flags.limit, entryTable)
}

func entryTable(rows []balances.Entry) *table {
	figures := newFigures()
	for i := range rows {
		figures.see(rows[i].AssetCode, rows[i].Amount)
	}
	listed := newTable("OCCURRED", "EVENT", "REFERENCE", ".DEBIT", ".CREDIT", "ASSET", "POSITION")
	for i := range rows {
		e := &rows[i]
		debit, credit := figures.show(e.AssetCode, e.Amount), ""
		if e.Direction == "credit" {
			debit, credit = credit, debit
		}
		listed.row(shortTime(e.OccurredAt), shortType(e.EventType), e.Reference, debit, credit, e.AssetCode, e.Position().String())
	}
	return listed
}

// shortTime is a time as tables show it, in UTC.
func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// shortType is an event's type without what all types have in common: payment.posted.
func shortType(eventType string) string {
	short, ours := strings.CutPrefix(eventType, "tributary.")
	if !ours {
		return eventType
	}
	return strings.TrimSuffix(short, ".v1")
}
