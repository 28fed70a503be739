package comparison_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/comparison"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// BenchmarkPostgres compares two generations of the balances of that many events, once equal and once wholly different.
//
//	go test -run '^$' -bench Postgres -benchtime 1000000x ./projections/comparison
func BenchmarkPostgres(b *testing.B) {
	pool := open(b)
	projection := balances.New(pool, nil)
	l := simulated(b, 1, int64(b.N), false)
	other := create(b, pool, projection)
	l.build(b, pool, projection, 0, 20_000, nil)
	l.build(b, pool, projection, other, 20_000, nil)
	l.records = nil
	_, err := pool.Exec(b.Context(), "VACUUM ANALYZE")
	require.NoError(b, err)
	report := func(equal bool, name string) {
		peak, stop := watchHeap(b)
		started := time.Now()
		var rows int64
		found, err := comparison.Postgres(b.Context(), show(b, pool, projection, live(b, pool, projection)),
			show(b, pool, projection, other), projection.Readers(), func(done, _ int64) { rows = done })
		took := time.Since(started)
		stop()
		require.NoError(b, err)
		require.Equal(b, equal, found.Agrees())
		b.ReportMetric(float64(rows)/took.Seconds(), name+"-rows/s")
		b.ReportMetric(took.Seconds(), name+"-s")
		b.ReportMetric(float64(peak.Load())/(1<<20), name+"-MB")
	}
	b.ResetTimer()
	report(true, "equal")
	b.StopTimer()
	entries := postgres.Generation{Schema: balances.Name, Number: other}.Table("entries")
	_, err = pool.Exec(b.Context(), "UPDATE "+entries+" SET amount = amount + 1")
	require.NoError(b, err)
	report(false, "different")
}

// watchHeap finds by how much the heap grows until it is stopped, garbage included.
func watchHeap(b *testing.B) (peak *atomic.Int64, stop func()) {
	b.Helper()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	base, peak := stats.HeapAlloc, new(atomic.Int64)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				peak.Store(max(peak.Load(), int64(now.HeapAlloc)-int64(base)))
			}
		}
	}()
	return peak, func() { close(done); <-ended }
}
