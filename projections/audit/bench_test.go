package audit_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/audit"
)

// BenchmarkVerify proves the balances of payments, three postings each. What is measured is the verification alone; to
// write and project them takes longer.
func BenchmarkVerify(b *testing.B) {
	const events = 200_000
	s := open(b)
	b.StopTimer()
	for n := range events {
		record, bad := eventlog.Encode(posted(n, 1000+n%100))
		require.Nil(b, bad)
		record.Partition = int32(n % partitions)
		s.log.Produce(b.Context(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	require.NoError(b, s.log.Flush(b.Context()))
	s.project(b)
	b.StartTimer()
	for b.Loop() {
		started := time.Now()
		report, err := audit.New(s.pool, s.kafka, nil).Verify(b.Context(), audit.Live("balances"), nil)
		require.NoError(b, err)
		require.True(b, report.Agrees())
		require.EqualValues(b, events, report.Projections[0].Records)
		b.ReportMetric(events/time.Since(started).Seconds(), "events/s")
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.Sys)/(1<<20), "MiB-from-OS")
}
