package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/projections/postgres"
)

func newGetCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "get",
		Short: "Show balances, receipts, payments, receivers and revenue",
		Long:  `Answers questions from the books, as tables for people or, with --json, for programs.`,
		Example: `  tributary get balance merchant:acme:payable
  tributary get receipt rcpt-1007 --json | jq -r .amount
  tributary get receiver --merchant acme
  tributary get revenue --by month --owner acme --tz Europe/Paris`,
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newGetBalanceCommand(a), newGetReceiptCommand(a), newGetPaymentCommand(a), newGetReceiverCommand(a),
		newGetRevenueCommand(a))
	return command
}

// ledgerFlag adds --ledger.
func ledgerFlag(command *cobra.Command, ledger *string, fallback string) {
	usage := "the books to look in"
	if fallback == "" {
		usage += " (default all)"
	}
	command.Flags().StringVar(ledger, "ledger", fallback, usage)
}

// withBooks runs a read of the books, and says what to do where there are none.
func (a *app) withBooks(ctx context.Context, read func(*pgxpool.Pool) error) error {
	pool, err := a.openPostgres(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	return explainTables(read(pool))
}

// noSuch is the answer where the books have no such thing: no, and what may be why.
func noSuch(what, id, ledger string, err error) error {
	if !errors.Is(err, postgres.ErrNotFound) {
		return err
	}
	where := ""
	if ledger != "" {
		where = " in ledger " + ledger
	}
	return fmt.Errorf(`the books have no %s %q%s; if it was published a moment ago, "tributary status" tells who is behind`, what, id, where)
}
