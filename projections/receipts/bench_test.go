package receipts

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

func gbp(pence int64) *eventsv1.Money {
	return &eventsv1.Money{Value: strconv.FormatInt(pence, 10), AssetCode: "GBP", AssetScale: proto.Uint32(2)}
}

func basket(lines int) []*eventsv1.Line {
	list := make([]*eventsv1.Line, lines)
	for i := range list {
		list[i] = &eventsv1.Line{
			Sku: fmt.Sprintf("8512%dA", i), Description: "WHITE HANGING HEART T-LIGHT HOLDER", Quantity: "6", UnitPrice: gbp(255),
		}
	}
	return list
}

// A wholesaler's log: of ten events nine post a payment of twenty lines, and one refunds an earlier payment.
func BenchmarkRebuild(b *testing.B) {
	benchmark(b, 20, func(n int, at time.Time) *ledger.Event {
		if n%10 == 9 {
			return ledger.NewEvent(uuid.Must(uuid.NewV7()), at, "urn:bench", &eventsv1.PaymentRefunded{
				PaymentId: fmt.Sprintf("inv-%d", 500_000+n*7919%n), RefundId: fmt.Sprintf("ref-%d", n), TransactionId: strconv.Itoa(n),
				Provider: "till", MerchantId: "retail", Amount: gbp(100),
			})
		}
		return post(n, at, 20)
	})
}

// Payments without lines that go all the way: started, prepared, asked for, posted, minutes apart in the log.
func BenchmarkRebuildLifeCycles(b *testing.B) {
	const apart = 30_000
	benchmark(b, 0, func(n int, at time.Time) *ledger.Event {
		step, id := n%4, n/4-n%4*apart/4
		if id < 0 {
			step, id = 0, n
		}
		payment := fmt.Sprintf("inv-%d", 500_000+id)
		var data ledger.Data
		switch step {
		case 0:
			data = &eventsv1.PaymentStarted{
				PaymentId: payment, UserId: "17850", PaymentType: "credit", Provider: "till", MerchantId: "retail", Amount: gbp(1530),
			}
		case 1:
			data = &eventsv1.PaymentPrepared{PaymentId: payment, Provider: "till", ProviderToken: "tok_1"}
		case 2:
			data = &eventsv1.PaymentPostRequested{PaymentId: payment, TransactionId: "till-" + payment, Amount: gbp(1530)}
		default:
			return post(id, at, 0)
		}
		return ledger.NewEvent(uuid.Must(uuid.NewV7()), at, "urn:bench", data)
	})
}

func post(n int, at time.Time, lines int) *ledger.Event {
	return ledger.NewEvent(uuid.Must(uuid.NewV7()), at, "urn:bench", &eventsv1.PaymentPosted{
		PaymentId: fmt.Sprintf("inv-%d", 500_000+n), TransactionId: fmt.Sprintf("till-inv-%d", 500_000+n), UserId: strconv.Itoa(10_000 + n%4000),
		PaymentType: "credit", Provider: "till", MerchantId: "retail", Amount: gbp(13912), Fee: gbp(139), Lines: basket(lines),
	})
}

func benchmark(b *testing.B, _ int, event func(n int, at time.Time) *ledger.Event) {
	b.Helper()
	const batch = 20_000
	pool := foldtest.Open(b, New())
	owner := foldtest.Own(b, pool, New())
	records, offset := make([]eventlog.Record, batch), 0
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		for i := range records {
			records[i] = foldtest.Record(event(offset, time.Unix(int64(1_700_000_000+offset), 0)), int32(offset%12), int64(offset))
			offset++
		}
		b.StartTimer()
		owner.Commit(b, records...)
	}
	b.ReportMetric(float64(offset)/b.Elapsed().Seconds(), "events/s")
}
