package measure

import (
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// payments are posted payments without a fee: each debits an account of a provider and credits one of a merchant. There are Accounts
// of them, half of them providers' (far more than there would be), so that with one merchant one account takes half of all postings.
func (f Fill) payments() iter.Seq[*ledger.Event] {
	return func(yield func(*ledger.Event) bool) {
		const skew, flat = 1.1, 50
		cents := uint32(2)
		ids := f.ids()
		zipf := rand.NewZipf(ids, skew, flat, uint64(max(f.Accounts/2, 2)-1))
		at := simulation.DefaultStart()
		for i := range f.Events {
			at = at.Add(time.Millisecond)
			merchant := "hot"
			if !f.Hot {
				merchant = "m" + strconv.FormatUint(zipf.Uint64(), 10)
			}
			payment := "pay-" + strconv.FormatInt(i, 36)
			event := &ledger.Event{
				Type: ledger.TypePaymentPosted, Source: "https://shop.example/checkout", Subject: payment,
				Ledger: ledger.DefaultLedger, Time: at,
				Data: &eventsv1.PaymentPosted{
					PaymentId: payment, TransactionId: "txn-" + strconv.FormatInt(i, 36), UserId: "ana", PaymentType: "credit",
					Provider: "p" + strconv.FormatUint(zipf.Uint64(), 10), MerchantId: merchant,
					Amount: &eventsv1.Money{Value: strconv.FormatInt(1+ids.Int64N(100_000), 10), AssetCode: "EUR", AssetScale: &cents},
				},
			}
			randomID(ids, event)
			if !f.RandomIDs {
				growingID(at, event)
			}
			if !yield(event) {
				return
			}
		}
	}
}

// growingID makes a UUIDv7 of a random one.
func growingID(at time.Time, event *ledger.Event) {
	const version = 0x70
	random := event.ID[6]
	binary.BigEndian.PutUint64(event.ID[:8], uint64(at.UnixMilli())<<16|uint64(event.ID[7]))
	event.ID[6] = random&0x0f | version
}
