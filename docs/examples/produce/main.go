// Command produce writes one event to Kafka with a plain client, as a program that knows nothing of Tributary would: the
// attributes of CloudEvents as headers, the data as JSON.
//
//	TRIBUTARY_KAFKA_BROKERS=127.0.0.1:9092 go run ./docs/examples/produce
package main

import (
	"context"
	"errors"
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
	if err := produce(ctx, os.Getenv("TRIBUTARY_KAFKA_BROKERS")); err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		cancel()
		os.Exit(1) //nolint:gocritic // cancel has been called
	}
}

const source = "https://corner-shop.example/till"

const data = `{
  "payment_id": "pay-77", "transaction_id": "txn-77", "user_id": "ana", "payment_type": "credit",
  "provider": "stripe", "merchant_id": "corner-shop",
  "amount": {"value": "1250", "asset_code": "EUR", "asset_scale": 2},
  "fee":    {"value":   "25", "asset_code": "EUR", "asset_scale": 2}
}`

func produce(ctx context.Context, brokers string) error {
	if brokers == "" {
		return errors.New("TRIBUTARY_KAFKA_BROKERS is not set; with \"make dev\" running: set -a; . .tributary/endpoints.env; set +a")
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", brokers, err)
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil { // or else the client would try until ctx ends
		return fmt.Errorf("no broker answers at %s: %w", brokers, err)
	}
	// Made from what happened, so that it is the same however often this runs: an id counts once.
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(source+"/pay-77/posted")).String()
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	record, err := client.ProduceSync(ctx, &kgo.Record{
		Topic: "tributary.payments",
		Key:   []byte("pay-77"), // the subject: all that happens to a payment stays in order
		Headers: []kgo.RecordHeader{
			header("content-type", "application/json"),
			header("ce_specversion", "1.0"),
			header("ce_id", id),
			header("ce_source", source),
			header("ce_type", "tributary.payment.posted.v1"),
			header("ce_time", "2026-03-02T08:01:03Z"),
			header("ce_subject", "pay-77"),
		},
		Value: []byte(data),
	}).First()
	if err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	_, err = fmt.Fprintf(os.Stdout, "written to %s, partition %d, offset %d\n", record.Topic, record.Partition, record.Offset)
	if err != nil {
		return fmt.Errorf("say where it went: %w", err)
	}
	return nil
}
