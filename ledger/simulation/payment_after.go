package simulation

import (
	"strconv"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// refund makes a step of one refund; its request gives it its id.
func (p *payment) refund(w *world, m move[paymentStep]) ledger.Data {
	reason := oneOf(w.draw, []string{"damaged", "not as described", "returned within 14 days", "ordered twice"})
	switch m.step {
	case refundRequested:
		p.caseID = w.code("ref_", 16)
		w.tally.refund("", "requested", m.amount, fiat(p.currency))
		return &eventsv1.PaymentRefundRequested{PaymentId: p.id, RefundId: p.caseID, Amount: p.money(m.amount), Reason: reason}
	case refundFailed:
		w.tally.refund("requested", "failed", m.amount, fiat(p.currency))
		return &eventsv1.PaymentRefundFailed{
			PaymentId: p.id, RefundId: p.caseID, ReasonCode: "account_closed", Message: "The payer's account no longer takes money.",
		}
	default:
		return p.payBack(w, m.amount, reason)
	}
}

func (p *payment) payBack(w *world, amount uint64, reason string) ledger.Data {
	var fee uint64
	if p.feeReturned {
		fee = mulDiv(p.fee, amount, p.amount)
	}
	w.clearing[p.provider][p.currency] -= int64(amount) //nolint:gosec // small
	w.fees[p.currency] -= int64(fee)
	w.owe(p.merchant, p.currency, -int64(amount-fee)) //nolint:gosec // small
	p.tellRefund(w, amount, fee)
	d := &eventsv1.PaymentRefunded{
		PaymentId: p.id, RefundId: p.caseID, TransactionId: w.code("txn_", 20), Provider: p.providerName,
		MerchantId: merchantID(p.merchant), Amount: p.money(amount), Reason: reason, UserId: p.userID, PaymentType: p.kind,
	}
	if fee > 0 {
		d.FeeReturned = p.money(fee)
	}
	return d
}

// tellRefund says what a refund does: the merchant gives the amount back to the provider, the platform its part of it.
func (p *payment) tellRefund(w *world, amount, fee uint64) {
	p.stands.refunded += amount
	p.stands.state = "partially_refunded"
	if p.stands.refunded == p.amount {
		p.stands.state = "refunded"
	}
	if w.tally == nil {
		return
	}
	in, merchant := fiat(p.currency), merchantID(p.merchant)
	w.tally.move(merchantAccount(merchant, "payable"), p.clearing(), amount-fee, in)
	w.tally.move(platformFees(), p.clearing(), fee, in)
	w.tally.refund("requested", "refunded", amount, in)
	w.tally.refunded(amount, in)
	w.tally.earn(w.now, "payments", merchant, in, func(e *earned) {
		e.refunds.add(amount)
		e.feesReturned.add(fee)
	})
}

// dispute makes a step of the dispute; its opening gives it its id.
func (p *payment) dispute(w *world, m move[paymentStep]) ledger.Data {
	merchant, amount := merchantID(p.merchant), p.money(m.amount)
	payable, set := merchantAccount(merchant, "payable"), merchantAccount(merchant, "disputed")
	switch m.step {
	case disputeOpened:
		p.caseID = w.code("dsp_", 16)
		w.owe(p.merchant, p.currency, -int64(m.amount)) //nolint:gosec // small
		p.stands.state, p.stands.disputed = "disputed", m.amount
		w.tally.move(payable, set, m.amount, fiat(p.currency))
		return &eventsv1.PaymentDisputeOpened{
			PaymentId: p.id, DisputeId: p.caseID, Provider: p.providerName, MerchantId: merchant, Amount: amount,
			Reason: oneOf(w.draw, []string{"fraudulent", "product not received", "duplicate"}),
		}
	case disputeWon:
		w.owe(p.merchant, p.currency, int64(m.amount)) //nolint:gosec // small
		p.stands.state, p.stands.disputed = "posted", 0
		w.tally.move(set, payable, m.amount, fiat(p.currency))
		return &eventsv1.PaymentDisputeWon{
			PaymentId: p.id, DisputeId: p.caseID, Provider: p.providerName, MerchantId: merchant, Amount: amount,
		}
	default:
		w.clearing[p.provider][p.currency] -= int64(m.amount) //nolint:gosec // small
		w.tally.move(set, p.clearing(), m.amount, fiat(p.currency))
		w.tally.earn(w.now, "payments", merchant, fiat(p.currency), func(e *earned) { e.refunds.add(m.amount) })
		return &eventsv1.PaymentDisputeLost{
			PaymentId: p.id, DisputeId: p.caseID, Provider: p.providerName, MerchantId: merchant, Amount: amount,
		}
	}
}

// lines are what was bought: quantities times prices add up to the amount, a discount among them now and then.
func (p *payment) lines(w *world) []*eventsv1.Line {
	left := p.amount
	lines := make([]*eventsv1.Line, 0, 5)
	if left >= 1000 && w.chance(60) {
		discount := mulDiv(left, w.upTo(2, 20), 100)
		left += discount
		minus := p.money(discount)
		minus.Value = "-" + minus.GetValue()
		lines = append(lines, &eventsv1.Line{Description: "Discount", Quantity: "1", UnitPrice: minus})
	}
	for range w.below(4) {
		quantity := w.upTo(1, 5)
		price := mulDiv(left, w.upTo(1, 60), 100*quantity)
		left -= quantity * price
		lines = append(lines, p.line(w, quantity, price))
	}
	return append(lines, p.line(w, 1, left))
}

func (p *payment) line(w *world, quantity, price uint64) *eventsv1.Line {
	what := oneOf(w.draw, w.articles)
	return &eventsv1.Line{
		Sku: what.sku, Description: what.description, Quantity: strconv.FormatUint(quantity, 10), UnitPrice: p.money(price),
	}
}
