package queries

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
)

// Receipt is a posted payment as its buyer sees it.
type Receipt struct {
	ReceiptID   string        `json:"receipt_id" example:"rcpt-1007"`
	PaymentID   string        `json:"payment_id" example:"pay-1007"`
	Ledger      string        `json:"ledger" example:"main"`
	UserID      string        `json:"user_id" example:"user-17850"`
	MerchantID  string        `json:"merchant_id" example:"acme"`
	Provider    string        `json:"provider" example:"sandbox"`
	PaymentType string        `json:"payment_type" example:"credit" enum:"credit,debit,crypto,wallet,transfer"`
	AssetCode   string        `json:"asset_code" example:"GBP" doc:"Of all amounts of the receipt but those of lines, which name their own."`
	Amount      string        `json:"amount" example:"139.12" doc:"What was paid: a decimal."`
	Fee         *string       `json:"fee,omitempty" example:"1.39" doc:"What the platform took of it; left out where the posting named none."`
	Refunded    string        `json:"refunded" example:"20" doc:"What was paid back of it so far."`
	Lines       []ReceiptLine `json:"lines" doc:"What was bought."`
	IssuedAt    time.Time     `json:"issued_at" example:"2026-03-01T12:00:00Z" doc:"When the payment was posted."`
	UpdatedAt   time.Time     `json:"updated_at" example:"2026-03-09T09:30:00Z"`
	Version     int32         `json:"version" example:"2" doc:"Counts the events that made the receipt: it changes whenever anything above does."`
}

// ReceiptLine is something that was bought.
type ReceiptLine struct {
	SKU         string `json:"sku,omitempty" example:"85123A"`
	Description string `json:"description,omitempty" example:"WHITE HANGING HEART T-LIGHT HOLDER"`
	Quantity    string `json:"quantity,omitempty" example:"6" doc:"A decimal; negative for what was taken back."`
	UnitPrice   string `json:"unit_price,omitempty" example:"2.55" doc:"A decimal, in the line's asset_code."`
	AssetCode   string `json:"asset_code,omitempty" example:"GBP"`
}

// Receipts is a page of them.
type Receipts struct {
	Receipts []Receipt `json:"receipts"`
	Next     string    `json:"next,omitempty" doc:"The cursor of the next page; left out on the last."`
}

type receiptInput struct {
	After

	ID          string `path:"id" maxLength:"1024" example:"rcpt-1007"`
	IfNoneMatch string `header:"If-None-Match" example:"\"2-9e83c1f07bd2a645\"" doc:"ETags that the caller has."`
}

type receiptsInput struct {
	After
	Page

	UserID string `query:"user_id" required:"true" minLength:"1" maxLength:"1024" example:"user-17850"`
}

type receiptsOutput struct{ Body Receipts }

func (q *Queries) registerReceipts(api huma.API) {
	one := operation("get-receipt", "/v1/receipts/{id}", web.ScopeReceiptsRead, "A receipt",
		"The receipt of a posted payment, with what was refunded so far. Without ?after= it may be up to a second old. "+
			"Send the ETag as If-None-Match, and 304 says that nothing changed.", http.StatusNotFound)
	q.receipts.serve(api, &one, "id")
	huma.Register(api, one, q.getReceipt)
	huma.Register(api, operation("list-receipts", "/v1/receipts", web.ScopeReceiptsRead, "A user's receipts",
		"The receipts of a user, the latest first."), q.listReceipts)
}

func (q *Queries) getReceipt(ctx context.Context, in *receiptInput) (*tagged[Receipt], error) {
	positions, err := in.positions()
	if err != nil {
		return nil, err
	}
	found, err := q.receipts.get(ctx, in.ID, positions)
	if err != nil {
		return nil, err
	}
	return output[Receipt](found, in.IfNoneMatch)
}

func newReceipts(q *Queries) *answers {
	a := newAnswers(q, ofReceipts, "receipt")
	a.look = lookForReceipts
	a.mine = func(caller *web.Principal, _ name, found *answer) bool {
		return found == nil || caller.Owns(found.of.MerchantID)
	}
	return a
}

// lookForReceipts reads, of receipts that are kept already, whether they are the same.
func lookForReceipts(ctx context.Context, s *store, names []name, before []*answer) (map[name]*answer, error) {
	sought := make([]receipts.Sought, len(names))
	for i, n := range names {
		sought[i] = receipts.Sought{Ledger: n.ledger, ReceiptID: n.id}
		if kept := before[i]; kept != nil {
			sought[i].PaymentID, sought[i].Version, sought[i].Generation = kept.of.PaymentID, kept.of.Version, kept.of.Generation
		}
	}
	rows, err := receipts.FindReceipts(ctx, s.pool, sought)
	if err != nil {
		return nil, err
	}
	found := make(map[name]*answer, len(rows))
	for i := range rows {
		row := rows[i]
		one := &answer{}
		if row.Same {
			*one = *before[row.Index]
		} else {
			shown, err := shownReceipt(&row.Receipt)
			if err == nil {
				one, err = written(row.Version, shown)
			}
			if err != nil {
				return nil, err
			}
			row.Lines = nil
			one.of = row
		}
		found[names[row.Index]] = one
	}
	return found, nil
}

func (q *Queries) listReceipts(ctx context.Context, in *receiptsInput) (*receiptsOutput, error) {
	positions, err := in.positions()
	if err != nil {
		return nil, err
	}
	at, err := in.after()
	if err != nil {
		return nil, err
	}
	if !isText(in.UserID) {
		return nil, invalid("query.user_id", "it is not a text")
	}
	var after *postgres.Cursor
	if at != nil {
		after = &postgres.Cursor{At: at.At, ID: at.ID}
	}
	caller := web.Caller(ctx)
	rows, err := ask(ctx, q, ofReceipts, positions, func(ctx context.Context, s *store) ([]receipts.Receipt, error) {
		return receipts.ListReceipts(ctx, s.pool, caller.Ledger, in.UserID, caller.Owners, after, in.Limit+1)
	})
	if err != nil {
		return nil, err
	}
	rows, next := cut(rows, in.Limit, func(r *receipts.Receipt) place { return place{At: r.IssuedAt, ID: r.PaymentID} })
	out := &receiptsOutput{Receipts{make([]Receipt, len(rows)), next}}
	for i := range rows {
		if out.Body.Receipts[i], err = shownReceipt(&rows[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func shownReceipt(r *receipts.Receipt) (Receipt, error) {
	lines, err := shownLines(r.Lines)
	if err != nil {
		return Receipt{}, fmt.Errorf("the lines of receipt %s: %w", r.ReceiptID, err)
	}
	return Receipt{
		ReceiptID: r.ReceiptID, PaymentID: r.PaymentID, Ledger: r.Ledger, UserID: r.UserID, MerchantID: r.MerchantID,
		Provider: r.Provider, PaymentType: r.PaymentType, AssetCode: r.AssetCode, Amount: r.Amount, Fee: r.Fee, Refunded: r.Refunded,
		Lines: lines, IssuedAt: r.IssuedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), Version: r.Version,
	}, nil
}

// shownLines makes lines as they stood in the event into those with decimals.
func shownLines(stored json.RawMessage) ([]ReceiptLine, error) {
	var rows []struct {
		ReceiptLine

		UnitPrice *struct {
			Value      string `json:"value"`
			AssetCode  string `json:"asset_code"`
			AssetScale uint32 `json:"asset_scale"`
		} `json:"unit_price"`
	}
	if err := json.Unmarshal(stored, &rows); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	lines := make([]ReceiptLine, len(rows))
	for i, row := range rows {
		lines[i] = row.ReceiptLine
		if price := row.UnitPrice; price != nil {
			decimal, err := signedDecimal(price.Value, price.AssetScale)
			if err != nil {
				return nil, err
			}
			lines[i].UnitPrice, lines[i].AssetCode = decimal, price.AssetCode
		}
	}
	return lines, nil
}

// signedDecimal is an integer of 10^-scale as a decimal.
func signedDecimal(value string, scale uint32) (string, error) {
	amount, err := ledger.ParseAmount(value, scale)
	if errors.Is(err, ledger.ErrNegative) { // As those of lines may be.
		return "-" + amount.String(), nil
	}
	return amount.String(), err
}
