package receivers

import "github.com/tributary-ledger/tributary/ledger"

// States are a receiver's states after each of some events, all of that receiver and each once, in the order given: what
// books.receivers would say if no more were known. The rules are those of the view.
func States(events []*ledger.Event) []string {
	f := folding{map[receiverKey]*receiver{}, map[paymentKey]*payment{}}
	states := make([]string, len(events))
	for i, event := range events {
		f.event(event)
		states[i] = f.state(f.receiver(event))
	}
	return states
}

// state adds up what was paid to one of the folded receivers.
func (f *folding) state(r *receiver) string {
	var confirmed, pending, due ledger.Sum
	due.Add(r.said.due)
	for _, p := range f.payments {
		if p.ledger != r.ledger || p.receiver != r.id || p.said.asset != r.said.asset {
			continue
		}
		switch p.said.rank {
		case stateConfirmed:
			confirmed.Add(p.said.amount)
		case stateDetected:
			pending.Add(p.said.amount)
		}
	}
	known, over := r.said.rank == rankCreated, confirmed.Big().Cmp(due.Big())
	switch {
	case known && over > 0 && !due.IsZero():
		return "overpaid"
	case known && over >= 0 && !confirmed.IsZero():
		return "paid"
	case !confirmed.IsZero() && r.expired.known:
		return "underpaid_expired"
	case !confirmed.IsZero():
		return "partial"
	case !pending.IsZero():
		return "detected"
	case r.expired.known:
		return "expired"
	default:
		return "waiting"
	}
}
