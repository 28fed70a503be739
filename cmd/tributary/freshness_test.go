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
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// visible is up to where, on each partition, events are seen.
type visible = map[eventlog.TopicPartition]int64

// BenchmarkFreshness publishes 1,000 events a second, one by one, while all projections follow, and reports how long it
// takes from the append until the balances in Postgres, or the events of revenue in ClickHouse, have an event.
//
//	go test -run '^$' -bench Freshness -benchtime 20000x ./cmd/tributary
func BenchmarkFreshness(b *testing.B) {
	b.Run("balances", func(b *testing.B) {
		at := followed(b)
		pool, err := postgres.Open(b.Context(), at.url)
		require.NoError(b, err)
		defer pool.Close()
		freshness(b, at, func(*eventlog.Record) bool { return true }, func() visible {
			rows, err := pool.Query(b.Context(), `SELECT topic, "partition", next_offset FROM books.progress WHERE projection = 'balances'`)
			require.NoError(b, err)
			seen := visible{}
			var p eventlog.TopicPartition
			var next int64
			_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &next}, func() error {
				seen[p] = next
				return nil
			})
			require.NoError(b, err)
			return seen
		})
	})
	b.Run("revenue", func(b *testing.B) {
		at := followed(b)
		conn, err := clickhouse.Open(b.Context(), at.clickhouse)
		require.NoError(b, err)
		defer func() { require.NoError(b, conn.Close()) }()
		freshness(b, at, revenue.New().Counts, func() visible {
			rows, err := conn.Query(b.Context(), `SELECT topic, "partition", max(kafka_offset) + 1 FROM revenue.events GROUP BY topic, "partition"`)
			require.NoError(b, err)
			seen := visible{}
			for rows.Next() {
				var p eventlog.TopicPartition
				var next int64
				require.NoError(b, rows.Scan(&p.Topic, &p.Partition, &next))
				seen[p] = next
			}
			require.NoError(b, rows.Err())
			return seen
		})
	})
}

// followed are books that all projectors follow.
func followed(b *testing.B) books {
	b.Helper()
	at := migrated(b).withClickHouse(b)
	at.start(b, "project", "--metrics-addr", "127.0.0.1:0")
	pool, err := postgres.Open(b.Context(), at.url)
	require.NoError(b, err)
	defer pool.Close()
	waitForLog(b, at.kafka, pool)
	return at
}

// freshness waits for each event that counts until look shows it.
func freshness(b *testing.B, at books, counts func(*eventlog.Record) bool, look func() visible) {
	b.Helper()
	const perSecond = 1_000
	events, err := simulation.New(simulation.Options{Seed: 1, Events: int64(b.N) + 1})
	require.NoError(b, err)
	writer, err := eventlog.NewWriter(at.kafka)
	require.NoError(b, err)
	defer writer.Close()

	var mu sync.Mutex
	pending := map[eventlog.TopicPartition]map[int64]time.Time{}
	awaited := 0
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
			counts := counts(&eventlog.Record{Event: event})
			writer.Publish(b.Context(), event, func(at eventlog.Position, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					b.Errorf("publish: %v", err)
					return
				}
				if !counts {
					return
				}
				if pending[at.TopicPartition()] == nil {
					pending[at.TopicPartition()] = map[int64]time.Time{}
				}
				pending[at.TopicPartition()][at.Offset] = appended
				awaited++
			})
		}
		if err := writer.Flush(b.Context()); err != nil {
			b.Errorf("publish: %v", err)
		}
	}()
	var waits []time.Duration
	done := func() bool {
		select {
		case <-published:
			mu.Lock()
			defer mu.Unlock()
			return len(waits) >= awaited || b.Failed()
		default:
			return false
		}
	}
	const pause = 2 * time.Millisecond // what looks without one takes the processors from those it looks at
	looks := time.NewTicker(pause)
	defer looks.Stop()
	for !done() {
		<-looks.C
		seen := look()
		mu.Lock()
		for p, next := range seen {
			for offset, appended := range pending[p] {
				if offset < next {
					waits = append(waits, time.Since(appended))
					delete(pending[p], offset)
				}
			}
		}
		mu.Unlock()
	}
	if len(waits) == 0 {
		return
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1_000, "p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1_000, "p99-ms")
}
