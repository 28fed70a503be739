package commands

import (
	"context"
	"math/big"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Receiver is one offer of an address on a chain.
type Receiver struct {
	ReceiverID     string `json:"receiver_id,omitempty" example:"rcv-881" maxLength:"1024" doc:"Yours, or one that is made from the Idempotency-Key."`
	MerchantID     string `json:"merchant_id" example:"acme" maxLength:"64" doc:"Whom the money is for."`
	Username       string `json:"username,omitempty" example:"ada" maxLength:"1024" doc:"Who asked for it."`
	Description    string `json:"description,omitempty" example:"Order 1042" maxLength:"8192"`
	Chain          string `json:"chain" example:"dash" maxLength:"64"`
	Address        string `json:"address" example:"XnK8cTnV1f6mQk2mDvJtY9a3rWkZs5hB7e" maxLength:"1024"`
	DerivationPath string `json:"derivation_path,omitempty" example:"m/44'/5'/0'/0/881" maxLength:"1024"`
	AmountFiat     Money  `json:"amount_fiat" doc:"The price."`
	BaseFiat       string `json:"base_fiat" example:"31.72" maxLength:"60" doc:"The rate: what one unit of the crypto asset costs."`
	AmountDue      *Money `json:"amount_due,omitempty" doc:"What is to be paid on the chain. When absent: price ÷ rate in the asset, rounded up to its smallest unit."`
	Asset          *Asset `json:"asset,omitempty" doc:"What amount_due is computed in, where it is absent."`
	CallbackURL    string `json:"callback_url,omitempty" example:"https://shop.example/paid" maxLength:"1024"`
	ExpiresAt      string `json:"expires_at,omitempty" example:"2026-01-31T10:00:00Z" maxLength:"40"`
}

// Asset is what amounts are counted in.
type Asset struct {
	AssetCode  string `json:"asset_code" example:"DASH" maxLength:"12"`
	AssetScale uint32 `json:"asset_scale" example:"8" maximum:"18"`
}

// NewReceiver is an offer with when it was made.
type NewReceiver struct {
	Receiver
	When
}

type receiverInput struct {
	Key

	Body NewReceiver
}

type receiverOutput struct {
	Accepted

	Body Receiver
}

func (c *Commands) registerReceivers(api huma.API) {
	op := write("/v1/receivers", "create-receiver", "Offer an address",
		"Creates a receiver: an address on a chain at which a merchant waits for an amount. `GET /v1/receivers/{id}` says what came.",
		web.ScopeReceiversWrite)
	op.Tags = []string{"Receivers"}
	huma.Register(api, op, c.createReceiver)
}

func (c *Commands) createReceiver(ctx context.Context, in *receiverInput) (*receiverOutput, error) {
	caller, body := web.Caller(ctx), &in.Body.Receiver
	at, err := c.at(in.Body.When)
	if err == nil {
		err = owned(caller, body.MerchantID, "body.merchant_id")
	}
	if err == nil {
		err = body.complete()
	}
	if err != nil {
		return nil, err
	}
	ids := newIdentity(caller, "/v1/receivers", in.IdempotencyKey)
	if body.ReceiverID == "" {
		body.ReceiverID = ids.id("receiver").String()
	}
	position, err := c.append1(ctx, event(caller, ids.id("event"), at, &eventsv1.ReceiverCreated{
		ReceiverId: body.ReceiverID, MerchantId: body.MerchantID, Username: body.Username, Description: body.Description,
		Chain: body.Chain, Address: body.Address, DerivationPath: body.DerivationPath, AmountFiat: body.AmountFiat.event(),
		BaseFiat: body.BaseFiat, AmountDue: body.AmountDue.event(), CallbackUrl: body.CallbackURL, ExpiresAt: body.ExpiresAt,
	}))
	if err != nil {
		return nil, err
	}
	return &receiverOutput{Accepted: position, Body: *body}, nil
}

// complete computes what is due where the caller did not say.
func (r *Receiver) complete() error {
	if r.AmountDue != nil {
		return nil
	}
	if r.Asset == nil {
		return web.NewProblem(http.StatusUnprocessableEntity, web.Code(ledger.CodeMissingField),
			"say amount_due, or the asset to compute it in: {\"asset_code\":\"DASH\",\"asset_scale\":8}").At("body.amount_due")
	}
	rate, ok := ledger.ParseUnits(r.BaseFiat)
	if !ok || rate.Sign() <= 0 {
		return web.NewProblem(http.StatusUnprocessableEntity, web.Code(ledger.CodeBadField),
			"the rate is no decimal above 0, such as 31.72").At("body.base_fiat")
	}
	price, err := ledger.ParseAmount(r.AmountFiat.Value, r.AmountFiat.AssetScale)
	if err != nil {
		return web.NewProblem(http.StatusUnprocessableEntity, web.Code(ledger.CodeBadAmount), err.Error()).At("body.amount_fiat.value")
	}
	r.AmountDue = &Money{due(price.Big(), rate, r.Asset.AssetScale).String(), r.Asset.AssetCode, r.Asset.AssetScale}
	r.Asset = nil
	return nil
}

// due is price ÷ rate in units of 10^-scale, rounded up: a merchant never asks for less than the price.
func due(price, rate *big.Int, scale uint32) *big.Int {
	units := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	units, rest := units.Mul(units, price).QuoRem(units, rate, new(big.Int))
	if rest.Sign() > 0 {
		units.Add(units, big.NewInt(1))
	}
	return units
}
