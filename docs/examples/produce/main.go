// Command produce writes one event to Kafka with a plain client, as a program that knows nothing of Tributary would: the
// attributes of CloudEvents as headers, the data as JSON.
//
//	TRIBUTARY_KAFKA_BROKERS=127.0.0.1:9092 go run ./docs/examples/produce
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := produce(ctx, strings.Split(os.Getenv("TRIBUTARY_KAFKA_BROKERS"), ",")); err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		cancel()
		os.Exit(1) //nolint:gocritic // cancel has been called
	}
}

const data = `{
  "payment_id": "pay-77", "transaction_id": "txn-77", "user_id": "ana", "payment_type": "credit",
  "provider": "stripe", "merchant_id": "corner-shop",
  "amount": {"value": "1250", "asset_code": "EUR", "asset_scale": 2},
  "fee":    {"value":   "25", "asset_code": "EUR", "asset_scale": 2}
}`

func produce(ctx context.Context, brokers []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return fmt.Errorf("make a client for %v: %w", brokers, err)
	}
	defer client.Close()
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	record, err := client.ProduceSync(ctx, &kgo.Record{
		Topic: "tributary.payments",
		Key:   []byte("pay-77"), // the subject: all that happens to a payment stays in order
		Headers: []kgo.RecordHeader{
			header("content-type", "application/json"),
			header("ce_specversion", "1.0"),
			header("ce_id", uuid.NewString()), // kept and sent again on a retry: an id counts once
			header("ce_source", "https://corner-shop.example/till"),
			header("ce_type", "tributary.payment.posted.v1"),
			header("ce_time", time.Now().UTC().Format(time.RFC3339)),
			header("ce_subject", "pay-77"),
		},
		Value: []byte(data),
	}).First()
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	_, err = fmt.Fprintf(os.Stdout, "written to %s, partition %d, offset %d\n", record.Topic, record.Partition, record.Offset)
	if err != nil {
		return fmt.Errorf("say where it went: %w", err)
	}
	return nil
}
