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
	paymentRefundedBitByBit
	paymentRefundRefused
	paymentRefundPending
	paymentDisputeWon
	paymentDisputeLost
	paymentDisputePending
	paymentFailed
	paymentFailedEarly
	paymentFailedButPosted
	paymentCancelled
	paymentAbandoned
	paymentUnanswered
	paymentUnprepared
	paymentFates
)

func (w *world) paymentFate() paymentFate {
	return paymentFate(w.weighted([]uint64{ //nolint:gosec // a small number
		paymentPosted: 778, paymentRefunded: 36, paymentRefundedInParts: 14, paymentRefundedBitByBit: 4, paymentRefundRefused: 8,
		paymentRefundPending: 2, paymentDisputeWon: 4, paymentDisputeLost: 4, paymentDisputePending: 1, paymentFailed: 68,
		paymentFailedEarly: 15, paymentFailedButPosted: 2, paymentCancelled: 35, paymentAbandoned: 20, paymentUnanswered: 5,
		paymentUnprepared: 4,
	}))
}

const day = 24 * time.Hour

// planPayment is the steps of a payment of an amount, after its start.
func (w *world) planPayment(fate paymentFate, amount uint64) plan[paymentStep] {
	answer := w.between(80*time.Millisecond, 2*time.Second)
	switch fate {
	case paymentUnprepared:
		return nil
	case paymentFailedEarly:
		return plan[paymentStep]{{step: paymentFail, after: answer}}
	default:
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
	switch fate {
	case paymentUnanswered:
		return steps
	case paymentFailed:
		charge.step = paymentFail
		return append(steps, charge)
	case paymentFailedButPosted: // the refusal was of a first attempt, or a mistake
		steps = append(steps, move[paymentStep]{step: paymentFail, after: charge.after})
	default:
	}
	return w.planAftermath(append(steps, charge), fate, amount)
}

// planAftermath is the steps after the charge.
func (w *world) planAftermath(steps plan[paymentStep], fate paymentFate, amount uint64) plan[paymentStep] {
	switch fate {
	case paymentRefunded:
		return w.planRefund(steps, refundRefunded, amount)
	case paymentRefundedInParts, paymentRefundedBitByBit:
		left := amount
		for range 1 + w.below(3) {
			some := mulDiv(left, w.upTo(10, 60), 100)
			steps = w.planRefund(steps, refundRefunded, some)
			left -= some
		}
		if fate == paymentRefundedBitByBit {
			steps = w.planRefund(steps, refundRefunded, left)
		}
		return steps
	case paymentRefundRefused:
		steps = w.planRefund(steps, refundFailed, amount)
		if w.chance(400) { // tried again
			steps = w.planRefund(steps, refundRefunded, amount)
		}
		return steps
	case paymentRefundPending:
		return w.planRefund(steps, refundRefunded, amount)[:len(steps)+1]
	case paymentDisputeWon:
		return w.planDispute(steps, disputeWon, amount)
	case paymentDisputePending:
		return w.planDispute(steps, disputeLost, amount)[:len(steps)+1]
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
