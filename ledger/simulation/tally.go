package simulation

import (
	"math/bits"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
)

// tally adds up what the stories tell of themselves: which account gets what from which, where a payment stands, who earned.
// They tell it in their own terms, whole numbers of their assets' smallest units, at the moment when they make the event; it
// knows no rule of the ledger, and reads no event. A nil tally takes in nothing.
type tally struct {
	types     map[ledger.Type]int64
	accounts  map[holding]*sides
	payments  map[standing]*paymentsOf
	refunds   map[standing]*counted
	receipts  map[asset]*receiptsOf
	receivers map[standing]*receiversOf
	coins     map[standing]*coinsOf
	revenue   map[earner]*earned
	start     time.Time
	month     month
	monthEnd  time.Duration
}

func newTally(start time.Time) *tally {
	return &tally{
		types: map[ledger.Type]int64{}, accounts: map[holding]*sides{}, payments: map[standing]*paymentsOf{},
		refunds: map[standing]*counted{}, receipts: map[asset]*receiptsOf{}, receivers: map[standing]*receiversOf{},
		coins: map[standing]*coinsOf{}, revenue: map[earner]*earned{}, start: start,
	}
}

// sum is an amount in an asset's smallest units, of 128 bits: 10^20 of the finest asset fit.
type sum struct{ high, low uint64 }

func (s *sum) add(amount uint64) { s.plus(sum{low: amount}) }

func (s *sum) plus(other sum) {
	var carry uint64
	s.low, carry = bits.Add64(s.low, other.low, 0)
	s.high, _ = bits.Add64(s.high, other.high, carry)
}

// take takes away what was added before.
func (s *sum) take(amount uint64) {
	var borrow uint64
	s.low, borrow = bits.Sub64(s.low, amount, 0)
	s.high -= borrow
}

// account is one of the books, and holding what it has of an asset.
type account struct{ kind, name, leaf string }

type holding struct {
	account account
	asset   asset
}

type sides struct{ debits, credits sum }

// String is such as merchant:m-000001:payable.
func (a account) String() string {
	if a.leaf == "" {
		return a.kind + ":" + a.name
	}
	return a.kind + ":" + a.name + ":" + a.leaf
}

// standing is where something stands, and in which asset.
type standing struct {
	state string
	asset asset
}

// counted is how many there are, and their amounts.
type counted struct {
	count  int64
	amount sum
}

type paymentsOf struct {
	counted

	refunded, disputed sum
}

type receiptsOf struct {
	counted

	fee, refunded sum
}

type receiversOf struct {
	counted

	pending, confirmed sum
}

type coinsOf struct {
	counted

	late int64
}

// month is one in UTC, counted from the year 0.
type month int32

// earner earns in a month and an asset.
type earner struct {
	stream, owner string
	month         month
	asset         asset
}

type earned struct {
	events                             int64
	gross, refunds, fees, feesReturned sum
}

// of is the value at a key, a new one where there is none.
func of[K comparable, V any](m map[K]*V, key K) *V {
	v := m[key]
	if v == nil {
		v = new(V)
		m[key] = v
	}
	return v
}

func (t *tally) made(kind ledger.Type) {
	if t != nil {
		t.types[kind]++
	}
}

// move debits one account and credits another.
func (t *tally) move(debit, credit account, amount uint64, a asset) {
	if t == nil || amount == 0 {
		return
	}
	of(t.accounts, holding{debit, a}).debits.add(amount)
	of(t.accounts, holding{credit, a}).credits.add(amount)
}

// earn adds to what an owner earned in the month of a time since the start.
func (t *tally) earn(now time.Duration, stream, owner string, a asset, by func(*earned)) {
	if t == nil {
		return
	}
	if now >= t.monthEnd {
		at := t.start.Add(now)
		t.month = month(12*at.Year() + int(at.Month()) - 1) //nolint:gosec // years have four digits
		t.monthEnd = time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC).Sub(t.start)
	}
	e := of(t.revenue, earner{stream, owner, t.month, a})
	e.events++
	by(e)
}

// payment moves a payment from where it stood to where it stands.
func (t *tally) payment(p *payment, before paymentStanding) {
	if t == nil || p.stands == before {
		return
	}
	if before.state != "" {
		was := of(t.payments, standing{before.state, fiat(p.currency)})
		was.count--
		was.amount.take(p.amount)
		was.refunded.take(before.refunded)
		was.disputed.take(before.disputed)
	}
	is := of(t.payments, standing{p.stands.state, fiat(p.currency)})
	is.count++
	is.amount.add(p.amount)
	is.refunded.add(p.stands.refunded)
	is.disputed.add(p.stands.disputed)
}

// refund moves a refund from one state, empty for a new one, to another.
func (t *tally) refund(from, to string, amount uint64, a asset) {
	if t == nil {
		return
	}
	if from != "" {
		was := of(t.refunds, standing{from, a})
		was.count--
		was.amount.take(amount)
	}
	is := of(t.refunds, standing{to, a})
	is.count++
	is.amount.add(amount)
}

// receipt tells of a receipt, and refunded of what is given back on one.
func (t *tally) receipt(amount, fee uint64, a asset) {
	if t == nil {
		return
	}
	is := of(t.receipts, a)
	is.count++
	is.amount.add(amount)
	is.fee.add(fee)
}

func (t *tally) refunded(amount uint64, a asset) {
	if t != nil {
		of(t.receipts, a).refunded.add(amount)
	}
}

// receiver moves a receiver from where it stood to where it stands.
func (t *tally) receiver(r *receiver, before receiverStanding) {
	if t == nil || r.stands == before {
		return
	}
	if before.state != "" {
		was := of(t.receivers, standing{before.state, r.chain.asset})
		was.count--
		was.amount.take(r.due)
		was.pending.take(before.pending)
		was.confirmed.take(before.confirmed)
	}
	is := of(t.receivers, standing{r.stands.state, r.chain.asset})
	is.count++
	is.amount.add(r.due)
	is.pending.add(r.stands.pending)
	is.confirmed.add(r.stands.confirmed)
}

// coin moves a payment to a receiver from one state, empty for a new one, to another.
func (t *tally) coin(from, to string, c *coin, a asset) {
	if t == nil {
		return
	}
	var late int64
	if c.late {
		late = 1
	}
	if from != "" {
		was := of(t.coins, standing{from, a})
		was.count--
		was.amount.take(c.amount)
		was.late -= late
	}
	is := of(t.coins, standing{to, a})
	is.count++
	is.amount.add(c.amount)
	is.late += late
}
