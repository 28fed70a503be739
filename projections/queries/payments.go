package queries

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
)

// PaymentDetails is what is known of a payment, whatever the order in which its events came. What no event named is left out.
type PaymentDetails struct {
	PaymentID     string          `json:"payment_id" example:"pay-1007"`
	Ledger        string          `json:"ledger" example:"main"`
	State         string          `json:"state" example:"partially_refunded" enum:"started,prepared,post_requested,cancelled,failed,posted,disputed,partially_refunded,refunded"`
	MerchantID    *string         `json:"merchant_id,omitempty" example:"acme"`
	UserID        *string         `json:"user_id,omitempty" example:"user-17850"`
	Provider      *string         `json:"provider,omitempty" example:"sandbox"`
	PaymentType   *string         `json:"payment_type,omitempty" example:"credit" enum:"credit,debit,crypto,wallet,transfer"`
	AssetCode     *string         `json:"asset_code,omitempty" example:"GBP" doc:"Of all amounts of the payment and its refunds."`
	Amount        *string         `json:"amount,omitempty" example:"139.12" doc:"What was paid or, before that, what is to be: a decimal."`
	Refunded      string          `json:"refunded" example:"20" doc:"What was paid back so far."`
	Disputed      string          `json:"disputed" example:"0" doc:"What is under dispute."`
	ReceiptID     *string         `json:"receipt_id,omitempty" example:"rcpt-1007"`
	TransactionID *string         `json:"transaction_id,omitempty" example:"txn_8842"`
	StartedAt     *time.Time      `json:"started_at,omitempty" example:"2026-03-01T11:59:30Z"`
	PostedAt      *time.Time      `json:"posted_at,omitempty" example:"2026-03-01T12:00:00Z"`
	UpdatedAt     time.Time       `json:"updated_at" example:"2026-03-09T09:30:00Z"`
	Refunds       []RefundDetails `json:"refunds" doc:"The earliest first, at most 1,000."`
}

// RefundDetails is one of a payment.
type RefundDetails struct {
	RefundID    string    `json:"refund_id" example:"ref-1"`
	State       string    `json:"state" example:"refunded" enum:"requested,failed,refunded"`
	Amount      *string   `json:"amount,omitempty" example:"20"`
	FeeReturned *string   `json:"fee_returned,omitempty" example:"0.20"`
	Reason      *string   `json:"reason,omitempty" example:"came back damaged"`
	OccurredAt  time.Time `json:"occurred_at" example:"2026-03-09T09:30:00Z"`
}

type paymentInput struct {
	After

	ID string `path:"id" maxLength:"1024" example:"pay-1007"`
}

type body[T any] struct{ Body T }

func (q *Queries) registerPayments(api huma.API) {
	huma.Register(api, operation("get-payment", "/v1/payments/{id}", web.ScopePaymentsRead, "A payment and its refunds",
		"What is known of a payment, with its refunds.", http.StatusNotFound), q.getPayment)
}

func (q *Queries) getPayment(ctx context.Context, in *paymentInput) (*body[PaymentDetails], error) {
	return owned(ctx, q, ofReceipts, in.After, "payment", in.ID, func(
		ctx context.Context, db postgres.Querier, ledger string,
	) (PaymentDetails, error) {
		payment, err := receipts.GetPayment(ctx, db, ledger, in.ID)
		if err != nil {
			return PaymentDetails{}, err
		}
		refunds, err := receipts.ListRefunds(ctx, db, ledger, in.ID)
		return shownPayment(&payment, refunds), err
	})
}

func (p PaymentDetails) owner() *string { return p.MerchantID }

// owned reads something by its id, of one state of the books; what is not the caller's is not there.
func owned[T interface{ owner() *string }](
	ctx context.Context, q *Queries, p projection, after After, what, id string,
	get func(ctx context.Context, db postgres.Querier, ledger string) (T, error),
) (*body[T], error) {
	positions, err := after.positions()
	if err != nil {
		return nil, err
	}
	caller := web.Caller(ctx)
	if !isText(id) {
		return nil, notFound(what, id)
	}
	found, err := ask(ctx, q, p, positions, snapshot(func(ctx context.Context, db postgres.Querier) (T, error) {
		return get(ctx, db, caller.Ledger)
	}))
	if err == nil && !ownedBy(caller, found.owner()) {
		err = postgres.ErrNotFound
	}
	if err != nil {
		return nil, orNotFound(err, what, id)
	}
	return &body[T]{found}, nil
}

// ownedBy tells whether a thing is the caller's to see, of which no event may have named the owner yet: then it is nobody's.
func ownedBy(caller *web.Principal, owner *string) bool {
	return len(caller.Owners) == 0 || owner != nil && caller.Owns(*owner)
}

func shownPayment(p *receipts.Payment, refunds []receipts.Refund) PaymentDetails {
	shown := PaymentDetails{
		PaymentID: p.PaymentID, Ledger: p.Ledger, State: p.State, MerchantID: p.MerchantID, UserID: p.UserID, Provider: p.Provider,
		PaymentType: p.PaymentType, AssetCode: p.AssetCode, Amount: p.Amount, Refunded: p.Refunded, Disputed: p.Disputed,
		ReceiptID: p.ReceiptID, TransactionID: p.TransactionID, StartedAt: inUTC(p.StartedAt), PostedAt: inUTC(p.PostedAt),
		UpdatedAt: p.UpdatedAt.UTC(), Refunds: make([]RefundDetails, len(refunds)),
	}
	for i, r := range refunds {
		shown.Refunds[i] = RefundDetails{
			RefundID: r.RefundID, State: r.State, Amount: r.Amount, FeeReturned: r.FeeReturned, Reason: r.Reason,
			OccurredAt: r.OccurredAt.UTC(),
		}
	}
	return shown
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}
