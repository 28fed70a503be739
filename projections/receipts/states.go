package receipts

import "github.com/tributary-ledger/tributary/ledger"

// String is the state as books.payments shows it; empty where there is none.
func (s state) String() string {
	names := [...]string{
		"", "started", "prepared", "post_requested", "cancelled", "failed", "posted", "disputed", "partially_refunded", "refunded",
	}
	if s < 0 || int(s) >= len(names) {
		return ""
	}
	return names[s]
}

// States are a payment's states after each of some events, all of that payment and each once, in the order given: what
// books.payments would say if no more were known. An event that is none of a payment's leaves the state as it is; before the
// first that makes one it is empty.
func States(events []*ledger.Event) []string {
	f := folding{payments: map[paymentKey]*payment{}, refunds: map[refundKey]*refund{}}
	states := make([]string, len(events))
	for i, event := range events {
		if isPayment(event.Data) {
			f.event(event)
		}
		if p, ok := f.payments[paymentKey{event.Ledger, event.Subject}]; ok {
			states[i] = p.state().String()
		}
	}
	return states
}
