// Command go writes what happened in a shop to Tributary's log with franz-go, and with Tributary's own packages for what
// an event is.
//
//	TRIBUTARY_KAFKA_BROKERS=127.0.0.1:9092 go run ./docs/examples/producers/go [binary|structured|protobuf|registry]
//
// Run it as often as you like, in any format: the ids are made from what happened, so each event counts once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const source = "https://corner-shop.example"

func main() {
	format := "binary"
	if len(os.Args) > 1 {
		format = os.Args[1]
	}
	encode, known := formats()[format]
	if !known {
		fmt.Fprintln(os.Stderr, format, "is none of binary, structured, protobuf, registry")
		os.Exit(1)
	}
	if format == "registry" && os.Getenv("SCHEMA_REGISTRY_URL") == "" {
		fmt.Fprintln(os.Stderr, "SCHEMA_REGISTRY_URL is not set: the URL of your schema registry")
		os.Exit(1)
	}
	if err := produce(context.Background(), os.Getenv("TRIBUTARY_KAFKA_BROKERS"), encode, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// money says 1250 EUR of scale 2 for 12.50 EUR. Never a float.
func money(value, assetCode string, assetScale uint32) *eventsv1.Money {
	return &eventsv1.Money{Value: value, AssetCode: assetCode, AssetScale: new(assetScale)}
}

// event makes the id from the fact, so that whoever tells it again tells the same event.
func event(fact, at string, data ledger.Data) *ledger.Event {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(source+"/"+fact))
	when, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		panic(err) // these are constants; a shop has its times from a clock
	}
	return ledger.NewEvent(id, when, source, data)
}

// happened is a payment and its refund, a receiver that was paid, and what a page earned.
func happened() []*ledger.Event {
	return []*ledger.Event{
		event("payments/pay-2001/started", "2026-03-02T08:00:58Z", &eventsv1.PaymentStarted{
			PaymentId: "pay-2001", UserId: "ana", PaymentType: "credit", Provider: "stripe", MerchantId: "corner-shop",
			Amount: money("1250", "EUR", 2), Description: "Two mugs for the café",
		}),
		event("payments/pay-2001/posted", "2026-03-02T08:01:03.25Z", &eventsv1.PaymentPosted{
			PaymentId: "pay-2001", TransactionId: "txn-2001", UserId: "ana", PaymentType: "credit", Provider: "stripe",
			MerchantId: "corner-shop", Amount: money("1250", "EUR", 2), Fee: money("44", "EUR", 2),
			Lines: []*eventsv1.Line{{Sku: "MUG-2", Description: "Mug", Quantity: "2", UnitPrice: money("625", "EUR", 2)}},
		}),
		event("payments/pay-2001/refunds/re-1", "2026-03-05T16:20:00Z", &eventsv1.PaymentRefunded{
			PaymentId: "pay-2001", RefundId: "re-1", TransactionId: "txn-2002", Provider: "stripe", MerchantId: "corner-shop",
			Amount: money("625", "EUR", 2), Reason: "one arrived broken",
		}),
		event("receivers/rcv-31", "2026-03-02T09:00:00Z", &eventsv1.ReceiverCreated{
			ReceiverId: "rcv-31", MerchantId: "corner-shop", Chain: "dash", Address: "XmNfXq2kDmrNBTiDTofohRemwGur1WmgTT",
			AmountFiat: money("1000", "EUR", 2), BaseFiat: "31.25", AmountDue: money("32000000", "DASH", 8),
			ExpiresAt: "2026-03-02T09:15:00Z",
		}),
		event("receivers/rcv-31/outputs/9f2c-0/detected", "2026-03-02T09:02:11Z", &eventsv1.ReceiverPaymentDetected{
			ReceiverId: "rcv-31", MerchantId: "corner-shop", Chain: "dash", Txid: "9f2c", Vout: new(uint32),
			Address: "XmNfXq2kDmrNBTiDTofohRemwGur1WmgTT", Amount: money("32000000", "DASH", 8), InstantLocked: new(true),
		}),
		event("sites/blog", "2026-03-01T12:00:00Z", &eventsv1.SiteRegistered{
			PluginId: "blog", PaymentPointer: "$wallet.example/blog", TimeZone: "Europe/Paris",
		}),
		event("sites/blog/sessions/s-1/1", "2026-03-02T20:15:30Z", &eventsv1.MonetizationReceived{
			PluginId: "blog", PaymentPointer: "$wallet.example/blog", PostId: "p-1", SessionId: "s-1", Amount: money("200", "USD", 6),
		}),
	}
}

// produce writes all events and waits until each is acknowledged. A plain client of franz-go is idempotent, with acks=all.
func produce(ctx context.Context, brokers string, encode encoder, out io.Writer) error {
	if brokers == "" {
		return errors.New("TRIBUTARY_KAFKA_BROKERS is not set; with \"make dev\" running: set -a; . .tributary/endpoints.env; set +a")
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.RecordDeliveryTimeout(20*time.Second),
	)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	defer client.Close()
	var records []*kgo.Record
	for _, event := range happened() {
		if invalid := ledger.Validate(event); invalid != nil { // before anybody has it
			return fmt.Errorf("%s %s: %w", event.Type, event.Subject, invalid)
		}
		record, err := encode(ctx, event)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", event.Type, event.Subject, err)
		}
		records = append(records, record)
	}
	var failed []error
	for _, result := range client.ProduceSync(ctx, records...) {
		if result.Err != nil {
			failed = append(failed, fmt.Errorf("not written to %s: %w", result.Record.Topic, result.Err))
			continue
		}
		_, _ = fmt.Fprintf(out, "written to %s, partition %d, offset %d\n", result.Record.Topic, result.Record.Partition, result.Record.Offset)
	}
	if len(failed) > 0 {
		failed = append(failed, fmt.Errorf("%d events were not written; run this again, what was written counts once", len(failed)))
	}
	return errors.Join(failed...)
}
