package simulation

import (
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// treasurySource is the producer of what the platform does with its banks and its books.
const treasurySource = "urn:simulation:treasury"

// settlement is a provider paying what it owes in one currency, if it owes anything.
type settlement struct {
	// awaited has it come once anybody owes anything: too rare to be left out.
	awaited bool
}

func (settlement) source() string { return treasurySource }

func (s settlement) advance(w *world) (ledger.Data, time.Duration) {
	from := w.anyProvider()
	owed, currency := &w.clearing[from][0], 0
	for i := range w.clearing[from] {
		if w.clearing[from][i] > *owed {
			owed, currency = &w.clearing[from][i], i
		}
	}
	switch {
	case *owed <= 0 && s.awaited:
		return nil, time.Minute
	case *owed <= 0:
		return nil, over
	}
	total := uint64(*owed)
	*owed = 0
	kept := mulDiv(total, w.upTo(5, 19), 1000)
	provider, cash := account{"provider", w.providers[from].name, "clearing"}, cashOf(w.providers[from].bank)
	w.tally.move(cash, provider, total-kept, fiat(currency))
	w.tally.move(account{"expense", "provider", w.providers[from].name}, provider, kept, fiat(currency))
	d := &eventsv1.SettlementReceived{
		SettlementId: w.code("set_", 16), Provider: w.providers[from].name, Bank: w.providers[from].bank,
		Amount: money(total-kept, fiat(currency)),
	}
	if kept > 0 {
		d.ProviderFee = money(kept, fiat(currency))
	}
	return d, over
}

// payout is the platform paying a merchant what it is owed; some come back.
type payout struct {
	merchant    int
	amount      uint64
	id, bank    string
	destination string
	sent, fails bool
}

func newPayout(fails bool) *payout { return &payout{fails: fails} }

func (p *payout) source() string { return treasurySource }

func (p *payout) advance(w *world) (ledger.Data, time.Duration) {
	if p.sent {
		return p.comeBack(w), over
	}
	const least = 100 // smaller ones wait
	merchant, owed, found := w.creditor(least)
	switch {
	case !found && p.fails: // too rare to be left out
		return nil, time.Minute
	case !found:
		return nil, over
	}
	p.merchant, p.amount, p.sent = merchant, owed, true
	p.id, p.bank = w.code("out_", 16), w.providers[w.anyProvider()].bank
	p.destination = "account ending " + w.code("", 4)
	w.payable[merchant] -= int64(owed) //nolint:gosec // it was an int64
	w.tally.move(payableOf(merchant), cashOf(p.bank), owed, fiat(homeOf(merchant)))
	d := &eventsv1.PayoutSent{
		PayoutId: p.id, MerchantId: merchantID(merchant), Bank: p.bank, Amount: money(owed, fiat(homeOf(merchant))), Destination: p.destination,
	}
	if p.fails {
		return d, w.longTail(time.Hour, 3*day)
	}
	return d, over
}

func (p *payout) comeBack(w *world) ledger.Data {
	w.payable[p.merchant] += int64(p.amount) //nolint:gosec // it was an int64
	w.tally.move(cashOf(p.bank), payableOf(p.merchant), p.amount, fiat(homeOf(p.merchant)))
	return &eventsv1.PayoutReturned{
		PayoutId: p.id, MerchantId: merchantID(p.merchant), Bank: p.bank, Amount: money(p.amount, fiat(homeOf(p.merchant))),
		Destination: p.destination, Reason: oneOf(w.draw, []string{"account closed", "account not found", "name does not match"}),
	}
}

func cashOf(bank string) account { return account{"bank", bank, "cash"} }
