package simulation

import (
	"strconv"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// receiver is the life of an address that waits for a payment on a chain.
type receiver struct {
	id, address, callback string

	merchant int
	chain    *chain
	// asked is in the merchant's currency, rate the worth of a unit of the chain's asset in it, due in the chain's asset.
	asked, rate, due uint64
	// stands is where it stands, as a reader of the books should see it; expires and expired are when the offer ends, and was
	// said to have ended, zero where it was not.
	stands           receiverStanding
	expires, expired time.Time
	// coins are the outputs that pay it, in the order in which they are seen.
	coins []coin

	created  bool
	attempts uint32
	plan     plan[receiverStep]
}

// coin is an output of a transaction, of an amount in units of the chain's asset.
type coin struct {
	txid   string
	vout   uint32
	amount uint64
	locked bool
	// late tells that it was seen only after the offer had ended.
	late bool
}

// receiverStanding is a receiver's state, and what was seen and confirmed of what is due.
type receiverStanding struct {
	state              string
	pending, confirmed uint64
}

// newReceiver is a receiver of a merchant that will end as fate says.
func newReceiver(w *world, merchant int, fate receiverFate) *receiver {
	r := &receiver{merchant: merchant, chain: &w.chains[w.weighted([]uint64{50, 30, 20})]}
	r.id, r.address = w.code("rcv_", 20), w.code(r.chain.addressStart, r.chain.addressDigits)
	if fate == receiverCallbackRetried || fate == receiverCallbackLost || w.chance(750) {
		r.callback = "https://" + merchantID(r.merchant) + ".shop.example/paid"
	}
	r.price(w)
	r.planReceiver(w, fate)
	return r
}

func (r *receiver) source() string { return "urn:simulation:chain-watcher" }

func (r *receiver) advance(w *world) (ledger.Data, time.Duration) {
	before := r.stands
	data, wait := r.live(w)
	r.stands.state = r.state()
	w.tally.receiver(r, before)
	return data, wait
}

// state says how far the receiver is with what it was paid.
func (r *receiver) state() string {
	confirmed, expired := r.stands.confirmed, !r.expired.IsZero()
	switch {
	case confirmed > r.due:
		return "overpaid"
	case confirmed == r.due:
		return "paid"
	case confirmed > 0 && expired:
		return "underpaid_expired"
	case confirmed > 0:
		return "partial"
	case r.stands.pending > 0:
		return "detected"
	case expired:
		return "expired"
	default:
		return "waiting"
	}
}

func (r *receiver) live(w *world) (ledger.Data, time.Duration) {
	if !r.created {
		r.created = true
		return r.create(w), r.plan.wait()
	}
	next, wait := r.plan.take()
	switch next.step {
	case receiverExpire:
		r.expired = w.time()
		return &eventsv1.ReceiverExpired{ReceiverId: r.id, MerchantId: merchantID(r.merchant)}, wait
	case receiverDeliver, receiverMiss:
		return r.call(w, next.step == receiverDeliver), wait
	default:
		return r.seen(w, next.step, &r.coins[next.of]), wait
	}
}

const (
	// rateDecimals is how exactly the worth of a crypto asset is told.
	rateDecimals = 4
	// mostDecimals is how exactly a wallet shows what is due.
	mostDecimals = 9
	// offer is how long a receiver waits for payment.
	offer = 15 * time.Minute
)

// price sets what is asked for: in the merchant's currency, and at the rate of the day in the chain's asset.
func (r *receiver) price(w *world) {
	home, crypto := fiat(homeOf(r.merchant)), r.chain.asset
	r.asked = w.magnitude(500, 200_000)
	r.rate = mulDiv(crypto.microEuros*powerOf10(rateDecimals), w.upTo(970, 1030), home.microEuros*1000)
	shown := min(crypto.scale, mostDecimals)
	whole := mulDiv(r.asked, powerOf10(shown), powerOf10(home.scale))
	r.due = mulDiv(whole, powerOf10(rateDecimals), r.rate) * powerOf10(crypto.scale-shown)
}

// decimalRate writes the rate with its decimals.
func (r *receiver) decimalRate() string {
	digits := strconv.FormatUint(r.rate%powerOf10(rateDecimals)+powerOf10(rateDecimals), 10)
	return strconv.FormatUint(r.rate/powerOf10(rateDecimals), 10) + "." + digits[1:]
}

func (r *receiver) create(w *world) ledger.Data {
	w.receivers++
	r.expires = w.time().Add(offer).Truncate(time.Second)
	d := &eventsv1.ReceiverCreated{
		ReceiverId: r.id, MerchantId: merchantID(r.merchant), Chain: r.chain.name, Address: r.address,
		DerivationPath: r.chain.path + strconv.FormatUint(w.receivers, 10),
		AmountFiat:     money(r.asked, fiat(homeOf(r.merchant))), BaseFiat: r.decimalRate(), AmountDue: money(r.due, r.chain.asset),
		CallbackUrl: r.callback, ExpiresAt: r.expires.Format(time.RFC3339),
	}
	if w.chance(400) {
		d.Username, _ = w.user()
		d.Description = "Order " + w.code("#", 6)
	}
	return d
}

// seen makes what a watcher of the chain tells of a coin.
func (r *receiver) seen(w *world, step receiverStep, c *coin) ledger.Data {
	merchant, amount, vout := merchantID(r.merchant), money(c.amount, r.chain.asset), c.vout
	r.tellSeen(w, step, c, merchant)
	switch step {
	case coinDetected:
		d := &eventsv1.ReceiverPaymentDetected{
			ReceiverId: r.id, MerchantId: merchant, Chain: r.chain.name, Txid: c.txid, Vout: &vout, Address: r.address, Amount: amount,
		}
		if c.locked {
			d.InstantLocked = new(true)
		}
		return d
	case coinConfirmed:
		d := &eventsv1.ReceiverPaymentConfirmed{
			ReceiverId: r.id, MerchantId: merchant, Chain: r.chain.name, Txid: c.txid, Vout: &vout, Address: r.address, Amount: amount,
			BlockHeight: new(r.chain.height(w.now)), Confirmations: new(uint32(w.upTo(1, 6))), //nolint:gosec // small
		}
		if c.locked {
			d.InstantLocked = new(true)
		}
		return d
	default:
		d := &eventsv1.ReceiverPaymentReversed{
			ReceiverId: r.id, MerchantId: merchant, Chain: r.chain.name, Txid: c.txid, Vout: &vout, Address: r.address, Amount: amount,
			Reason: "spent elsewhere", WasConfirmed: new(step == coinReorganised),
		}
		if step == coinReorganised {
			d.Reason = "its block was replaced"
		}
		return d
	}
}

// call makes an attempt at the merchant's callback.
func (r *receiver) call(w *world, answered bool) ledger.Data {
	r.attempts++
	attempt := r.attempts
	if answered {
		r.attempts = 0
		return &eventsv1.ReceiverCallbackDelivered{
			ReceiverId: r.id, CallbackUrl: r.callback, Attempt: &attempt, StatusCode: new(uint32(200)),
		}
	}
	d := &eventsv1.ReceiverCallbackFailed{ReceiverId: r.id, CallbackUrl: r.callback, Attempt: &attempt}
	if w.chance(500) {
		d.StatusCode, d.Error = new(uint32(503)), "the server answered 503 Service Unavailable"
	} else {
		d.Error = "no answer within 10 s"
	}
	return d
}
