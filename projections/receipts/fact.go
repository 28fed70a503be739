package receipts

import (
	"bytes"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// fact is what an event says, in the terms of all types. Its zero value is no fact.
type fact struct {
	known bool
	at    int64 // Event time in microseconds since 1970.
	id    uuid.UUID

	merchant, user, provider, paymentType string
	asset                                 string // Empty where the event names no amount.
	transaction, receipt, reason          string
	amount, fee                           ledger.Amount
	hasFee                                bool

	// lines are a posting's, while it is on its way into the table: they are no part of what is packed.
	lines []*eventsv1.Line
	fresh bool // Set where lines are to be written.
}

// newFact is what all events say.
func newFact(event *ledger.Event) fact {
	return fact{known: true, at: event.Time.UnixMicro(), id: event.ID}
}

// money sets what an event's amount says.
func (f *fact) money(m *eventsv1.Money) {
	f.asset, f.amount = m.GetAssetCode(), ledger.MoneyAmount(m)
}

// setFee sets a fee, where there is one.
func (f *fact) setFee(m *eventsv1.Money) {
	f.fee, f.hasFee = ledger.MoneyAmount(m), m != nil
}

// later keeps the one of two facts that happened last; of two at once the one with the higher id.
func (f *fact) later(other *fact) {
	if !other.known || f.known && (f.at > other.at || f.at == other.at && bytes.Compare(f.id[:], other.id[:]) >= 0) {
		return
	}
	*f = *other
}

func (f *fact) texts() [8]*string {
	return [...]*string{
		&f.merchant, &f.user, &f.provider, &f.paymentType, &f.asset, &f.transaction, &f.receipt, &f.reason,
	}
}

// pack writes a known fact.
func (f *fact) pack(p *postgres.Packer) {
	p.Int(f.at)
	p.UUID(f.id)
	for _, text := range f.texts() {
		p.Text(*text)
	}
	p.Uint(f.amount.Hi)
	p.Uint(f.amount.Lo)
	if !f.hasFee {
		p.Uint(0)
		return
	}
	p.Uint(1)
	p.Uint(f.fee.Hi)
	p.Uint(f.fee.Lo)
}

func unpackFact(u *postgres.Unpacker) fact {
	f := fact{known: true, at: u.Int(), id: u.UUID()}
	for _, text := range f.texts() {
		*text = u.Text()
	}
	f.amount.Hi = u.Uint()
	f.amount.Lo = u.Uint()
	if f.hasFee = u.Uint() != 0; f.hasFee {
		f.fee.Hi = u.Uint()
		f.fee.Lo = u.Uint()
	}
	return f
}

// packFacts writes the known ones, each behind its place.
func packFacts(p *postgres.Packer, facts []fact) {
	for i := range facts {
		if facts[i].known {
			p.Uint(uint64(i) + 1)
			facts[i].pack(p)
		}
	}
	p.Uint(0)
}

// mergePacked merges packed facts into those of the same places.
func mergePacked(u *postgres.Unpacker, facts []fact) {
	for u.More() {
		place := u.Uint()
		if place == 0 || place > uint64(len(facts)) {
			return
		}
		stored := unpackFact(u)
		facts[place-1].later(&stored)
	}
}

// first is the first text that one of the facts names.
func first(facts []fact, text func(*fact) string) string {
	for i := range facts {
		if s := text(&facts[i]); s != "" {
			return s
		}
	}
	return ""
}
