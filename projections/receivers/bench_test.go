package receivers

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func coins(value int64, asset string, scale uint32) *eventsv1.Money {
	return &eventsv1.Money{Value: strconv.FormatInt(value, 10), AssetCode: asset, AssetScale: new(scale)}
}

func create(n int, at time.Time) *ledger.Event {
	return event(at, &eventsv1.ReceiverCreated{
		ReceiverId: fmt.Sprintf("rcv-%d", n), MerchantId: fmt.Sprintf("m-%d", n%100), Chain: "dash",
		Address: fmt.Sprintf("XqHt831rFj5tr4PVjqEcJmh6VKvHP%05d", n), AmountFiat: coins(1099, "USD", 2), BaseFiat: "27.45",
		AmountDue: coins(40_036_430, "DASH", 8), CallbackUrl: "https://shop.example/callback",
		ExpiresAt: at.Add(time.Hour).Format(time.RFC3339),
	})
}

func event(at time.Time, data ledger.Data) *ledger.Event {
	return ledger.NewEvent(uuid.Must(uuid.NewV7()), at, "urn:bench", data)
}

// step is what happens to a receiver: it is created, paid, its payment confirmed, its shop told.
func step(step, n int, at time.Time) *ledger.Event {
	receiver, merchant, txid := fmt.Sprintf("rcv-%d", n), fmt.Sprintf("m-%d", n%100), fmt.Sprintf("%064x", n)
	switch step {
	case 0:
		return create(n, at)
	case 1:
		return event(at, &eventsv1.ReceiverPaymentDetected{
			ReceiverId: receiver, MerchantId: merchant, Chain: "dash", Txid: txid, Vout: proto.Uint32(0), Address: "X",
			Amount: coins(40_036_430, "DASH", 8), InstantLocked: new(true),
		})
	case 2:
		return event(at, &eventsv1.ReceiverPaymentConfirmed{
			ReceiverId: receiver, MerchantId: merchant, Chain: "dash", Txid: txid, Vout: proto.Uint32(0), Address: "X",
			Amount: coins(40_036_430, "DASH", 8), BlockHeight: proto.Uint32(2_000_000), Confirmations: proto.Uint32(6),
		})
	default:
		return event(at, &eventsv1.ReceiverCallbackDelivered{
			ReceiverId: receiver, CallbackUrl: "https://shop.example/callback", Attempt: proto.Uint32(1), StatusCode: proto.Uint32(200),
		})
	}
}

// Receivers that go all the way, the steps of each thousands of events apart.
func BenchmarkRebuild(b *testing.B) {
	const batch, apart = 20_000, 30_000
	pool := foldtest.Open(b, New())
	owner := foldtest.Own(b, pool, New())
	records, offset := make([]eventlog.Record, batch), 0
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		for i := range records {
			at := time.Unix(int64(1_700_000_000+offset), 0)
			s, n := offset%4, offset/4-offset%4*apart/4
			if n < 0 {
				s, n = 0, -offset // Not there yet: one of its own.
			}
			records[i] = foldtest.Record(step(s, n, at), int32(offset%12), int64(offset))
			offset++
		}
		b.StartTimer()
		owner.Commit(b, records...)
	}
	b.ReportMetric(float64(offset)/b.Elapsed().Seconds(), "events/s")
}
