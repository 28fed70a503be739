package receivers

import (
	"strings"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// The ranks of a receiver's events: who says what it is.
const (
	rankCallback = iota + 1
	rankExpired
	rankReversed
	rankDetected
	rankConfirmed
	rankCreated
)

// receiver is what is known of a receiver. It merges: see the package's documentation.
type receiver struct {
	ledger, id string

	said     description
	callback callback
	expired  moment // By the first event that says so.
	latest   int64
}

// description is what one event says of a receiver.
type description struct {
	stamp

	merchant, chain, address string
	asset                    string // Of the amount due or, of a payment, its own.

	// These are a creation's alone.
	fiatCode        string
	due, fiat, rate ledger.Amount
	expires         moment
}

// callback is where a receiver's progress is told to.
type callback struct {
	stamp

	url string
}

// merge gives the receiver together with what a stored row holds.
func (r *receiver) merge(packed []byte) (*receiver, error) {
	merged := *r
	u := postgres.Unpack(packed)
	merged.latest = max(merged.latest, u.Int())
	merged.expired.earlier(unpackMoment(u))
	if said := unpackDescription(u); merged.said.below(&said.stamp) {
		merged.said = said
	}
	if called := unpackCallback(u); merged.callback.below(&called.stamp) {
		merged.callback = called
	}
	return &merged, u.Close()
}

// pack is all that merge needs.
func (r *receiver) pack() []byte {
	const room = 192
	p := postgres.Packer{Bytes: make([]byte, 0, room)}
	p.Int(r.latest)
	r.expired.pack(&p)
	r.said.pack(&p)
	if r.callback.pack(&p) {
		p.Text(r.callback.url)
	}
	return p.Bytes
}

func (d *description) pack(p *postgres.Packer) {
	if !d.stamp.pack(p) {
		return
	}
	for _, text := range [...]string{d.merchant, d.chain, d.address, d.asset} {
		p.Text(text)
	}
	if d.rank < rankCreated {
		return
	}
	p.Text(d.fiatCode)
	for _, amount := range [...]ledger.Amount{d.due, d.fiat, d.rate} {
		p.Uint(amount.Hi)
		p.Uint(amount.Lo)
	}
	d.expires.pack(p)
}

func unpackDescription(u *postgres.Unpacker) description {
	d := description{stamp: unpackStamp(u)}
	if !d.known() {
		return d
	}
	for _, text := range [...]*string{&d.merchant, &d.chain, &d.address, &d.asset} {
		*text = u.Text()
	}
	if d.rank < rankCreated {
		return d
	}
	d.fiatCode = u.Text()
	for _, amount := range [...]*ledger.Amount{&d.due, &d.fiat, &d.rate} {
		amount.Hi = u.Uint()
		amount.Lo = u.Uint()
	}
	d.expires = unpackMoment(u)
	return d
}

func unpackCallback(u *postgres.Unpacker) callback {
	c := callback{stamp: unpackStamp(u)}
	if c.known() {
		c.url = u.Text()
	}
	return c
}

// hear takes in what an event says.
func (r *receiver) hear(said *description) {
	r.latest = max(r.latest, said.at)
	if r.said.below(&said.stamp) {
		r.said = *said
	}
}

// called takes in a URL that an event names.
func (r *receiver) called(by stamp, url string) {
	if url != "" && r.callback.below(&by) {
		r.callback = callback{by, url}
	}
}

// created takes in a creation.
func (r *receiver) created(event *ledger.Event, data *eventsv1.ReceiverCreated) {
	by := newStamp(event, rankCreated)
	due, fiat := data.GetAmountDue(), data.GetAmountFiat()
	r.hear(&description{
		stamp: by, merchant: data.GetMerchantId(), chain: data.GetChain(), address: data.GetAddress(),
		asset: due.GetAssetCode(), fiatCode: fiat.GetAssetCode(),
		due: ledger.MoneyAmount(due), fiat: ledger.MoneyAmount(fiat), rate: decimal(data.GetBaseFiat()),
		expires: expiry(data.GetExpiresAt()),
	})
	r.called(by, data.GetCallbackUrl())
}

// decimal reads a decimal, which validation has passed.
func decimal(s string) ledger.Amount {
	whole, decimals, _ := strings.Cut(s, ".")
	amount, err := ledger.ParseAmount(whole+decimals, uint32(len(decimals))) //nolint:gosec // At most 18.
	if err != nil {
		panic("a decimal that validation let through: " + err.Error())
	}
	return amount
}

// expiry reads a time, which validation has passed, if it is there.
func expiry(s string) moment {
	if s == "" {
		return moment{}
	}
	at, err := ledger.ParseTime(s)
	if err != nil {
		panic("a time that validation let through: " + err.Error())
	}
	return moment{true, at.UnixMicro()}
}
