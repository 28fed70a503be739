package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receivers"
)

func newGetReceiverCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "receiver [ID]",
		Short: "Show a receiver and the payments to it, or a merchant's receivers",
		Long: `Shows what a receiver waits for and what has come, with each payment on the chain; or the receivers that a merchant
created, the latest first.`,
		Example: `  tributary get receiver rcv-1042
  tributary get receiver --merchant acme --limit 20
  tributary get receiver rcv-1042 --json | jq '.payments[] | select(.late)'`,
	}
	byIDOrMerchant(command, "receiver", a.getReceiver)
	a.jsonFlag(command, `an object of ledger, receiver_id, state, merchant_id, chain, address, asset_code, amount_due, pending,
confirmed, amount_fiat, fiat_code, base_fiat, callback_url, expires_at, created_at, updated_at, payments (txid, vout,
state, asset_code, amount, instant_locked, detected_at, confirmed_at, late, …); with --merchant one a line, without
payments`)
	return command
}

// receiverWithPayments is a receiver as --json prints it.
type receiverWithPayments struct {
	receivers.Receiver

	Payments []receivers.Payment `json:"payments"`
}

func (a *app) getReceiver(ctx context.Context, which chosen) error {
	return a.withGeneration(ctx, receivers.Name, which.generation, func(db postgres.Querier) error {
		if which.id == "" {
			return a.listReceivers(ctx, db, which)
		}
		receiver, err := receivers.Get(ctx, db, which.ledger, which.id)
		if err != nil {
			return noSuch("receiver", which.id, which.ledger, err)
		}
		payments, err := receivers.ListPayments(ctx, db, which.ledger, which.id)
		if err != nil {
			return err
		}
		if a.asJSON {
			return a.printJSON(receiverWithPayments{receiver, notNil(payments)})
		}
		return a.printReceiver(&receiver, payments)
	})
}

func (a *app) listReceivers(ctx context.Context, db postgres.Querier, which chosen) error {
	found, err := receivers.List(ctx, db, which.ledger, which.merchant, nil, which.limit+1)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		a.notef("the books have no receivers of %s in ledger %s", which.merchant, which.ledger)
		return nil
	}
	return printPage(a, found, which.limit, receiverTable)
}

func receiverTable(rows []receivers.Receiver) *table {
	figures := newFigures()
	for i := range rows {
		r := &rows[i]
		figures.see(text(r.AssetCode), text(r.AmountDue), r.Pending, r.Confirmed)
	}
	listed := newTable("CREATED", "RECEIVER", "STATE", "CHAIN", ".DUE", ".PENDING", ".CONFIRMED", "ASSET")
	for i := range rows {
		r := &rows[i]
		show := func(amount string) string { return figures.show(text(r.AssetCode), amount) }
		listed.row(strings.TrimSuffix(when(r.CreatedAt), " UTC"), r.ReceiverID, r.State, text(r.Chain),
			show(text(r.AmountDue)), show(r.Pending), show(r.Confirmed), text(r.AssetCode))
	}
	return listed
}

func (a *app) printReceiver(r *receivers.Receiver, payments []receivers.Payment) error {
	figures, asset, fiat := newFigures(), text(r.AssetCode), text(r.FiatCode)
	figures.see(asset, text(r.AmountDue), r.Pending, r.Confirmed)
	figures.see(fiat, text(r.AmountFiat))
	var c card
	c.add("receiver", r.ReceiverID)
	c.add("state", r.State)
	c.add("due", money(figures, asset, text(r.AmountDue)))
	c.add("pending", money(figures, asset, r.Pending))
	c.add("confirmed", money(figures, asset, r.Confirmed))
	c.add("price", money(figures, fiat, text(r.AmountFiat)))
	c.add("rate", text(r.BaseFiat))
	c.add("merchant", text(r.MerchantID))
	c.add("chain", text(r.Chain))
	c.add("address", text(r.Address))
	c.add("callback", text(r.CallbackURL))
	c.add("created", when(r.CreatedAt))
	c.add("expires", when(r.ExpiresAt))
	c.add("updated", when(&r.UpdatedAt))
	if err := a.printf("%s", &c); err != nil || len(payments) == 0 {
		return err
	}
	return a.printf("\n%s", receiverPaymentTable(payments))
}

func receiverPaymentTable(payments []receivers.Payment) *table {
	figures := newFigures()
	for i := range payments {
		figures.see(payments[i].AssetCode, payments[i].Amount)
	}
	listed := newTable("DETECTED", "STATE", ".AMOUNT", "ASSET", "LATE", ".VOUT", "TXID")
	for i := range payments {
		p := &payments[i]
		late := ""
		if p.Late {
			late = "late"
		}
		listed.row(strings.TrimSuffix(when(p.DetectedAt), " UTC"), p.State, figures.show(p.AssetCode, p.Amount), p.AssetCode, late,
			strconv.FormatInt(p.Vout, 10), p.TxID)
	}
	return listed.fit(tableWidth)
}
