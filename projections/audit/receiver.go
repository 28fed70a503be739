package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// told is what an event says of a receiver, or of a payment to it. What it leaves out is empty, or nil.
type told struct {
	at time.Time
	id uuid.UUID

	merchant, chain, address, asset, fiatCode, url string
	amount, fiat, rate                             *big.Int
	expires                                        time.Time
	locked                                         *bool
}

// tell takes down what an event of a receiver says. It shares no memory with the event.
func (w words) tell(event *ledger.Event) *told {
	t := &told{at: event.Time, id: event.ID}
	if d, ok := event.Data.(interface{ GetMerchantId() string }); ok {
		t.merchant = w.keep(d.GetMerchantId())
	}
	if d, ok := event.Data.(interface {
		GetChain() string
		GetAddress() string
	}); ok {
		t.chain, t.address = w.keep(d.GetChain()), strings.Clone(d.GetAddress())
	}
	if d, ok := event.Data.(interface{ GetCallbackUrl() string }); ok {
		t.url = w.keep(d.GetCallbackUrl())
	}
	if d, ok := event.Data.(interface{ GetAmount() *eventsv1.Money }); ok {
		t.asset, t.amount = w.keep(d.GetAmount().GetAssetCode()), units(d.GetAmount())
	}
	switch d := event.Data.(type) {
	case *eventsv1.ReceiverCreated:
		w.tellOrder(t, d)
	case *eventsv1.ReceiverPaymentDetected:
		t.locked = copied(d.InstantLocked)
	case *eventsv1.ReceiverPaymentConfirmed:
		t.locked = copied(d.InstantLocked)
	case *eventsv1.ReceiverPaymentReversed:
		t.locked = copied(d.InstantLocked)
	}
	return t
}

// tellOrder takes down what a receiver is created for.
func (w words) tellOrder(t *told, d *eventsv1.ReceiverCreated) {
	t.asset, t.amount = w.keep(d.GetAmountDue().GetAssetCode()), units(d.GetAmountDue())
	t.fiatCode, t.fiat = w.keep(d.GetAmountFiat().GetAssetCode()), units(d.GetAmountFiat())
	rate, ok := parseDecimal(d.GetBaseFiat())
	if !ok {
		panic(fmt.Sprintf("a valid event has the rate %q", d.GetBaseFiat()))
	}
	t.rate = rate
	if text := d.GetExpiresAt(); text != "" {
		at, err := ledger.ParseTime(text)
		if err != nil {
			panic(fmt.Sprintf("a valid event expires at %q", text))
		}
		t.expires = at
	}
}

func copied(b *bool) *bool {
	if b == nil {
		return nil
	}
	return new(*b)
}

// newest keeps, by type, the event that happened last; of several at once the one with the highest id.
type newest map[ledger.Type]*told

func (n newest) hear(kind ledger.Type, t *told) {
	before := n[kind]
	if before == nil || cmp.Or(t.at.Compare(before.at), bytes.Compare(t.id[:], before.id[:])) > 0 {
		n[kind] = t
	}
}

// first is the newest event of the first type that has any, nil if none has.
func (n newest) first(order ...ledger.Type) *told {
	for _, kind := range order {
		if t := n[kind]; t != nil {
			return t
		}
	}
	return nil
}

// callbacks stands for both types of callbacks.
const callbacks = ledger.TypeReceiverCallbackDelivered

// outputStates are a payment's, the one that outranks the others first.
func outputStates() []ledger.Type {
	return []ledger.Type{
		ledger.TypeReceiverPaymentReversed, ledger.TypeReceiverPaymentConfirmed, ledger.TypeReceiverPaymentDetected,
	}
}

// receiver is a row of books.receivers.
type receiver struct {
	met

	said    newest
	urls    newest // Of the events that name one.
	expired time.Time
	updated time.Time
	outputs map[string]*output // By txid and vout.
}

func newReceiver() *receiver {
	return &receiver{said: newest{}, urls: newest{}, outputs: map[string]*output{}}
}

func (r *receiver) hear(kind ledger.Type, t *told) {
	if kind == ledger.TypeReceiverCallbackFailed {
		kind = callbacks
	}
	r.said.hear(kind, t)
	if t.url != "" {
		r.urls.hear(kind, t)
	}
	r.updated = latest(r.updated, t.at)
	if kind == ledger.TypeReceiverExpired {
		r.expired = earliest(r.expired, t.at)
	}
}

// earliest is the earlier of two times, of which a zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// who is the event that says who the receiver is of, and where.
func (r *receiver) who() *told {
	return r.said.first(ledger.TypeReceiverCreated, ledger.TypeReceiverPaymentConfirmed, ledger.TypeReceiverPaymentDetected,
		ledger.TypeReceiverPaymentReversed, ledger.TypeReceiverExpired, callbacks)
}

// sum is what the payments in a state add up to, in the receiver's asset.
func (r *receiver) sum(state ledger.Type) *big.Int {
	sum, asset := new(big.Int), r.who().asset
	for _, o := range r.outputs {
		if decides := o.said.first(outputStates()...); decides == o.said[state] && decides.asset == asset {
			sum.Add(sum, decides.amount)
		}
	}
	return sum
}

func (r *receiver) state(pending, confirmed *big.Int) string {
	created, expired := r.said[ledger.TypeReceiverCreated], !r.expired.IsZero()
	some := confirmed.Sign() > 0
	switch {
	case some && created != nil && created.amount.Sign() == 0:
		return "paid"
	case some && created != nil && confirmed.Cmp(created.amount) > 0:
		return "overpaid"
	case some && created != nil && confirmed.Cmp(created.amount) == 0:
		return "paid"
	case some && expired:
		return "underpaid_expired"
	case some:
		return "partial"
	case pending.Sign() > 0:
		return "detected"
	case expired:
		return "expired"
	default:
		return "waiting"
	}
}

// cells are those of books.receivers.
func (r *receiver) cells() []string {
	who, created := r.who(), r.said[ledger.TypeReceiverCreated]
	pending, confirmed := r.sum(ledger.TypeReceiverPaymentDetected), r.sum(ledger.TypeReceiverPaymentConfirmed)
	url, order, createdAt := &told{}, &told{}, time.Time{}
	if t := r.urls.first(ledger.TypeReceiverCreated, callbacks); t != nil {
		url = t
	}
	if created != nil {
		order, createdAt = created, created.at
	}
	return []string{
		r.state(pending, confirmed), textCell(who.merchant), textCell(who.chain), textCell(who.address), textCell(who.asset),
		textCell(order.fiatCode), textCell(url.url), timeCell(order.expires), timeCell(createdAt), timestamp(r.updated),
		amountCell(order.amount), decimal(pending), decimal(confirmed), amountCell(order.fiat), amountCell(order.rate),
	}
}

// output is a payment to a receiver: a row of books.receiver_payments.
type output struct {
	met

	receiver *receiver
	said     newest
	locks    newest // Of the events that say whether it is locked.
	first    map[ledger.Type]time.Time
	// decided is met by the row that names the deciding event.
	decided met
}

// output finds or makes the payment.
func (r *receiver) output(txid string, vout uint32) *output {
	key := keyOf(txid, strconv.FormatUint(uint64(vout), 10))
	o, ok := r.outputs[key]
	if !ok {
		o = &output{receiver: r, said: newest{}, locks: newest{}, first: map[ledger.Type]time.Time{}}
		r.outputs[strings.Clone(key)] = o
	}
	return o
}

func (o *output) hear(kind ledger.Type, t *told) {
	o.said.hear(kind, t)
	if t.locked != nil {
		o.locks.hear(kind, t)
	}
	o.first[kind] = earliest(o.first[kind], t.at)
}

// late tells whether the receiver had expired when the payment was seen first.
func (o *output) late() bool {
	seen := o.first[ledger.TypeReceiverPaymentDetected]
	if seen.IsZero() {
		seen = earliest(o.first[ledger.TypeReceiverPaymentConfirmed], o.first[ledger.TypeReceiverPaymentReversed])
	}
	expiry := o.receiver.expired
	if created := o.receiver.said[ledger.TypeReceiverCreated]; created != nil {
		expiry = earliest(expiry, created.expires)
	}
	return !expiry.IsZero() && seen.After(expiry)
}

// cells are those of books.receiver_payments.
func (o *output) cells() []string {
	decides, locked, state := o.said.first(outputStates()...), null, "reversed"
	switch decides {
	case o.said[ledger.TypeReceiverPaymentDetected]:
		state = "detected"
	case o.said[ledger.TypeReceiverPaymentConfirmed]:
		state = "confirmed"
	}
	if t := o.locks.first(outputStates()...); t != nil {
		locked = strconv.FormatBool(*t.locked)
	}
	return []string{
		state, decides.asset, locked, timeCell(o.first[ledger.TypeReceiverPaymentDetected]),
		timeCell(o.first[ledger.TypeReceiverPaymentConfirmed]), strconv.FormatBool(o.late()), decimal(decides.amount),
	}
}

// decision is an output as the row that names the event behind its state.
type decision struct{ *output }

func (d decision) meet() bool      { return d.decided.meet() }
func (d decision) wasMet() bool    { return d.decided.wasMet() }
func (d decision) cells() []string { return []string{d.said.first(outputStates()...).id.String()} }

// textCell is a text for a cell, NULL where it is empty.
func textCell(s string) string { return cmp.Or(s, null) }

// timeCell is a time for a cell, NULL where there is none.
func timeCell(t time.Time) string {
	if t.IsZero() {
		return null
	}
	return timestamp(t)
}
