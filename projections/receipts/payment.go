package receipts

import (
	"slices"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// The places of a payment's facts, by authority: a field comes from the first that names it.
const (
	posted = iota
	postRequested
	started
	prepared
	failed
	refunded
	disputed // Opened, won or lost.
	cancelled
	paymentFacts
)

// state is a payment's, by rank: a number of receipts.payments.
type state int16

const (
	stateStarted state = iota + 1
	statePrepared
	statePostRequested
	stateCancelled
	stateFailed
	statePosted
	stateDisputed
	statePartiallyRefunded
	stateRefunded
)

// payment is what is known of a payment. It merges: see the package's documentation.
type payment struct {
	ledger, id string

	facts [paymentFacts]fact
	moved []moved
	// posts and refunds count events. latest is the latest of all, receiptLatest of those of the receipt.
	posts, refunds        uint64
	latest, receiptLatest int64
}

// merge gives the payment together with what a stored row holds.
func (p *payment) merge(packed []byte) (*payment, error) {
	merged := *p
	merged.moved = slices.Clone(p.moved)
	err := merged.take(packed)
	return &merged, err
}

func (p *payment) take(packed []byte) error {
	u := postgres.Unpack(packed)
	p.posts += u.Uint()
	p.refunds += u.Uint()
	p.latest = max(p.latest, u.Int())
	p.receiptLatest = max(p.receiptLatest, u.Int())
	mergePacked(u, p.facts[:])
	for u.More() {
		stored := unpackMoved(u)
		in(&p.moved, stored.asset).merge(&stored)
	}
	return u.Close()
}

// pack is all that merge needs.
func (p *payment) pack() []byte {
	const room = 192
	packer := postgres.Packer{Bytes: make([]byte, 0, room)}
	packer.Uint(p.posts)
	packer.Uint(p.refunds)
	packer.Int(p.latest)
	packer.Int(p.receiptLatest)
	packFacts(&packer, p.facts[:])
	for i := range p.moved {
		p.moved[i].pack(&packer)
	}
	return packer.Bytes
}

// amount is the fact that names the payment's amount; nil where none does.
func (p *payment) amount() *fact {
	for place := range started + 1 {
		if p.facts[place].known {
			return &p.facts[place]
		}
	}
	return nil
}

func (p *payment) asset() string {
	return first(p.facts[:], func(f *fact) string { return f.asset })
}

// inAsset is what moved in the payment's own asset.
func (p *payment) inAsset() moved {
	asset := p.asset()
	for i := range p.moved {
		if p.moved[i].asset == asset {
			return p.moved[i]
		}
	}
	return moved{}
}

func (p *payment) state() state {
	if p.refunds > 0 {
		own := p.inAsset()
		var whole ledger.Sum
		whole.Add(p.facts[posted].amount)
		if p.facts[posted].known && own.refunds > 0 && compare(own.refunded, whole) >= 0 {
			return stateRefunded
		}
		return statePartiallyRefunded
	}
	for i := range p.moved {
		if sum := p.moved[i].disputed(); !sum.IsZero() {
			return stateDisputed
		}
	}
	for _, s := range [...]struct {
		place int
		state state
	}{
		{posted, statePosted},
		{failed, stateFailed},
		{cancelled, stateCancelled},
		{postRequested, statePostRequested},
		{prepared, statePrepared},
		{started, stateStarted},
	} {
		if p.facts[s.place].known {
			return s.state
		}
	}
	return stateDisputed
}

// The places of a refund's facts, by rank.
const (
	refundDone = iota
	refundFailed
	refundRequested
	refundFacts
)

// refund is what is known of a refund. It merges.
type refund struct {
	ledger, payment, id string
	facts               [refundFacts]fact
}

// merge gives the refund together with what a stored row holds.
func (r *refund) merge(packed []byte) (*refund, error) {
	merged := *r
	u := postgres.Unpack(packed)
	mergePacked(u, merged.facts[:])
	return &merged, u.Close()
}

func (r *refund) pack() []byte {
	const room = 96
	packer := postgres.Packer{Bytes: make([]byte, 0, room)}
	packFacts(&packer, r.facts[:])
	return packer.Bytes
}

// deciding is the place of the fact that decides the state.
func (r *refund) deciding() int {
	for place := range r.facts {
		if r.facts[place].known {
			return place
		}
	}
	return refundRequested
}
