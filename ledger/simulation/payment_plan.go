package simulation

import "time"

// paymentStep is what happens to a payment after its start.
type paymentStep uint8

const (
	paymentPrepare paymentStep = iota
	paymentRequestPost
	paymentPost
	paymentFail
	paymentCancel
	refundRequested
	refundRefunded
	refundFailed
	disputeOpened
	disputeWon
	disputeLost
)

// paymentFate is how a payment ends.
type paymentFate uint8

const (
	paymentPosted paymentFate = iota
	paymentRefunded
	paymentRefundedInParts
	paymentRefundRefused
	paymentDisputeWon
	paymentDisputeLost
	paymentFailed
	paymentFailedEarly
	paymentCancelled
	paymentAbandoned
	paymentFates
)

func (w *world) paymentFate() paymentFate {
	return paymentFate(w.weighted([]uint64{ //nolint:gosec // a small number
		paymentPosted: 790, paymentRefunded: 36, paymentRefundedInParts: 18, paymentRefundRefused: 8, paymentDisputeWon: 4,
		paymentDisputeLost: 4, paymentFailed: 70, paymentFailedEarly: 15, paymentCancelled: 35, paymentAbandoned: 20,
	}))
}

const day = 24 * time.Hour

// planPayment is the steps of a payment of an amount, after its start.
func (w *world) planPayment(fate paymentFate, amount uint64) plan[paymentStep] {
	answer := w.between(80*time.Millisecond, 2*time.Second)
	if fate == paymentFailedEarly {
		return plan[paymentStep]{{step: paymentFail, after: answer}}
	}
	steps := append(make(plan[paymentStep], 0, 6), move[paymentStep]{step: paymentPrepare, after: answer})
	if fate == paymentAbandoned {
		return steps
	}
	if fate == paymentCancelled {
		return append(steps, move[paymentStep]{step: paymentCancel, after: w.between(10*time.Second, 15*time.Minute)})
	}
	steps = append(steps, move[paymentStep]{step: paymentRequestPost, after: w.longTail(4*time.Second, 3*time.Minute)})
	charge := move[paymentStep]{step: paymentPost, after: w.longTail(200*time.Millisecond, 8*time.Second)}
	if fate == paymentFailed {
		charge.step = paymentFail
		return append(steps, charge)
	}
	return w.planAftermath(append(steps, charge), fate, amount)
}

// planAftermath is the steps after the charge.
func (w *world) planAftermath(steps plan[paymentStep], fate paymentFate, amount uint64) plan[paymentStep] {
	switch fate {
	case paymentRefunded:
		return w.planRefund(steps, refundRefunded, amount)
	case paymentRefundedInParts:
		left := amount
		for range 1 + w.below(3) {
			some := mulDiv(left, w.upTo(10, 60), 100)
			steps = w.planRefund(steps, refundRefunded, some)
			left -= some
		}
		return steps
	case paymentRefundRefused:
		steps = w.planRefund(steps, refundFailed, amount)
		if w.chance(400) { // tried again
			steps = w.planRefund(steps, refundRefunded, amount)
		}
		return steps
	case paymentDisputeWon:
		return w.planDispute(steps, disputeWon, amount)
	case paymentDisputeLost:
		return w.planDispute(steps, disputeLost, amount)
	default:
		return steps
	}
}

func (w *world) planRefund(steps plan[paymentStep], end paymentStep, amount uint64) plan[paymentStep] {
	return append(steps,
		move[paymentStep]{step: refundRequested, after: w.longTail(10*time.Minute, 14*day), amount: amount},
		move[paymentStep]{step: end, after: w.longTail(time.Second, 20*time.Minute), amount: amount})
}

func (w *world) planDispute(steps plan[paymentStep], end paymentStep, amount uint64) plan[paymentStep] {
	return append(steps,
		move[paymentStep]{step: disputeOpened, after: w.longTail(time.Hour, 20*day), amount: amount},
		move[paymentStep]{step: end, after: w.longTail(4*time.Hour, 15*day), amount: amount})
}
