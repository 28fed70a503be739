package simulation

import (
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// payment is the life of a payment, from the intent to its last refund or dispute.
type payment struct {
	id, token, transaction, userID, email string

	merchant, provider, currency int
	providerName, kind           string
	amount, fee                  uint64
	// feeReturned tells that refunds return their part of the fee.
	feeReturned bool

	// stands is where it stands, as a reader of the books should see it.
	stands paymentStanding

	// caseID is the id of the refund or dispute that goes on.
	caseID  string
	started bool
	plan    plan[paymentStep]
}

// paymentStanding is a payment's state, and what of its amount was refunded, and is disputed or was lost.
type paymentStanding struct {
	state              string
	refunded, disputed uint64
}

// newPayment is a payment of any user to a merchant that will end as fate says.
func newPayment(w *world, merchant int, fate paymentFate) *payment {
	p := &payment{merchant: merchant, provider: w.anyProvider(), feeReturned: w.chance(600)}
	p.currency = homeOf(p.merchant)
	if w.chance(80) {
		p.currency = w.index(fiatCount)
	}
	p.id, p.token, p.transaction = w.code("pay_", 20), w.code("tok_", 24), w.code("txn_", 20)
	p.userID, p.email = w.user()
	through := &w.providers[p.provider]
	p.providerName, p.kind = through.name, oneOf(w.draw, through.types)
	if fate != paymentPosted || !w.chance(4) { // some orders are free
		p.amount = w.magnitude(100, 200_000)
		p.fee = min(mulDiv(p.amount, 29, 1000)+25, p.amount)
	}
	p.plan = w.planPayment(fate, p.amount)
	return p
}

func (p *payment) source() string { return "urn:simulation:checkout" }

func (p *payment) money(amount uint64) *eventsv1.Money { return money(amount, fiat(p.currency)) }

func (p *payment) advance(w *world) (ledger.Data, time.Duration) {
	before := p.stands
	data, wait := p.live(w)
	w.tally.payment(p, before)
	return data, wait
}

func (p *payment) live(w *world) (ledger.Data, time.Duration) {
	if !p.started {
		p.started = true
		return p.start(w), p.plan.wait()
	}
	next, wait := p.plan.take()
	switch next.step {
	case refundRequested, refundRefunded, refundFailed:
		return p.refund(w, next), wait
	case disputeOpened, disputeWon, disputeLost:
		return p.dispute(w, next), wait
	default:
		return p.proceed(w, next.step), wait
	}
}

func (p *payment) start(w *world) ledger.Data {
	p.stands.state = "started"
	d := &eventsv1.PaymentStarted{
		PaymentId: p.id, UserId: p.userID, Email: p.email, PaymentType: p.kind, Provider: p.providerName,
		MerchantId: merchantID(p.merchant), Amount: p.money(p.amount),
	}
	if w.chance(300) {
		d.Description = "Order " + w.code("#", 6)
	}
	return d
}

// proceed makes the steps from the provider's answer to the charge, or to its end without one.
func (p *payment) proceed(w *world, step paymentStep) ledger.Data {
	switch step {
	case paymentPrepare:
		p.stands.state = "prepared"
		return &eventsv1.PaymentPrepared{
			PaymentId: p.id, Provider: p.providerName, ProviderToken: p.token,
			ExpiresAt: w.start.Add(w.now + time.Hour).Truncate(time.Second).Format(time.RFC3339),
		}
	case paymentRequestPost:
		p.stands.state = "post_requested"
		return &eventsv1.PaymentPostRequested{PaymentId: p.id, TransactionId: p.transaction, Amount: p.money(p.amount)}
	case paymentFail:
		p.stands.state = "failed"
		d := &eventsv1.PaymentFailed{PaymentId: p.id, Provider: p.providerName, MerchantId: merchantID(p.merchant)}
		d.ReasonCode = oneOf(w.draw, []string{"card_declined", "insufficient_funds", "expired_card", "provider_unavailable"})
		return d
	case paymentCancel:
		p.stands.state = "cancelled"
		return &eventsv1.PaymentCancelled{PaymentId: p.id, Reason: oneOf(w.draw, []string{"changed their mind", "abandoned", ""})}
	default:
		return p.post(w)
	}
}

func (p *payment) post(w *world) ledger.Data {
	w.clearing[p.provider][p.currency] += int64(p.amount) //nolint:gosec // small
	w.fees[p.currency] += int64(p.fee)                    //nolint:gosec // small
	w.owe(p.merchant, p.currency, int64(p.amount-p.fee))  //nolint:gosec // small
	w.lastPaid = p.merchant
	p.tellSale(w)
	d := &eventsv1.PaymentPosted{
		PaymentId: p.id, TransactionId: p.transaction, UserId: p.userID, Email: p.email, PaymentType: p.kind,
		Provider: p.providerName, MerchantId: merchantID(p.merchant), Amount: p.money(p.amount),
	}
	if p.fee > 0 {
		d.Fee = p.money(p.fee)
	}
	if w.chance(200) {
		d.ReceiptId = w.code("rcp_", 12)
	}
	if w.chance(650) {
		d.Lines = p.lines(w)
	}
	return d
}

func (p *payment) clearing() account { return account{"provider", p.providerName, "clearing"} }

// tellSale says what a sale does: the provider owes its amount, to the merchant, and of that the fee to the platform.
func (p *payment) tellSale(w *world) {
	p.stands.state = "posted"
	if w.tally == nil {
		return
	}
	in, merchant := fiat(p.currency), merchantID(p.merchant)
	w.tally.move(p.clearing(), merchantAccount(merchant, "payable"), p.amount-p.fee, in)
	w.tally.move(p.clearing(), platformFees(), p.fee, in)
	w.tally.receipt(p.amount, p.fee, in)
	w.tally.earn(w.now, "payments", merchant, in, func(e *earned) {
		e.gross.add(p.amount)
		e.fees.add(p.fee)
	})
}

func merchantAccount(id, leaf string) account { return account{"merchant", id, leaf} }

func platformFees() account { return account{"platform", "fees", ""} }
