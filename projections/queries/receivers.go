package queries

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receivers"
)

// ReceiverDetails is what is known of a receiver, and what came in. What no event named is left out.
type ReceiverDetails struct {
	ReceiverID  string            `json:"receiver_id" example:"rcv-1042"`
	Ledger      string            `json:"ledger" example:"main"`
	State       string            `json:"state" example:"partial" enum:"waiting,detected,partial,paid,overpaid,expired,underpaid_expired"`
	MerchantID  *string           `json:"merchant_id,omitempty" example:"acme"`
	Chain       *string           `json:"chain,omitempty" example:"dash"`
	Address     *string           `json:"address,omitempty" example:"XqPvTRDWeUiT6bCg9Gh6RzGkLmWvNYaPWV"`
	AssetCode   *string           `json:"asset_code,omitempty" example:"DASH" doc:"Of amount_due, pending and confirmed."`
	AmountDue   *string           `json:"amount_due,omitempty" example:"0.5" doc:"What is waited for: a decimal."`
	Pending     string            `json:"pending" example:"0" doc:"What was seen and is not confirmed."`
	Confirmed   string            `json:"confirmed" example:"0.2" doc:"What is in."`
	AmountFiat  *string           `json:"amount_fiat,omitempty" example:"14.75"`
	FiatCode    *string           `json:"fiat_code,omitempty" example:"EUR" doc:"Of amount_fiat and base_fiat."`
	BaseFiat    *string           `json:"base_fiat,omitempty" example:"29.5" doc:"The rate: what one of asset_code was worth."`
	CallbackURL *string           `json:"callback_url,omitempty" example:"https://shop.example/paid"`
	ExpiresAt   *time.Time        `json:"expires_at,omitempty" example:"2026-03-01T12:15:00Z"`
	CreatedAt   *time.Time        `json:"created_at,omitempty" example:"2026-03-01T12:00:00Z"`
	UpdatedAt   time.Time         `json:"updated_at" example:"2026-03-01T12:03:00Z"`
	Payments    []ReceiverPayment `json:"payments" doc:"What paid it, by txid and vout, at most 1,000."`
}

// ReceiverPayment is an output that pays a receiver.
type ReceiverPayment struct {
	TxID          string     `json:"txid" example:"f4a5…"`
	Vout          int64      `json:"vout" example:"0"`
	State         string     `json:"state" example:"confirmed" enum:"detected,confirmed,reversed"`
	AssetCode     string     `json:"asset_code" example:"DASH"`
	Amount        string     `json:"amount" example:"0.2"`
	InstantLocked *bool      `json:"instant_locked,omitempty"`
	DetectedAt    *time.Time `json:"detected_at,omitempty" example:"2026-03-01T12:02:00Z"`
	ConfirmedAt   *time.Time `json:"confirmed_at,omitempty" example:"2026-03-01T12:03:00Z"`
	Late          bool       `json:"late" doc:"It came when the receiver had expired."`
}

type receiverInput struct {
	After

	ID string `path:"id" maxLength:"1024" example:"rcv-1042"`
}

func (q *Queries) registerReceivers(api huma.API) {
	huma.Register(api, operation("get-receiver", "/v1/receivers/{id}", web.ScopeReceiversRead, "A receiver and what came in",
		"What a receiver waits for, and the payments to it.", http.StatusNotFound), q.getReceiver)
}

func (q *Queries) getReceiver(ctx context.Context, in *receiverInput) (*body[ReceiverDetails], error) {
	return owned(ctx, q, ofReceivers, in.After, "receiver", in.ID, func(
		ctx context.Context, db postgres.Querier, ledger string,
	) (ReceiverDetails, error) {
		receiver, err := receivers.Get(ctx, db, ledger, in.ID)
		if err != nil {
			return ReceiverDetails{}, err
		}
		payments, err := receivers.ListPayments(ctx, db, ledger, in.ID)
		return shownReceiver(&receiver, payments), err
	})
}

func (r ReceiverDetails) owner() *string { return r.MerchantID }

func shownReceiver(r *receivers.Receiver, payments []receivers.Payment) ReceiverDetails {
	shown := ReceiverDetails{
		ReceiverID: r.ReceiverID, Ledger: r.Ledger, State: r.State, MerchantID: r.MerchantID, Chain: r.Chain, Address: r.Address,
		AssetCode: r.AssetCode, AmountDue: r.AmountDue, Pending: r.Pending, Confirmed: r.Confirmed, AmountFiat: r.AmountFiat,
		FiatCode: r.FiatCode, BaseFiat: r.BaseFiat, CallbackURL: r.CallbackURL, ExpiresAt: inUTC(r.ExpiresAt),
		CreatedAt: inUTC(r.CreatedAt), UpdatedAt: r.UpdatedAt.UTC(), Payments: make([]ReceiverPayment, len(payments)),
	}
	for i, p := range payments {
		shown.Payments[i] = ReceiverPayment{
			TxID: p.TxID, Vout: p.Vout, State: p.State, AssetCode: p.AssetCode, Amount: p.Amount, InstantLocked: p.InstantLocked,
			DetectedAt: inUTC(p.DetectedAt), ConfirmedAt: inUTC(p.ConfirmedAt), Late: p.Late,
		}
	}
	return shown
}
