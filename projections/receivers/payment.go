package receivers

import (
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// A payment's states, by rank: numbers of receivers.payments.
const (
	stateDetected = iota + 1
	stateConfirmed
	stateReversed
	paymentStates = stateReversed
)

// payment is what is known of an output that pays a receiver. It merges: see the package's documentation.
type payment struct {
	ledger, receiver, txid string
	vout                   uint32

	said   outcome
	locked lock
	first  [paymentStates]moment // When each state was first so.
}

// outcome is what one event says of a payment; its rank is the payment's state.
type outcome struct {
	stamp

	asset  string
	amount ledger.Amount
}

// lock tells whether the network promised at once never to take the payment back.
type lock struct {
	stamp

	locked bool
}

// merge gives the payment together with what a stored row holds.
func (p *payment) merge(packed []byte) (*payment, error) {
	merged := *p
	u := postgres.Unpack(packed)
	if said := unpackOutcome(u); merged.said.below(&said.stamp) {
		merged.said = said
	}
	if locked := unpackLock(u); merged.locked.below(&locked.stamp) {
		merged.locked = locked
	}
	for i := range merged.first {
		merged.first[i].earlier(unpackMoment(u))
	}
	return &merged, u.Close()
}

// pack is all that merge needs.
func (p *payment) pack() []byte {
	const room = 80
	packer := postgres.Packer{Bytes: make([]byte, 0, room)}
	if p.said.pack(&packer) {
		packer.Text(p.said.asset)
		packer.Uint(p.said.amount.Hi)
		packer.Uint(p.said.amount.Lo)
	}
	if p.locked.pack(&packer) {
		if p.locked.locked {
			packer.Uint(1)
		} else {
			packer.Uint(0)
		}
	}
	for i := range p.first {
		p.first[i].pack(&packer)
	}
	return packer.Bytes
}

func unpackOutcome(u *postgres.Unpacker) outcome {
	o := outcome{stamp: unpackStamp(u)}
	if o.known() {
		o.asset = u.Text()
		o.amount.Hi = u.Uint()
		o.amount.Lo = u.Uint()
	}
	return o
}

func unpackLock(u *postgres.Unpacker) lock {
	l := lock{stamp: unpackStamp(u)}
	if l.known() {
		l.locked = u.Uint() != 0
	}
	return l
}

// hear takes in what an event says; locked may be nil.
func (p *payment) hear(said *outcome, locked *bool) {
	if p.said.below(&said.stamp) {
		p.said = *said
	}
	if locked != nil && p.locked.below(&said.stamp) {
		p.locked = lock{said.stamp, *locked}
	}
	p.first[said.rank-1].earlier(moment{true, said.at})
}

// seen is when the payment was first known of: by its detection, else by the earliest of its other events.
func (p *payment) seen() moment {
	if detected := p.first[stateDetected-1]; detected.known {
		return detected
	}
	seen := p.first[stateConfirmed-1]
	seen.earlier(p.first[stateReversed-1])
	return seen
}
