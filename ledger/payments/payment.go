package payments

import (
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Payment is what a payment's own events make of it, in the log's order.
type Payment struct {
	Ledger, ID string
	// Started is the intent that counts: the first. Nil where the log has none.
	Started *eventsv1.PaymentStarted
	// Prepared is the provider's answer to it.
	Prepared *eventsv1.PaymentPrepared
	// Charge is the intent to charge that counts: the first that was allowed.
	Charge *eventsv1.PaymentPostRequested
	// Posted, Failed and Cancelled are how it ended.
	Posted    *eventsv1.PaymentPosted
	Failed    *eventsv1.PaymentFailed
	Cancelled bool
	// Refunds are in the order of their requests.
	Refunds []*Refund
	// Last is where the log has the last of the events.
	Last eventlog.Position

	startOurs, chargeOurs bool // the intents came through the gateway
	again                 bool // what is open may have been tried before
	disputes              map[string]*dispute
	seen                  map[uuid.UUID]eventlog.Record
	refused               map[uuid.UUID]*Refusal
}

// Refund is one refund of a payment.
type Refund struct {
	ID string
	// Requested is the intent; nil where only the outcome is in the log.
	Requested *eventsv1.PaymentRefundRequested
	// Refusal is set where the refund was not allowed at its place in the log.
	Refusal *Refusal
	// Done and Failed are its outcome.
	Done   *eventsv1.PaymentRefunded
	Failed *eventsv1.PaymentRefundFailed

	intent uuid.UUID
	ours   bool
}

// dispute is money that the provider holds back, or has taken back.
type dispute struct {
	amount ledger.Amount
	won    bool
}

// Fold makes the payment of its events. It is pure, and what it says of an intent depends on what is before it alone. Events that come
// again count once.
func Fold(books, id string, past []eventlog.Record) *Payment {
	p := &Payment{
		Ledger: books, ID: id,
		disputes: map[string]*dispute{}, seen: map[uuid.UUID]eventlog.Record{}, refused: map[uuid.UUID]*Refusal{},
	}
	for i := range past {
		p.add(past[i])
	}
	return p
}

// add takes the next event in.
func (p *Payment) add(record eventlog.Record) {
	event := record.Event
	if _, again := p.seen[event.ID]; again {
		return
	}
	p.seen[event.ID], p.Last = record, record.Position
	switch data := event.Data.(type) {
	case *eventsv1.PaymentStarted:
		if p.Started != nil {
			p.refused[event.ID] = refusal(CodeExists, "payment %s was started by another request", p.ID)
			return
		}
		p.Started, p.startOurs = data, isOurs(event)
	case *eventsv1.PaymentPrepared:
		if p.Prepared == nil {
			p.Prepared = data
		}
	case *eventsv1.PaymentPostRequested:
		if p.refused[event.ID] = p.mayPost(data); p.refused[event.ID] == nil {
			p.Charge, p.chargeOurs = data, isOurs(event)
		}
	case *eventsv1.PaymentPosted:
		if p.Posted == nil {
			p.Posted = data
		}
	case *eventsv1.PaymentFailed:
		p.fail(event.ID, data)
	case *eventsv1.PaymentCancelled:
		p.Cancelled = p.Cancelled || p.mayFail() == nil
	default:
		p.addAfter(event)
	}
}

// addAfter takes in what follows a post.
func (p *Payment) addAfter(event *ledger.Event) {
	switch data := event.Data.(type) {
	case *eventsv1.PaymentRefundRequested:
		p.requestRefund(event, data)
	case *eventsv1.PaymentRefunded:
		if r := p.refund(data.GetRefundId()); r.Done == nil {
			r.Done = data
		}
	case *eventsv1.PaymentRefundFailed:
		if r := p.refund(data.GetRefundId()); r.Failed == nil {
			r.Failed = data
		}
	case *eventsv1.PaymentDisputeOpened:
		p.dispute(data.GetDisputeId(), data.GetAmount())
	case *eventsv1.PaymentDisputeLost:
		p.dispute(data.GetDisputeId(), data.GetAmount())
	case *eventsv1.PaymentDisputeWon:
		p.dispute(data.GetDisputeId(), data.GetAmount()).won = true
	}
}

func (p *Payment) dispute(id string, amount *eventsv1.Money) *dispute {
	if p.disputes[id] == nil {
		p.disputes[id] = &dispute{amount: ledger.MoneyAmount(amount)}
	}
	return p.disputes[id]
}

// fail ends the payment. What somebody says of a charge that is under way does not: only the provider knows what becomes of that.
func (p *Payment) fail(id uuid.UUID, data *eventsv1.PaymentFailed) {
	if id != p.outcomeID(purposeDeclined) {
		if refused := p.mayFail(); refused != nil {
			p.refused[id] = refused
			return
		}
	}
	if p.Failed == nil {
		p.Failed = data
	}
}

func (p *Payment) requestRefund(event *ledger.Event, data *eventsv1.PaymentRefundRequested) {
	if r := p.find(data.GetRefundId()); r != nil {
		p.refused[event.ID] = refusal(CodeExists, "refund %s of payment %s was requested before", r.ID, p.ID)
		return
	}
	r := &Refund{ID: data.GetRefundId(), Requested: data, Refusal: p.mayRefund(data.GetAmount()), intent: event.ID, ours: isOurs(event)}
	p.Refunds = append(p.Refunds, r)
	if r.Refusal != nil {
		p.refused[event.ID] = r.Refusal
	}
}

// find is the refund with an id, nil where there is none.
func (p *Payment) find(id string) *Refund {
	for _, r := range p.Refunds {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// refund finds a refund, or makes one of which only the outcome is known.
func (p *Payment) refund(id string) *Refund {
	r := p.find(id)
	if r == nil {
		r = &Refund{ID: id}
		p.Refunds = append(p.Refunds, r)
	}
	return r
}

// taken is how much of the refund counts against the payment.
func (r *Refund) taken() ledger.Amount {
	switch {
	case r.Done != nil:
		return ledger.MoneyAmount(r.Done.GetAmount())
	case r.Refusal == nil && r.Failed == nil:
		return ledger.MoneyAmount(r.Requested.GetAmount())
	default:
		return ledger.Amount{}
	}
}

// Open tells whether the refund is allowed, and its outcome is not known yet.
func (r *Refund) Open() bool {
	return r.Requested != nil && r.Refusal == nil && r.Done == nil && r.Failed == nil
}

// sourcePrefix begins the source of every event that somebody sent through the gateway.
const sourcePrefix = "/keys/"

// isOurs tells whether an intent came through the gateway, which then has to see to its outcome. Other producers' are theirs.
func isOurs(event *ledger.Event) bool { return strings.HasPrefix(event.Source, sourcePrefix) }

// State is the payment's, as books.payments calls it.
func (p *Payment) State() string {
	switch refunded := p.refunded(); {
	case p.Posted != nil && !refunded.IsZero() && refunded.Big().Cmp(ledger.MoneyAmount(p.Posted.GetAmount()).Big()) >= 0:
		return "refunded"
	case !refunded.IsZero():
		return "partially_refunded"
	case p.Posted != nil && p.disputed():
		return "disputed"
	case p.Posted != nil:
		return "posted"
	case p.Failed != nil:
		return "failed"
	case p.Cancelled:
		return "cancelled"
	case p.Charge != nil:
		return "post_requested"
	case p.Prepared != nil:
		return "prepared"
	default:
		return "started"
	}
}

func (p *Payment) refunded() ledger.Sum {
	var sum ledger.Sum
	for _, r := range p.Refunds {
		if r.Done != nil {
			sum.Add(ledger.MoneyAmount(r.Done.GetAmount()))
		}
	}
	return sum
}

func (p *Payment) disputed() bool {
	for _, d := range p.disputes {
		if !d.won {
			return true
		}
	}
	return false
}

// Merchant is whom the money is for.
func (p *Payment) Merchant() string {
	if p.Started != nil {
		return p.Started.GetMerchantId()
	}
	return p.Posted.GetMerchantId()
}

// Provider is who takes the money.
func (p *Payment) Provider() string {
	if p.Started != nil {
		return p.Started.GetProvider()
	}
	return p.Posted.GetProvider()
}

// known tells whether the log has a payment there at all.
func (p *Payment) known() bool { return p.Started != nil || p.Posted != nil }
