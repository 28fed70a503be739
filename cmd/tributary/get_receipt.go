package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
)

// receiptFlags say which receipts are shown.
type receiptFlags struct {
	ledger, user string
	limit        int
	generation   int32
}

func newGetReceiptCommand(a *app) *cobra.Command {
	var flags receiptFlags
	command := &cobra.Command{
		Use:   "receipt [ID]",
		Short: "Show a receipt with its lines, or a user's receipts",
		Example: `  tributary get receipt rcpt-1007
  tributary get receipt --user ana
  tributary get receipt rcpt-1007 --json | jq -r .amount`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, args []string) error {
			if err := oneOf(args, "a receipt's id", "--user", flags.user, flags.limit); err != nil {
				return err
			}
			return a.getReceipt(command.Context(), strings.Join(args, ""), flags)
		},
	}
	command.Flags().StringVar(&flags.user, "user", "", "list this user's receipts")
	command.Flags().IntVar(&flags.limit, "limit", 50, "list at most so many") //nolint:mnd // a screenful
	ledgerFlag(command, &flags.ledger, ledger.DefaultLedger)
	generationFlag(command, &flags.generation)
	presentOnly(command, "receipts")
	a.jsonFlag(command, `an object of ledger, receipt_id, payment_id, user_id, merchant_id, provider, payment_type, asset_code, amount,
fee, refunded, lines (sku, description, quantity, unit_price), issued_at, updated_at, version; with --user one a line`)
	return command
}

func (a *app) getReceipt(ctx context.Context, id string, flags receiptFlags) error {
	return a.withGeneration(ctx, receipts.Name, flags.generation, func(db postgres.Querier) error {
		if id == "" {
			return a.listReceipts(ctx, db, flags)
		}
		receipt, err := receipts.GetReceipt(ctx, db, flags.ledger, id)
		if err != nil {
			return noSuch("receipt", id, flags.ledger, err)
		}
		if a.asJSON {
			return a.printJSON(receipt)
		}
		return a.printReceipt(&receipt)
	})
}

func (a *app) listReceipts(ctx context.Context, db postgres.Querier, flags receiptFlags) error {
	found, err := receipts.ListReceipts(ctx, db, flags.ledger, flags.user, nil, nil, flags.limit+1)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		a.notef("the books have no receipts of %s in ledger %s", flags.user, flags.ledger)
		return nil
	}
	return printPage(a, found, flags.limit, receiptTable)
}

func receiptTable(rows []receipts.Receipt) *table {
	figures := newFigures()
	for i := range rows {
		figures.see(rows[i].AssetCode, rows[i].Amount, rows[i].Refunded)
	}
	listed := newTable("ISSUED", "RECEIPT", "MERCHANT", ".AMOUNT", ".REFUNDED", "ASSET")
	for i := range rows {
		r := &rows[i]
		listed.row(shortTime(r.IssuedAt), r.ReceiptID, r.MerchantID, figures.show(r.AssetCode, r.Amount),
			figures.show(r.AssetCode, r.Refunded), r.AssetCode)
	}
	return listed
}

func (a *app) printReceipt(r *receipts.Receipt) error {
	figures := newFigures()
	figures.see(r.AssetCode, r.Amount, text(r.Fee), r.Refunded)
	var c card
	c.add("receipt", r.ReceiptID)
	c.add("payment", r.PaymentID)
	c.add("merchant", r.MerchantID)
	c.add("user", r.UserID)
	c.add("provider", r.Provider+" "+r.PaymentType)
	c.add("issued", when(&r.IssuedAt))
	c.add("amount", money(figures, r.AssetCode, r.Amount))
	c.add("fee", money(figures, r.AssetCode, text(r.Fee)))
	c.add("refunded", money(figures, r.AssetCode, r.Refunded))
	if err := a.printf("%s", &c); err != nil {
		return err
	}
	return a.printLines(figures, r.Lines)
}

// receiptLine is one line of what was bought, as its event has it.
type receiptLine struct {
	SKU         string `json:"sku"`
	Description string `json:"description"`
	Quantity    string `json:"quantity"`
	UnitPrice   struct {
		Value string `json:"value"`
		Asset string `json:"asset_code"`
		Scale uint32 `json:"asset_scale"`
	} `json:"unit_price"`
}

// price is the unit's as a decimal.
func (l *receiptLine) price() string {
	amount, err := ledger.ParseAmount(l.UnitPrice.Value, l.UnitPrice.Scale)
	switch {
	case errors.Is(err, ledger.ErrNegative):
		return "-" + amount.String()
	case err != nil:
		return l.UnitPrice.Value + " × 10^-" + strconv.FormatUint(uint64(l.UnitPrice.Scale), 10)
	default:
		return amount.String()
	}
}

func (a *app) printLines(figures *figures, document json.RawMessage) error {
	var lines []receiptLine
	if len(document) == 0 {
		return nil
	}
	if err := json.Unmarshal(document, &lines); err != nil {
		return fmt.Errorf("read the receipt's lines: %w", err)
	}
	if len(lines) == 0 {
		return nil
	}
	for i := range lines {
		figures.see(lines[i].UnitPrice.Asset, lines[i].price())
	}
	listed := newTable(".QUANTITY", "SKU", "DESCRIPTION", ".UNIT PRICE", "ASSET")
	for i := range lines {
		l := &lines[i]
		listed.row(l.Quantity, l.SKU, l.Description, figures.show(l.UnitPrice.Asset, l.price()), l.UnitPrice.Asset)
	}
	return a.printf("\n%s", listed)
}
