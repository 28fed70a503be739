package simulation

// tellSeen says what a coin does. One that is seen makes the chain owe it to the merchant, who may not have it yet; one that is
// confirmed is in the wallet, and the merchant's; one that is gone is taken from where it was.
func (r *receiver) tellSeen(w *world, step receiverStep, c *coin, merchant string) {
	in := r.chain.asset
	unconfirmed, wallet := account{"chain", r.chain.name, "unconfirmed"}, account{"chain", r.chain.name, "wallet"}
	pending, payable := merchantAccount(merchant, "pending"), merchantAccount(merchant, "payable")
	switch step {
	case coinDetected:
		now := w.time()
		c.late = now.After(r.expires) || !r.expired.IsZero() && now.After(r.expired)
		r.stands.pending += c.amount
		w.tally.coin("", "detected", c, in)
		w.tally.move(unconfirmed, pending, c.amount, in)
	case coinConfirmed:
		r.stands.pending -= c.amount
		r.stands.confirmed += c.amount
		w.tally.coin("detected", "confirmed", c, in)
		w.tally.move(wallet, unconfirmed, c.amount, in)
		w.tally.move(pending, payable, c.amount, in)
		w.tally.earn(w.now, "receivers", merchant, in, func(e *earned) { e.gross.add(c.amount) })
	case coinReversed:
		r.stands.pending -= c.amount
		w.tally.coin("detected", "reversed", c, in)
		w.tally.move(pending, unconfirmed, c.amount, in)
	case coinReorganised:
		r.stands.confirmed -= c.amount
		w.tally.coin("confirmed", "reversed", c, in)
		w.tally.move(payable, wallet, c.amount, in)
		w.tally.earn(w.now, "receivers", merchant, in, func(e *earned) { e.refunds.add(c.amount) })
	default: // not about a coin
	}
}
