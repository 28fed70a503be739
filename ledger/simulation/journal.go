package simulation

import (
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// journal is a booking by hand: an exchange, a tax, a charge, a goodwill credit.
type journal struct{}

func (journal) source() string { return treasurySource }

func (journal) advance(w *world) (ledger.Data, time.Duration) {
	d := &eventsv1.JournalPosted{JournalId: w.code("jnl_", 16)}
	switch n := w.below(100); {
	case n < 50 && w.exchange(d):
	case n < 70 && w.tax(d):
	case n < 85:
		d.Description = "Bank charges"
		w.transfer(d, account{"expense", "bank-charges", ""}, cashOf(w.providers[w.anyProvider()].bank), w.magnitude(100, 4_000), fiat(eur))
	default:
		d.Description = "Goodwill credit"
		merchant, amount := w.merchants.member(w.draw), w.magnitude(100, 10_000)
		w.payable[merchant] += int64(amount) //nolint:gosec // small
		w.transfer(d, account{"equity", "goodwill", ""}, payableOf(merchant), amount, fiat(homeOf(merchant)))
	}
	return d, over
}

func payableOf(merchant int) account { return merchantAccount(merchantID(merchant), "payable") }

// exchange turns part of what a merchant is owed into another currency, through an account that holds what the platform
// gave and took in each; false where nobody is owed enough.
func (w *world) exchange(d *eventsv1.JournalPosted) bool {
	const least, most = 2_000, 1_000_000_000
	merchant, owed, found := w.creditor(least)
	if !found {
		return false
	}
	home := homeOf(merchant)
	from, to := fiat(home), fiat((home+1+w.index(fiatCount-1))%fiatCount)
	amount := min(mulDiv(owed, w.upTo(20, 90), 100), most)
	w.payable[merchant] -= int64(amount)
	conversion := account{"conversion", from.code + "-" + to.code, ""}
	d.Description = "Exchange of " + from.code + " to " + to.code
	w.transfer(d, payableOf(merchant), conversion, amount, from)
	w.transfer(d, conversion, payableOf(merchant), convert(amount, from, to), to)
	return true
}

// tax puts part of the fees in one currency aside; false where none were earned.
func (w *world) tax(d *eventsv1.JournalPosted) bool {
	currency := w.index(fiatCount)
	earned := w.fees[currency]
	if earned <= 0 {
		return false
	}
	w.fees[currency] = 0
	d.Description = "Value added tax on fees"
	w.transfer(d, platformFees(), account{"tax", "vat", ""}, mulDiv(uint64(earned), 19, 119), fiat(currency))
	return true
}

// transfer adds two entries that move an amount.
func (w *world) transfer(d *eventsv1.JournalPosted, debit, credit account, amount uint64, a asset) {
	w.tally.move(debit, credit, amount, a)
	d.Entries = append(d.Entries,
		&eventsv1.Entry{Account: debit.String(), Direction: ledger.Debit.String(), Amount: money(amount, a)},
		&eventsv1.Entry{Account: credit.String(), Direction: ledger.Credit.String(), Amount: money(amount, a)})
}
