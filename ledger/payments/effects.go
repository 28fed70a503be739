package payments

import (
	"context"
	"fmt"

	"github.com/tributary-ledger/tributary/ledger/providers"
)

// hasProvider refuses a provider that is not configured here.
func (e *Engine) hasProvider(name string) *Refusal {
	if e.Providers[name] == nil {
		return refusal(CodeProvider, "there is no provider %q here", name)
	}
	return nil
}

// mayCall is nil where the payment's provider can be called from here.
func (e *Engine) mayCall(p *Payment) *Refusal { return e.hasProvider(p.Provider()) }

func (p *Payment) name() providers.Payment {
	return providers.Payment{Ledger: p.Ledger, PaymentID: p.ID}
}

// prepare opens the payment at its provider. It is asked again by a repeat, because what the customer needs is in no event.
func (e *Engine) prepare(ctx context.Context, p *Payment) (providers.Prepared, error) {
	if p.ended() {
		return providers.Prepared{}, nil
	}
	if refused := e.mayCall(p); refused != nil {
		return providers.Prepared{}, refused
	}
	if err := e.step(ctx, "create"); err != nil {
		return providers.Prepared{}, err
	}
	made, err := e.Providers[p.Provider()].Create(ctx, providers.Intent{
		Payment: p.name(), Amount: p.Started.GetAmount(), PaymentType: p.Started.GetPaymentType(), Email: p.Started.GetEmail(),
		Description: p.Started.GetDescription(),
	})
	if err != nil {
		e.unanswered(p, err)
		return providers.Prepared{}, nil
	}
	if p.Prepared != nil {
		return made, nil
	}
	id, data := p.prepared(made)
	return made, e.record(ctx, p, id, data)
}

// charge takes the money, once, however often it is called.
func (e *Engine) charge(ctx context.Context, p *Payment) error {
	if !p.charging() {
		return nil
	}
	if refused := e.mayCall(p); refused != nil {
		return refused
	}
	provider := e.Providers[p.Provider()]
	if p.Prepared == nil {
		if _, err := e.prepare(ctx, p); err != nil || p.Prepared == nil {
			return err
		}
	}
	charge := providers.Charge{
		Payment: p.name(), Token: p.Prepared.GetProviderToken(), TransactionID: p.Charge.GetTransactionId(), Amount: p.Charge.GetAmount(),
	}
	outcome, err := e.operate(ctx, provider, p, charge.Operation(), func() (providers.Outcome, error) { return provider.Confirm(ctx, charge) })
	if err != nil {
		return err
	}
	return e.settle(ctx, p, outcome)
}

// refund gives money back, once, however often it is called. A refund that the log's order refused fails.
func (e *Engine) refund(ctx context.Context, p *Payment, r *Refund) error {
	if r.Refusal != nil {
		id, data := p.refundDeclined(r, &providers.Declined{Reason: string(r.Refusal.Code)})
		return e.record(ctx, p, id, data)
	}
	if !r.Open() {
		return nil
	}
	if refused := e.mayCall(p); refused != nil {
		return refused
	}
	provider := e.Providers[p.Provider()]
	refund := providers.Refund{
		Payment: p.name(), Token: p.Prepared.GetProviderToken(), TransactionID: p.Posted.GetTransactionId(), RefundID: r.ID,
		Amount: r.Requested.GetAmount(), Reason: r.Requested.GetReason(),
	}
	outcome, err := e.operate(ctx, provider, p, refund.Operation(), func() (providers.Outcome, error) { return provider.Refund(ctx, refund) })
	if err != nil {
		return err
	}
	return e.settleRefund(ctx, p, r, outcome)
}

// operate does an operation at a provider. One that may have been tried before is looked up first. A provider that does not answer
// leaves it pending.
func (e *Engine) operate(
	ctx context.Context, provider providers.Provider, p *Payment, operation providers.Operation, do func() (providers.Outcome, error),
) (providers.Outcome, error) {
	pending, outcome := providers.Outcome{State: providers.StatePending}, providers.Outcome{State: providers.StateAbsent}
	var err error
	if p.again {
		if err := e.step(ctx, "look up "+string(operation.Kind)); err != nil {
			return pending, err
		}
		outcome, err = provider.Lookup(ctx, operation)
	}
	if err == nil && outcome.State == providers.StateAbsent {
		if err := e.step(ctx, string(operation.Kind)); err != nil {
			return pending, err
		}
		outcome, err = do()
	}
	if err != nil {
		e.unanswered(p, err)
		return pending, nil
	}
	return outcome, nil
}

// settle records what became of the charge.
func (e *Engine) settle(ctx context.Context, p *Payment, outcome providers.Outcome) error {
	switch outcome.State {
	case providers.StateDone:
		if p.Posted != nil {
			return nil
		}
		id, data := p.posted(outcome)
		return e.record(ctx, p, id, data)
	case providers.StateDeclined:
		id, data := p.declined(outcome.Declined)
		return e.record(ctx, p, id, data)
	default:
		return nil
	}
}

// settleRefund records what became of a refund.
func (e *Engine) settleRefund(ctx context.Context, p *Payment, r *Refund, outcome providers.Outcome) error {
	switch outcome.State {
	case providers.StateDone:
		if p.Posted == nil {
			return fmt.Errorf("payment %s was refunded, and is not posted", p.ID)
		}
		id, data := p.refundedOf(r, outcome)
		return e.record(ctx, p, id, data)
	case providers.StateDeclined:
		id, data := p.refundDeclined(r, outcome.Declined)
		return e.record(ctx, p, id, data)
	default:
		return nil
	}
}

// unanswered tells the operator that a provider does not.
func (e *Engine) unanswered(p *Payment, err error) {
	if e.Logger != nil {
		e.Logger.Warn("a provider does not answer; the recovery will ask again", "payment", p.ID, "provider", p.Provider(), "err", err)
	}
}
