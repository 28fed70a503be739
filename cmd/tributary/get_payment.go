package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
)

func newGetPaymentCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "payment [ID]",
		Short: "Show a payment and its refunds, or a merchant's payments",
		Long: `Shows a payment as it is known, whatever the order in which its events came, with its refunds; or the posted payments of
a merchant, the latest first.`,
		Example: `  tributary get payment pay-1002
  tributary get payment --merchant acme --limit 20
  tributary get payment pay-1002 --json | jq '.refunds[] | [.refund_id, .state]'`,
	}
	byIDOrMerchant(command, "payment", a.getPayment)
	a.jsonFlag(command, `an object of ledger, payment_id, state, merchant_id, user_id, provider, payment_type, asset_code, amount,
refunded, disputed, receipt_id, transaction_id, started_at, posted_at, updated_at, refunds (refund_id, amount,
fee_returned, reason, state, occurred_at, …); with --merchant one a line, without refunds`)
	return command
}

// chosen says which payments or receivers are shown: the one with the id or, where that is empty, a merchant's.
type chosen struct {
	id, ledger, merchant string
	limit                int
	generation           int32
}

// byIDOrMerchant makes the command show one by its id, or list a merchant's.
func byIDOrMerchant(command *cobra.Command, thing string, show func(context.Context, chosen) error) {
	var which chosen
	command.Args, command.ValidArgsFunction = cobra.MaximumNArgs(1), noCompletion
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := oneOf(args, "a "+thing+"'s id", "--merchant", which.merchant, which.limit); err != nil {
			return err
		}
		which.id = strings.Join(args, "")
		return show(command.Context(), which)
	}
	command.Flags().StringVar(&which.merchant, "merchant", "", "list this merchant's "+thing+"s")
	command.Flags().IntVar(&which.limit, "limit", 50, "list at most so many") //nolint:mnd // a screenful
	ledgerFlag(command, &which.ledger, ledger.DefaultLedger)
	generationFlag(command, &which.generation)
	presentOnly(command, thing+"s")
}

// oneOf wants an id or the flag that lists, not both.
func oneOf(args []string, id, flag, value string, limit int) error {
	if (len(args) == 1) == (value != "") {
		return usagef("name %s, or list with %s", id, flag)
	}
	if limit < 1 {
		return usagef("--limit counts from 1")
	}
	return nil
}

// paymentWithRefunds is a payment as --json prints it.
type paymentWithRefunds struct {
	receipts.Payment

	Refunds []receipts.Refund `json:"refunds"`
}

func (a *app) getPayment(ctx context.Context, which chosen) error {
	return a.withGeneration(ctx, receipts.Name, which.generation, func(db postgres.Querier) error {
		if which.id == "" {
			return a.listPayments(ctx, db, which)
		}
		payment, err := receipts.GetPayment(ctx, db, which.ledger, which.id)
		if err != nil {
			return noSuch("payment", which.id, which.ledger, err)
		}
		refunds, err := receipts.ListRefunds(ctx, db, which.ledger, which.id)
		if err != nil {
			return err
		}
		if a.asJSON {
			return a.printJSON(paymentWithRefunds{payment, notNil(refunds)})
		}
		return a.printPayment(&payment, refunds)
	})
}

func (a *app) listPayments(ctx context.Context, db postgres.Querier, which chosen) error {
	found, err := receipts.ListPayments(ctx, db, which.ledger, which.merchant, nil, which.limit+1)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		a.notef("the books have no posted payments of %s in ledger %s", which.merchant, which.ledger)
		return nil
	}
	return printPage(a, found, which.limit, paymentTable)
}

func paymentTable(rows []receipts.Payment) *table {
	figures := newFigures()
	for i := range rows {
		p := &rows[i]
		figures.see(text(p.AssetCode), text(p.Amount), p.Refunded, p.Disputed)
	}
	listed := newTable("POSTED", "PAYMENT", "STATE", "USER", "PROVIDER", ".AMOUNT", ".REFUNDED", ".DISPUTED", "ASSET")
	for i := range rows {
		p := &rows[i]
		show := func(amount string) string { return figures.show(text(p.AssetCode), amount) }
		listed.row(strings.TrimSuffix(when(p.PostedAt), " UTC"), p.PaymentID, p.State, text(p.UserID), text(p.Provider),
			show(text(p.Amount)), show(p.Refunded), show(p.Disputed), text(p.AssetCode))
	}
	return listed
}

func (a *app) printPayment(p *receipts.Payment, refunds []receipts.Refund) error {
	figures, asset := newFigures(), text(p.AssetCode)
	figures.see(asset, text(p.Amount), p.Refunded, p.Disputed)
	var c card
	c.add("payment", p.PaymentID)
	c.add("state", p.State)
	c.add("amount", money(figures, asset, text(p.Amount)))
	c.add("refunded", money(figures, asset, p.Refunded))
	c.add("disputed", money(figures, asset, p.Disputed))
	c.add("merchant", text(p.MerchantID))
	c.add("user", text(p.UserID))
	c.add("provider", strings.TrimSpace(text(p.Provider)+" "+text(p.PaymentType)))
	c.add("transaction", text(p.TransactionID))
	c.add("receipt", text(p.ReceiptID))
	c.add("started", when(p.StartedAt))
	c.add("posted", when(p.PostedAt))
	c.add("updated", when(&p.UpdatedAt))
	if err := a.printf("%s", &c); err != nil || len(refunds) == 0 {
		return err
	}
	return a.printf("\n%s", refundTable(refunds))
}

func refundTable(refunds []receipts.Refund) *table {
	figures := newFigures()
	for i := range refunds {
		figures.see(text(refunds[i].AssetCode), text(refunds[i].Amount))
	}
	listed := newTable("REFUND", "STATE", ".AMOUNT", "ASSET", "OCCURRED", "REASON")
	for i := range refunds {
		r := &refunds[i]
		asset := text(r.AssetCode)
		listed.row(r.RefundID, r.State, figures.show(asset, text(r.Amount)), asset, r.OccurredAt.UTC().Format(time.DateTime), text(r.Reason))
	}
	return listed.fit(tableWidth)
}
