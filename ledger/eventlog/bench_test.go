package eventlog

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func BenchmarkEncode(b *testing.B) {
	event := sample(b, ledger.TypePaymentPosted, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, bad := Encode(event); bad != nil {
			b.Fatal(bad)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	event := sample(b, ledger.TypePaymentPosted, 0)
	for name, record := range wireFormats(b, event) {
		switch name {
		case "protobuf", "JSON", "structured":
		default:
			continue
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := Decode(record); got.Event == nil {
					b.Fatal(got.Rejected.Invalid)
				}
			}
		})
	}
}

// benchEvents are unlike each other in what real ones are: ids, keys, amounts.
func benchEvents(b *testing.B, n int) []*ledger.Event {
	b.Helper()
	events := make([]*ledger.Event, n)
	for i := range events {
		event := sample(b, ledger.TypePaymentPosted, 2*i)
		event.ID = uuid.Must(uuid.NewV7())
		data, _ := event.Data.(*eventsv1.PaymentPosted)
		data.PaymentId, data.UserId = event.ID.String(), uuid.NewSHA1(uuid.Nil, binary.BigEndian.AppendUint64(nil, uint64(i%1000))).String()
		event.Subject = data.GetPaymentId()
		events[i] = event
	}
	return events
}

// BenchmarkPublish is the rate of one writer into an embedded broker, in events a second.
func BenchmarkPublish(b *testing.B) {
	config, _ := testLog(b)
	writer := testWriter(b, config)
	events := benchEvents(b, 10_000)
	var failed atomic.Int64
	done := func(_ Position, err error) {
		if err != nil {
			failed.Add(1)
		}
	}
	b.ResetTimer()
	for i := range b.N {
		writer.Publish(b.Context(), events[i%len(events)], done)
	}
	require.NoError(b, writer.Flush(b.Context()))
	require.Zero(b, failed.Load())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkPublishOne is how long one event takes from Publish to its position on an idle writer.
func BenchmarkPublishOne(b *testing.B) {
	config, _ := testLog(b)
	writer := testWriter(b, config)
	events := benchEvents(b, 100)
	for i := range b.N {
		_, err := writer.PublishAll(b.Context(), events[i%len(events):][:1])
		require.NoError(b, err)
	}
}

// BenchmarkReadRange is the rate of reading and decoding a log of 200,000 events, in events a second.
func BenchmarkReadRange(b *testing.B) {
	const logged = 200_000
	config, admin := testLog(b)
	writer := testWriter(b, config)
	events := benchEvents(b, 10_000)
	for range logged / len(events) {
		_, err := writer.PublishAll(b.Context(), events)
		require.NoError(b, err)
	}
	whole := wholeLog(b, admin)
	b.ResetTimer()
	for range b.N {
		var read atomic.Int64
		err := ReadRange(b.Context(), config, whole, func(_ context.Context, batch Batch) error {
			read.Add(int64(len(batch.Records)))
			return nil
		})
		require.NoError(b, err)
		require.Equal(b, int64(logged), read.Load())
	}
	b.ReportMetric(float64(b.N)*logged/b.Elapsed().Seconds(), "events/s")
}
