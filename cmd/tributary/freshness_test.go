package main

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// BenchmarkFreshness publishes 1,000 events a second, one by one, while all projections follow, and reports how long it
// takes from the append until the balances have an event.
//
//	go test -run '^$' -bench Freshness -benchtime 20000x ./cmd/tributary
func BenchmarkFreshness(b *testing.B) {
	const perSecond = 1_000
	at := migrated(b)
	at.start(b, "project", "--metrics-addr", "127.0.0.1:0")
	pool, err := postgres.Open(b.Context(), at.url)
	require.NoError(b, err)
	defer pool.Close()
	waitForLog(b, at.kafka, pool)
	events, err := simulation.New(simulation.Options{Seed: 1, Events: int64(b.N) + 1})
	require.NoError(b, err)
	writer, err := eventlog.NewWriter(at.kafka)
	require.NoError(b, err)
	defer writer.Close()

	var mu sync.Mutex
	pending := map[eventlog.TopicPartition]map[int64]time.Time{}
	ticker := time.NewTicker(time.Second / perSecond)
	defer ticker.Stop()
	published := make(chan struct{})
	b.ResetTimer()
	go func() {
		defer close(published)
		for range b.N {
			<-ticker.C
			event, _ := events.Next()
			appended := time.Now()
			writer.Publish(b.Context(), event, func(at eventlog.Position, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					b.Errorf("publish: %v", err)
					return
				}
				if pending[at.TopicPartition()] == nil {
					pending[at.TopicPartition()] = map[int64]time.Time{}
				}
				pending[at.TopicPartition()][at.Offset] = appended
			})
		}
	}()
	waits := make([]time.Duration, 0, b.N)
	for len(waits) < b.N && !b.Failed() {
		rows, err := pool.Query(b.Context(),
			`SELECT topic, "partition", next_offset FROM books.progress WHERE projection = 'balances'`)
		require.NoError(b, err)
		var p eventlog.TopicPartition
		var next int64
		_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &next}, func() error {
			mu.Lock()
			defer mu.Unlock()
			for offset, appended := range pending[p] {
				if offset < next {
					waits = append(waits, time.Since(appended))
					delete(pending[p], offset)
				}
			}
			return nil
		})
		require.NoError(b, err)
	}
	<-published
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1_000, "p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1_000, "p99-ms")
}
