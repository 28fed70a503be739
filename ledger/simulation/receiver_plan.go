package simulation

import (
	"cmp"
	"slices"
	"time"
)

// receiverStep is what happens to a receiver after its creation.
type receiverStep uint8

const (
	coinDetected receiverStep = iota
	coinConfirmed
	// coinReversed is before it was confirmed, coinReorganised after.
	coinReversed
	coinReorganised
	receiverExpire
	receiverDeliver
	receiverMiss
)

// receiverFate is how a receiver ends.
type receiverFate uint8

const (
	receiverPaid receiverFate = iota
	receiverPaidInParts
	receiverPaidPartly
	receiverPaidTwice
	receiverOverpaid
	receiverUnderpaid
	receiverUnpaid
	receiverForgotten
	receiverPaidLate
	receiverUnconfirmed
	receiverDoubleSpent
	receiverReorganised
	receiverCallbackRetried
	receiverCallbackLost
	receiverFates
)

func (w *world) receiverFate() receiverFate {
	return receiverFate(w.weighted([]uint64{ //nolint:gosec // a small number
		receiverPaid: 555, receiverPaidInParts: 80, receiverPaidPartly: 5, receiverPaidTwice: 10, receiverOverpaid: 20, receiverUnderpaid: 40,
		receiverUnpaid: 165, receiverForgotten: 5, receiverPaidLate: 30, receiverUnconfirmed: 5, receiverDoubleSpent: 15,
		receiverReorganised: 10, receiverCallbackRetried: 40, receiverCallbackLost: 20,
	}))
}

// planReceiver plans the steps of a receiver that is due an amount. While it is planned, a step's after counts from the
// creation, because several coins are on their way at once.
func (r *receiver) planReceiver(w *world, fate receiverFate) {
	soon := w.longTail(15*time.Second, 10*time.Minute)
	switch fate {
	case receiverPaidInParts:
		first := mulDiv(r.due, w.upTo(20, 80), 100)
		r.pay(w, soon, first)
		r.pay(w, soon+w.longTail(5*time.Second, 5*time.Minute), r.due-first)
	case receiverPaidPartly:
		r.pay(w, soon, mulDiv(r.due, w.upTo(10, 95), 100))
	case receiverPaidTwice:
		r.pay(w, soon, r.due)
		r.pay(w, soon+w.longTail(time.Minute, 2*day), r.due)
	case receiverOverpaid:
		r.pay(w, soon, mulDiv(r.due, w.upTo(101, 150), 100))
	case receiverUnderpaid:
		r.pay(w, soon, mulDiv(r.due, w.upTo(10, 95), 100))
		r.at(receiverExpire, offer)
	case receiverUnpaid:
		r.at(receiverExpire, offer)
	case receiverForgotten: // nobody pays, and nobody says that it expired
	case receiverUnconfirmed:
		r.detect(w, soon, r.due)
	case receiverPaidLate:
		r.at(receiverExpire, offer)
		r.pay(w, offer+w.longTail(time.Minute, 3*time.Hour), r.due)
	case receiverDoubleSpent:
		r.detect(w, soon, r.due)
		r.at(coinReversed, soon+w.longTail(5*time.Second, 20*time.Minute))
		r.at(receiverExpire, offer)
	case receiverReorganised:
		r.at(coinReorganised, r.pay(w, soon, r.due)+w.longTail(2*time.Minute, 40*time.Minute))
	default:
		r.pay(w, soon, r.due)
	}
	r.planCallback(w, fate)
	r.inOrder()
}

// at puts a step at a time after the creation, about the last coin if it is about one.
func (r *receiver) at(step receiverStep, when time.Duration) {
	r.plan = append(r.plan, move[receiverStep]{step: step, after: when, of: len(r.coins) - 1})
}

// detect makes a coin appear.
func (r *receiver) detect(w *world, when time.Duration, amount uint64) {
	r.coins = append(r.coins, coin{txid: w.code("", 64), vout: uint32(w.below(4)), amount: amount}) //nolint:gosec // small
	r.at(coinDetected, when)
}

// pay makes a coin appear and be confirmed, and tells when it is.
func (r *receiver) pay(w *world, when time.Duration, amount uint64) time.Duration {
	r.detect(w, when, amount)
	confirmed := when + w.longTail(time.Duration(r.chain.blockSeconds)*time.Second/4, //nolint:gosec // small
		6*time.Duration(r.chain.blockSeconds)*time.Second) //nolint:gosec // small
	if r.chain.name == "dash" && w.chance(900) {
		r.coins[len(r.coins)-1].locked = true
		confirmed = when + w.between(time.Second, 4*time.Second)
	}
	r.at(coinConfirmed, confirmed)
	return confirmed
}

// planCallback has the merchant called after each confirmation, with more attempts where it does not answer.
func (r *receiver) planCallback(w *world, fate receiverFate) {
	if r.callback == "" {
		return
	}
	for _, m := range r.plan {
		if m.step != coinConfirmed {
			continue
		}
		when, pause := m.after+w.between(100*time.Millisecond, 3*time.Second), 10*time.Second
		if fate == receiverCallbackRetried || fate == receiverCallbackLost {
			for range w.upTo(1, 4) {
				r.at(receiverMiss, when)
				when += pause
				pause *= 4
			}
		}
		if fate != receiverCallbackLost {
			r.at(receiverDeliver, when)
		}
	}
}

// inOrder sorts the steps by their times and makes each step's after count from the step before.
func (r *receiver) inOrder() {
	slices.SortStableFunc(r.plan, func(a, b move[receiverStep]) int { return cmp.Compare(a.after, b.after) })
	var last time.Duration
	for i := range r.plan {
		r.plan[i].after, last = r.plan[i].after-last, r.plan[i].after
	}
}
