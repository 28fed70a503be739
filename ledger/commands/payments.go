package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/payments"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Payment is a payment as its own events in the log have it.
type Payment struct {
	PaymentID     string   `json:"payment_id" example:"pay-1042"`
	State         string   `json:"state" example:"posted" enum:"started,prepared,post_requested,posted,partially_refunded,refunded,disputed,failed,cancelled" doc:"Where it is in its life; see /docs/payments."`
	UserID        string   `json:"user_id,omitempty" example:"u-7"`
	MerchantID    string   `json:"merchant_id" example:"acme"`
	Provider      string   `json:"provider" example:"sandbox"`
	PaymentType   string   `json:"payment_type,omitempty" example:"credit"`
	Amount        *Money   `json:"amount,omitempty" doc:"What was posted; before that, what is to be paid."`
	Fee           *Money   `json:"fee,omitempty" doc:"What the platform keeps of it."`
	Description   string   `json:"description,omitempty" example:"Order 1042"`
	TransactionID string   `json:"transaction_id,omitempty" example:"ch_77" doc:"The provider's, once it is posted."`
	ReceiptID     string   `json:"receipt_id,omitempty" example:"pay-1042" doc:"Of GET /v1/receipts/{id}, once it is posted."`
	ProviderToken string   `json:"provider_token,omitempty" doc:"The provider's name of the payment."`
	ExpiresAt     string   `json:"expires_at,omitempty" example:"2026-02-01T09:30:00Z" doc:"Until when it can be paid."`
	ClientSecret  string   `json:"client_secret,omitempty" doc:"For the form on your page. In the answer to a start alone."`
	RedirectURL   string   `json:"redirect_url,omitempty" doc:"Where to send the customer. In the answer to a start alone."`
	Address       string   `json:"address,omitempty" doc:"Where the customer's wallet pays to. In the answer to a start alone."`
	ReasonCode    string   `json:"reason_code,omitempty" example:"card_declined" doc:"Why it failed."`
	Message       string   `json:"message,omitempty" doc:"Why it failed, in words."`
	Refunds       []Refund `json:"refunds,omitempty"`
}

// Refund is one refund of a payment.
type Refund struct {
	RefundID   string `json:"refund_id" example:"refund-1"`
	PaymentID  string `json:"payment_id" example:"pay-1042"`
	State      string `json:"state" example:"refunded" enum:"requested,refunded,failed"`
	Amount     *Money `json:"amount,omitempty"`
	Reason     string `json:"reason,omitempty"`
	ReasonCode string `json:"reason_code,omitempty" doc:"Why it failed."`
}

// NewPayment is what a payment is started with.
type NewPayment struct {
	When

	PaymentID   string `json:"payment_id,omitempty" example:"pay-1042" maxLength:"1024" doc:"Your id of it; one that follows from the Idempotency-Key, when absent."`
	UserID      string `json:"user_id" example:"u-7" maxLength:"1024" doc:"Who pays, as you know them."`
	Email       string `json:"email,omitempty" example:"ada@example.com" maxLength:"1024"`
	PaymentType string `json:"payment_type" example:"credit" enum:"credit,debit,crypto,wallet,transfer"`
	Amount      Money  `json:"amount"`
	MerchantID  string `json:"merchant_id" example:"acme" maxLength:"64" doc:"Whom the money is for."`
	Provider    string `json:"provider,omitempty" example:"sandbox" default:"sandbox" maxLength:"64" doc:"Who takes the money."`
	Description string `json:"description,omitempty" example:"Order 1042" maxLength:"8192"`
}

type startInput struct {
	Key

	Body NewPayment
}

// PaymentPost says which movement of money at the provider a payment became.
type PaymentPost struct {
	When

	TransactionID string `json:"transaction_id" example:"ch_77" maxLength:"1024" doc:"The movement of money at the provider, as you know it from there."`
	Amount        Money  `json:"amount" doc:"The amount that the payment was started with."`
}

// PaymentFailure says why a payment will not be paid.
type PaymentFailure struct {
	When

	ReasonCode string `json:"reason_code" example:"abandoned" maxLength:"1024"`
	Message    string `json:"message,omitempty" maxLength:"8192"`
}

// NewRefund is what is to be given back.
type NewRefund struct {
	When

	RefundID string `json:"refund_id,omitempty" example:"refund-1" maxLength:"1024" doc:"Your id of it; one that follows from the Idempotency-Key, when absent."`
	Amount   *Money `json:"amount,omitempty" doc:"How much; all that is left, when absent."`
	Reason   string `json:"reason,omitempty" example:"returned" maxLength:"8192"`
}

// PaymentPath names the payment that a call is about.
type PaymentPath struct {
	ID string `path:"id" example:"pay-1042" maxLength:"1024" doc:"The payment's id."`
}

type postInputOf struct {
	Key
	PaymentPath

	Body PaymentPost
}

type failInput struct {
	Key
	PaymentPath

	Body PaymentFailure
}

type refundInput struct {
	Key
	PaymentPath

	Body NewRefund
}

type paymentOutput struct {
	Accepted

	Status int
	Body   Payment
}

type refundOutput struct {
	Accepted

	Status int
	Body   Refund
}

// paying is a write that a provider takes part in.
func paying(path, id, summary, description string, status int) huma.Operation {
	op := write(path, id, summary, description, web.ScopePaymentsWrite)
	op.Tags, op.DefaultStatus = []string{"Payments"}, status
	op.Errors = append(op.Errors, http.StatusPaymentRequired, http.StatusNotFound)
	return op
}

const pendingWords = " 202 says that the provider did not answer yet, or answers later: the payment goes on by itself, and the same " +
	"request again tells how far it is."

func (c *Commands) registerPayments(api huma.API) {
	pending := func(op huma.Operation, schema string) huma.Operation {
		op.Description += pendingWords
		op.Responses = map[string]*huma.Response{"202": {
			Description: "Under way: its outcome is not known yet.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/" + schema}}},
		}}
		return op
	}
	huma.Register(api, pending(paying("/v1/payments", "start-payment", "Start a payment",
		"Puts the intent into the log, opens the payment at its provider, and answers with what the customer needs to pay.",
		http.StatusCreated), "Payment"), c.startPayment)
	huma.Register(api, pending(paying("/v1/payments/{id}/post", "post-payment", "Post a payment",
		"Charges the payment at its provider and gives its receipt. A payment is charged once: the first request in the log's order is the one.",
		http.StatusOK), "Payment"), c.postPayment)
	huma.Register(api, paying("/v1/payments/{id}/fail", "fail-payment", "Give a payment up",
		"Says that the payment will not be paid. One that is being charged, or was, cannot be given up: refund it.",
		http.StatusOK), c.failPayment)
	huma.Register(api, pending(paying("/v1/payments/{id}/refunds", "refund-payment", "Refund a payment",
		"Gives the money back, or part of it. More than was posted is refused (over_refund), however many gateways are asked at once.",
		http.StatusCreated), "Refund"), c.refundPayment)
	c.registerWebhooks(api)
}

// intent forms the event of a request about a payment.
func (c *Commands) intent(ctx context.Context, ids identity, w When, data ledger.Data) (*ledger.Event, error) {
	at, err := c.at(w)
	if err != nil {
		return nil, err
	}
	if c.Log.Buffered() > publishBacklog {
		return nil, unavailable("the log is behind with what it was given; nothing of this request was published")
	}
	return event(web.Caller(ctx), ids.id("event"), at, data), nil
}

func (c *Commands) startPayment(ctx context.Context, in *startInput) (*paymentOutput, error) {
	caller, body := web.Caller(ctx), &in.Body
	if err := owned(caller, body.MerchantID, "body.merchant_id"); err != nil {
		return nil, err
	}
	ids := newIdentity(caller, "/v1/payments", in.IdempotencyKey)
	if body.PaymentID == "" {
		body.PaymentID = ids.id("payment").String()
	}
	started, err := c.intent(ctx, ids, in.Body.When, &eventsv1.PaymentStarted{
		PaymentId: body.PaymentID, UserId: body.UserID, Email: body.Email, PaymentType: body.PaymentType, Provider: body.Provider,
		MerchantId: body.MerchantID, Amount: body.Amount.event(), Description: body.Description,
	})
	if err == nil {
		err = check(started)
	}
	if err != nil {
		return nil, err
	}
	p, made, err := c.Payments.Start(context.WithoutCancel(ctx), started)
	out, err := answerPayment(p, err, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	if p.State() == "started" {
		out.Status = http.StatusAccepted
	}
	out.Body.customer(made)
	return out, nil
}

// customer adds what the customer needs.
func (p *Payment) customer(made providers.Prepared) {
	p.ClientSecret, p.RedirectURL, p.Address = made.ClientSecret, made.RedirectURL, made.Address
}

func (c *Commands) postPayment(ctx context.Context, in *postInputOf) (*paymentOutput, error) {
	caller := web.Caller(ctx)
	requested, err := c.intent(ctx, in.identity(caller, in.Key, "/post"), in.Body.When, &eventsv1.PaymentPostRequested{
		PaymentId: in.ID, TransactionId: in.Body.TransactionID, Amount: in.Body.Amount.event(),
	})
	if err == nil {
		err = check(requested)
	}
	if err != nil {
		return nil, err
	}
	p, err := c.Payments.Post(context.WithoutCancel(ctx), requested, caller.Owns)
	out, err := answerPayment(p, err, http.StatusOK)
	if err == nil && p.Posted == nil {
		out.Status = http.StatusAccepted
	}
	return out, err
}

func (c *Commands) failPayment(ctx context.Context, in *failInput) (*paymentOutput, error) {
	caller := web.Caller(ctx)
	failed, err := c.intent(ctx, in.identity(caller, in.Key, "/fail"), in.Body.When, &eventsv1.PaymentFailed{
		PaymentId: in.ID, Provider: "sandbox", ReasonCode: in.Body.ReasonCode, Message: in.Body.Message,
	})
	if err == nil {
		err = check(failed)
	}
	if err != nil {
		return nil, err
	}
	p, err := c.Payments.Fail(context.WithoutCancel(ctx), failed, caller.Owns)
	if err != nil {
		return nil, explainPayment(err)
	}
	return &paymentOutput{Accepted: at(p), Status: http.StatusOK, Body: paymentOf(p)}, nil
}

func (c *Commands) refundPayment(ctx context.Context, in *refundInput) (*refundOutput, error) {
	caller := web.Caller(ctx)
	ids := in.identity(caller, in.Key, "/refunds")
	data := &eventsv1.PaymentRefundRequested{PaymentId: in.ID, RefundId: in.Body.RefundID, Reason: in.Body.Reason}
	if data.GetRefundId() == "" {
		data.RefundId = ids.id("refund").String()
	}
	if in.Body.Amount != nil {
		data.Amount = in.Body.Amount.event()
	}
	requested, err := c.intent(ctx, ids, in.Body.When, data)
	if err == nil && data.GetAmount() != nil {
		err = check(requested)
	}
	if err != nil {
		return nil, err
	}
	p, r, err := c.Payments.Refund(context.WithoutCancel(ctx), requested, caller.Owns)
	switch {
	case err != nil:
		return nil, explainPayment(err)
	case r.Failed != nil && r.Done == nil:
		return nil, declined(r.Failed.GetReasonCode(), r.Failed.GetMessage())
	}
	out := &refundOutput{Accepted: at(p), Status: http.StatusCreated, Body: refundOf(p, r)}
	if r.Done == nil {
		out.Status = http.StatusAccepted
	}
	return out, nil
}

// identity is of a request about the payment.
func (p PaymentPath) identity(caller *web.Principal, key Key, what string) identity {
	return newIdentity(caller, "/v1/payments/"+p.ID+what, key.IdempotencyKey)
}

// at is where the log has the last of the payment's events.
func at(p *payments.Payment) Accepted { return Accepted{Position: p.Last.String()} }

// answerPayment is a payment as an answer: 402 where its provider declined it.
func answerPayment(p *payments.Payment, err error, status int) (*paymentOutput, error) {
	switch {
	case err != nil:
		return nil, explainPayment(err)
	case p.Failed != nil && p.Posted == nil:
		return nil, declined(p.Failed.GetReasonCode(), p.Failed.GetMessage())
	default:
		return &paymentOutput{Accepted: at(p), Status: status, Body: paymentOf(p)}, nil
	}
}

func paymentOf(p *payments.Payment) Payment {
	s := p.Started
	out := Payment{
		PaymentID: p.ID, State: p.State(), UserID: s.GetUserId(), MerchantID: p.Merchant(), Provider: p.Provider(),
		PaymentType: s.GetPaymentType(), Amount: moneyOf(s.GetAmount()), Fee: moneyOf(s.GetFee()), Description: s.GetDescription(),
		ProviderToken: p.Prepared.GetProviderToken(), ExpiresAt: p.Prepared.GetExpiresAt(),
	}
	if posted := p.Posted; posted != nil {
		out.UserID, out.PaymentType = posted.GetUserId(), posted.GetPaymentType()
		out.Amount, out.Fee, out.TransactionID = moneyOf(posted.GetAmount()), moneyOf(posted.GetFee()), posted.GetTransactionId()
		if out.ReceiptID = posted.GetReceiptId(); out.ReceiptID == "" {
			out.ReceiptID = p.ID
		}
	} else if failed := p.Failed; failed != nil {
		out.ReasonCode, out.Message = failed.GetReasonCode(), failed.GetMessage()
	}
	for _, r := range p.Refunds {
		out.Refunds = append(out.Refunds, refundOf(p, r))
	}
	return out
}

func refundOf(p *payments.Payment, r *payments.Refund) Refund {
	out := Refund{
		RefundID: r.ID, PaymentID: p.ID, State: "requested", Amount: moneyOf(r.Requested.GetAmount()), Reason: r.Requested.GetReason(),
	}
	switch {
	case r.Done != nil:
		out.State, out.Amount, out.Reason = "refunded", moneyOf(r.Done.GetAmount()), r.Done.GetReason()
	case r.Failed != nil:
		out.State, out.ReasonCode = "failed", r.Failed.GetReasonCode()
	}
	return out
}

func moneyOf(m *eventsv1.Money) *Money {
	if m == nil {
		return nil
	}
	return &Money{m.GetValue(), m.GetAssetCode(), m.GetAssetScale()}
}
