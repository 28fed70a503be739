package audit

import (
	"math/big"
	"strconv"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
)

// authority is in which order events are asked for a payment's field.
func authority() [][]ledger.Type {
	return [][]ledger.Type{
		{ledger.TypePaymentPosted},
		{ledger.TypePaymentPostRequested},
		{ledger.TypePaymentStarted},
		{ledger.TypePaymentPrepared},
		{ledger.TypePaymentFailed},
		{ledger.TypePaymentRefunded},
		disputes(),
	}
}

// disputes are types that are asked as one.
func disputes() []ledger.Type {
	return []ledger.Type{ledger.TypePaymentDisputeOpened, ledger.TypePaymentDisputeWon, ledger.TypePaymentDisputeLost}
}

// moved is what a payment's events moved in one asset.
type moved struct {
	refunded, opened, won, lost big.Int
	refunds                     int
}

// disputed is the greater of what is open and what is lost.
func (m *moved) disputed() *big.Int {
	open := new(big.Int).Sub(&m.opened, &m.won)
	if open.Cmp(&m.lost) < 0 {
		return &m.lost
	}
	return open
}

// payment is what became of a payment: a row of books.payments and, when it is posted, of books.receipts.
type payment struct {
	met

	receipt met
	facts   facts
	moved   map[string]*moved // By asset.
	// receiptEvents are those that a receipt shows.
	receiptEvents             int
	updatedAt, receiptUpdated time.Time
}

// hear takes in an event that is about the payment itself.
func (p *payment) hear(s said) {
	group := []ledger.Type{s.kind}
	for _, kind := range disputes() {
		if s.kind == kind {
			group = disputes()
		}
	}
	p.facts = p.facts.hear(s, group...)
	p.updatedAt = latest(p.updatedAt, s.at)
	if s.kind == ledger.TypePaymentPosted || s.kind == ledger.TypePaymentRefunded {
		p.receiptEvents++
		p.receiptUpdated = latest(p.receiptUpdated, s.at)
	}
	switch s.kind {
	case ledger.TypePaymentRefunded:
		m := p.in(s.asset)
		m.refunds++
		m.refunded.Add(&m.refunded, s.amount)
	case ledger.TypePaymentDisputeOpened:
		m := p.in(s.asset)
		m.opened.Add(&m.opened, s.amount)
	case ledger.TypePaymentDisputeWon:
		m := p.in(s.asset)
		m.won.Add(&m.won, s.amount)
	case ledger.TypePaymentDisputeLost:
		m := p.in(s.asset)
		m.lost.Add(&m.lost, s.amount)
	default:
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (p *payment) in(asset string) *moved {
	m, ok := p.moved[asset]
	if !ok {
		if p.moved == nil {
			p.moved = map[string]*moved{}
		}
		m = &moved{}
		p.moved[asset] = m
	}
	return m
}

// own is what moved in the payment's own asset.
func (p *payment) own() *moved {
	if m, ok := p.moved[p.text(func(s *said) string { return s.asset })]; ok {
		return m
	}
	return &moved{}
}

func (p *payment) text(field func(*said) string) string { return p.facts.first(authority(), field) }

// amount comes from those who say what the payment is to be, not from those who move a part of it.
func (p *payment) amount() *big.Int {
	for _, kind := range []ledger.Type{ledger.TypePaymentPosted, ledger.TypePaymentPostRequested, ledger.TypePaymentStarted} {
		if s := p.facts.of(kind); s != nil {
			return s.amount
		}
	}
	return nil
}

// state is the first that holds.
func (p *payment) state() string {
	posted, inDispute := p.facts.of(ledger.TypePaymentPosted), false
	for _, m := range p.moved {
		inDispute = inDispute || m.disputed().Sign() > 0
	}
	own := p.own()
	for _, state := range []struct {
		name  string
		holds bool
	}{
		{"refunded", posted != nil && own.refunds > 0 && own.refunded.Cmp(posted.amount) >= 0},
		{"partially_refunded", p.facts.of(ledger.TypePaymentRefunded) != nil},
		{"disputed", inDispute},
		{"posted", posted != nil},
		{"failed", p.facts.of(ledger.TypePaymentFailed) != nil},
		{"cancelled", p.facts.of(ledger.TypePaymentCancelled) != nil},
		{"post_requested", p.facts.of(ledger.TypePaymentPostRequested) != nil},
		{"prepared", p.facts.of(ledger.TypePaymentPrepared) != nil},
		{"started", p.facts.of(ledger.TypePaymentStarted) != nil},
	} {
		if state.holds {
			return state.name
		}
	}
	return "disputed"
}

// cells are those of books.payments.
func (p *payment) cells() []string {
	own := p.own()
	return []string{
		p.state(),
		p.text(func(s *said) string { return s.merchant }), p.text(func(s *said) string { return s.user }),
		p.text(func(s *said) string { return s.provider }), p.text(func(s *said) string { return s.paymentType }),
		p.text(func(s *said) string { return s.asset }), p.text(func(s *said) string { return s.receipt }),
		p.text(func(s *said) string { return s.transaction }),
		moment(p.facts.of(ledger.TypePaymentStarted)), moment(p.facts.of(ledger.TypePaymentPosted)), timestamp(p.updatedAt),
		amountCell(p.amount()), decimal(&own.refunded), decimal(own.disputed()),
	}
}

// receipt is a posted payment as a row of books.receipts.
type receipt struct{ *payment }

func (r receipt) meet() bool   { return r.receipt.meet() }
func (r receipt) wasMet() bool { return r.receipt.wasMet() }

func (r receipt) cells() []string {
	posted := r.facts.of(ledger.TypePaymentPosted)
	return []string{
		posted.receipt, posted.user, posted.merchant, posted.provider, posted.paymentType, posted.asset,
		timestamp(posted.at), timestamp(r.receiptUpdated), strconv.Itoa(r.receiptEvents),
		amountCell(posted.amount), amountCell(posted.fee), decimal(&r.own().refunded),
	}
}

// refund is a row of books.refunds.
type refund struct {
	met

	facts facts
}

func (r *refund) cells() []string {
	done, requested := r.facts.of(ledger.TypePaymentRefunded), r.facts.of(ledger.TypePaymentRefundRequested)
	decides, state := done, "refunded"
	if decides == nil {
		decides, state = r.facts.of(ledger.TypePaymentRefundFailed), "failed"
	}
	if decides == nil {
		decides, state = requested, "requested"
	}
	order := [][]ledger.Type{
		{ledger.TypePaymentRefunded}, {ledger.TypePaymentRefundFailed}, {ledger.TypePaymentRefundRequested},
	}
	amount, fee := (*big.Int)(nil), (*big.Int)(nil)
	switch {
	case done != nil:
		amount, fee = done.amount, done.fee
	case requested != nil:
		amount = requested.amount
	}
	return []string{
		state, r.facts.first(order, func(s *said) string { return s.merchant }),
		r.facts.first(order, func(s *said) string { return s.asset }),
		r.facts.first(order, func(s *said) string { return s.reason }), timestamp(decides.at),
		amountCell(amount), amountCell(fee),
	}
}
