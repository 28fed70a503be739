package receipts

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// The kinds of movements.
const (
	movedPosted   = 1
	movedRefunded = 2
	movedDisputed = 3
)

// movement is an event that moved money: a row of movements.
type movement struct {
	kind                                 int16
	event                                uuid.UUID
	ledger, payment, provider, reference string
}

// folded is a batch as rows, each table's sorted by key.
type folded struct {
	payments  []*payment
	refunds   []*refund
	movements []movement
}

type paymentKey struct{ ledger, payment string }

type refundKey struct{ ledger, payment, refund string }

// folding is a batch on its way to rows.
type folding struct {
	payments  map[paymentKey]*payment
	refunds   map[refundKey]*refund
	movements []movement
}

// fold is pure.
func fold(records []eventlog.Record) folded {
	f := folding{
		payments: make(map[paymentKey]*payment, len(records)), refunds: map[refundKey]*refund{},
		movements: make([]movement, 0, len(records)),
	}
	for i := range records {
		f.event(records[i].Event)
	}
	out := folded{movements: f.movements}
	for _, p := range f.payments {
		out.payments = append(out.payments, p)
	}
	for _, r := range f.refunds {
		out.refunds = append(out.refunds, r)
	}
	slices.SortFunc(out.payments, func(a, b *payment) int {
		return cmp.Or(cmp.Compare(a.ledger, b.ledger), cmp.Compare(a.id, b.id))
	})
	slices.SortFunc(out.refunds, func(a, b *refund) int {
		return cmp.Or(cmp.Compare(a.ledger, b.ledger), cmp.Compare(a.payment, b.payment), cmp.Compare(a.id, b.id))
	})
	return out
}

// event takes one in. That payment_id is the subject is a rule of validation.
func (f *folding) event(event *ledger.Event) {
	said := newFact(event)
	switch data := event.Data.(type) {
	case *eventsv1.PaymentStarted:
		said.parties(data)
		said.money(data.GetAmount())
		f.payment(event).add(started, &said)
	case *eventsv1.PaymentPrepared:
		said.provider = data.GetProvider()
		f.payment(event).add(prepared, &said)
	case *eventsv1.PaymentPostRequested:
		said.transaction = data.GetTransactionId()
		said.money(data.GetAmount())
		f.payment(event).add(postRequested, &said)
	case *eventsv1.PaymentPosted:
		f.posted(event, data, said)
	case *eventsv1.PaymentFailed:
		said.provider, said.merchant = data.GetProvider(), data.GetMerchantId()
		f.payment(event).add(failed, &said)
	case *eventsv1.PaymentCancelled:
		f.payment(event).add(cancelled, &said)
	case *eventsv1.PaymentRefundRequested:
		said.reason = data.GetReason()
		said.money(data.GetAmount())
		f.refund(event, data.GetRefundId(), refundRequested, &said)
	case *eventsv1.PaymentRefundFailed:
		f.refund(event, data.GetRefundId(), refundFailed, &said)
	case *eventsv1.PaymentRefunded:
		f.refunded(event, data, said)
	default:
		f.dispute(event, said)
	}
}

// parties are who takes part, as most types say it.
func (f *fact) parties(data interface {
	GetMerchantId() string
	GetUserId() string
	GetProvider() string
	GetPaymentType() string
},
) {
	f.merchant, f.user = data.GetMerchantId(), data.GetUserId()
	f.provider, f.paymentType = data.GetProvider(), data.GetPaymentType()
}

func (f *folding) posted(event *ledger.Event, data *eventsv1.PaymentPosted, said fact) {
	said.parties(data)
	said.money(data.GetAmount())
	said.setFee(data.GetFee())
	said.transaction, said.receipt = data.GetTransactionId(), cmp.Or(data.GetReceiptId(), data.GetPaymentId())
	said.lines, said.fresh = data.GetLines(), true
	p := f.payment(event)
	p.add(posted, &said)
	p.posts++
	p.receiptLatest = max(p.receiptLatest, said.at)
	f.move(event, movedPosted, data.GetProvider(), data.GetTransactionId())
}

func (f *folding) refunded(event *ledger.Event, data *eventsv1.PaymentRefunded, said fact) {
	said.parties(data)
	said.money(data.GetAmount())
	p := f.payment(event)
	p.add(refunded, &said)
	p.refunds++
	p.receiptLatest = max(p.receiptLatest, said.at)
	sums := in(&p.moved, said.asset)
	sums.refunded.Add(said.amount)
	sums.refunds++
	said.setFee(data.GetFeeReturned())
	said.reason = data.GetReason()
	f.refund(event, data.GetRefundId(), refundDone, &said)
	f.move(event, movedRefunded, data.GetProvider(), data.GetRefundId())
}

// dispute is an event of any of its three types, which say the same.
func (f *folding) dispute(event *ledger.Event, said fact) {
	data, ok := event.Data.(interface {
		GetDisputeId() string
		GetProvider() string
		GetMerchantId() string
		GetAmount() *eventsv1.Money
	})
	if !ok {
		panic("an event that is not wanted: " + string(event.Type))
	}
	said.provider, said.merchant = data.GetProvider(), data.GetMerchantId()
	said.money(data.GetAmount())
	p := f.payment(event)
	p.add(disputed, &said)
	sums := in(&p.moved, said.asset)
	switch event.Data.(type) {
	case *eventsv1.PaymentDisputeOpened:
		sums.opened.Add(said.amount)
	case *eventsv1.PaymentDisputeWon:
		sums.won.Add(said.amount)
	default:
		sums.lost.Add(said.amount)
	}
	f.move(event, movedDisputed, data.GetProvider(), data.GetDisputeId())
}

// payment finds or makes the payment that an event is about.
func (f *folding) payment(event *ledger.Event) *payment {
	key := paymentKey{event.Ledger, event.Subject}
	p, ok := f.payments[key]
	if !ok {
		p = &payment{ledger: event.Ledger, id: event.Subject}
		f.payments[key] = p
	}
	return p
}

// add takes a fact in.
func (p *payment) add(place int, said *fact) {
	p.facts[place].later(said)
	p.latest = max(p.latest, said.at)
}

func (f *folding) refund(event *ledger.Event, id string, place int, said *fact) {
	key := refundKey{event.Ledger, event.Subject, id}
	r, ok := f.refunds[key]
	if !ok {
		r = &refund{ledger: event.Ledger, payment: event.Subject, id: id}
		f.refunds[key] = r
	}
	r.facts[place].later(said)
}

func (f *folding) move(event *ledger.Event, kind int16, provider, reference string) {
	f.movements = append(f.movements, movement{kind, event.ID, event.Ledger, event.Subject, provider, reference})
}
