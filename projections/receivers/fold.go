package receivers

import (
	"cmp"
	"slices"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// folded is a batch as rows, each table's sorted by key.
type folded struct {
	receivers []*receiver
	payments  []*payment
}

type receiverKey struct{ ledger, receiver string }

type paymentKey struct {
	ledger, receiver, txid string
	vout                   uint32
}

// folding is a batch on its way to rows.
type folding struct {
	receivers map[receiverKey]*receiver
	payments  map[paymentKey]*payment
}

// fold is pure.
func fold(records []eventlog.Record) folded {
	f := folding{make(map[receiverKey]*receiver, len(records)), make(map[paymentKey]*payment, len(records))}
	for i := range records {
		f.event(records[i].Event)
	}
	var out folded
	for _, r := range f.receivers {
		out.receivers = append(out.receivers, r)
	}
	for _, p := range f.payments {
		out.payments = append(out.payments, p)
	}
	slices.SortFunc(out.receivers, func(a, b *receiver) int {
		return cmp.Or(cmp.Compare(a.ledger, b.ledger), cmp.Compare(a.id, b.id))
	})
	slices.SortFunc(out.payments, func(a, b *payment) int {
		return cmp.Or(cmp.Compare(a.ledger, b.ledger), cmp.Compare(a.receiver, b.receiver),
			cmp.Compare(a.txid, b.txid), cmp.Compare(a.vout, b.vout))
	})
	return out
}

// event takes one in. That receiver_id is the subject is a rule of validation.
func (f *folding) event(event *ledger.Event) {
	r := f.receiver(event)
	switch data := event.Data.(type) {
	case *eventsv1.ReceiverCreated:
		r.created(event, data)
	case *eventsv1.ReceiverPaymentDetected:
		f.payment(event, r, rankDetected, stateDetected, data, data.InstantLocked)
	case *eventsv1.ReceiverPaymentConfirmed:
		f.payment(event, r, rankConfirmed, stateConfirmed, data, data.InstantLocked)
	case *eventsv1.ReceiverPaymentReversed:
		f.payment(event, r, rankReversed, stateReversed, data, data.InstantLocked)
	case *eventsv1.ReceiverExpired:
		said := description{stamp: newStamp(event, rankExpired), merchant: data.GetMerchantId()}
		r.hear(&said)
		r.expired.earlier(moment{true, said.at})
	case interface{ GetCallbackUrl() string }: // Delivered or failed.
		said := description{stamp: newStamp(event, rankCallback)}
		r.hear(&said)
		r.called(said.stamp, data.GetCallbackUrl())
	default:
		panic("an event that is not of receivers: " + string(event.Type))
	}
}

// receiver finds or makes the receiver that an event is about.
func (f *folding) receiver(event *ledger.Event) *receiver {
	key := receiverKey{event.Ledger, event.Subject}
	r, ok := f.receivers[key]
	if !ok {
		r = &receiver{ledger: event.Ledger, id: event.Subject}
		f.receivers[key] = r
	}
	return r
}

// paid is what the three types of a payment's events have in common.
type paid interface {
	GetMerchantId() string
	GetChain() string
	GetAddress() string
	GetTxid() string
	GetVout() uint32
	GetAmount() *eventsv1.Money
}

// payment takes in an event about a payment: it tells of the receiver, too.
func (f *folding) payment(event *ledger.Event, r *receiver, rank, state int16, data paid, locked *bool) {
	asset := data.GetAmount().GetAssetCode()
	r.hear(&description{
		stamp: newStamp(event, rank), merchant: data.GetMerchantId(), chain: data.GetChain(), address: data.GetAddress(), asset: asset,
	})
	key := paymentKey{event.Ledger, event.Subject, data.GetTxid(), data.GetVout()}
	p, ok := f.payments[key]
	if !ok {
		p = &payment{ledger: key.ledger, receiver: key.receiver, txid: key.txid, vout: key.vout}
		f.payments[key] = p
	}
	p.hear(&outcome{newStamp(event, state), asset, ledger.MoneyAmount(data.GetAmount())}, locked)
}
