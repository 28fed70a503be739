package quarantine

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
)

// A topic of nothing but broken records of a kilobyte, in batches as a runner makes them when it is behind.
func BenchmarkRebuild(b *testing.B) {
	const batch = 20_000
	pool := foldtest.Open(b, New())
	owner := foldtest.Own(b, pool, New())
	payload := bytes.Repeat([]byte("x"), 1024)
	headers := []kgo.RecordHeader{header("ce_specversion", "1.0"), header("ce_id", "1"), header("ce_type", "tributary.payment.posted.v1")}
	records, offset := make([]eventlog.Record, batch), int64(0)
	b.ResetTimer()
	for range b.N {
		for i := range records {
			records[i] = at(offset, &kgo.Record{Value: payload, Headers: headers})
			offset++
		}
		owner.Commit(b, records...)
	}
	b.ReportMetric(float64(offset)/b.Elapsed().Seconds(), "events/s")
}
