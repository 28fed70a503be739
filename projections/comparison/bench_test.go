package comparison_test

import (
	"runtime"
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
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		started := time.Now()
		var rows int64
		found, err := comparison.Postgres(b.Context(), show(b, pool, projection, live(b, pool, projection)),
			show(b, pool, projection, other), projection.Readers(), func(done, _ int64) { rows = done })
		require.NoError(b, err)
		require.Equal(b, equal, found.Agrees())
		took := time.Since(started)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(rows)/took.Seconds(), name+"-rows/s")
		b.ReportMetric(took.Seconds(), name+"-s")
		b.ReportMetric(float64(after.HeapSys)/(1<<20), name+"-heap-MB")
	}
	b.ResetTimer()
	report(true, "equal")
	b.StopTimer()
	_, err = pool.Exec(b.Context(), "UPDATE "+postgres.Generation{Schema: balances.Name, Number: other}.Table("entries")+" SET amount = amount + 1")
	require.NoError(b, err)
	report(false, "different")
}
