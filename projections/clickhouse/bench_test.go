package clickhouse_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

const benchBatch = 20_000

// benchBatches are batches of new events, with ids that grow, over a few partitions.
func benchBatch12(from int64) []eventlog.Record {
	const partitions = 12
	records := make([]eventlog.Record, 0, benchBatch)
	for n := range int32(partitions) {
		p := eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: n}
		for i := range int64(benchBatch / partitions) {
			records = append(records, record(p.At(from+i), uuid.Must(uuid.NewV7())))
		}
	}
	return records
}

// BenchmarkInsert is the bare path of rows into ClickHouse: folded, encoded, sent as one block, durable, under the fence.
func BenchmarkInsert(b *testing.B) {
	conn := connect(b, stacktest.LargeClickHouse(b).URL())
	insert := clickhouse.NewBareInsert(b, conn, newTally())
	rows := int64(0)
	for b.Loop() {
		b.StopTimer()
		records := benchBatch12(rows)
		b.StartTimer()
		insert(records)
		rows += int64(len(records))
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCommit is whole commits, one after the other: Postgres, ClickHouse, Postgres.
func BenchmarkCommit(b *testing.B) {
	pool, err := postgres.Open(b.Context(), stacktest.LargePostgres(b).URL())
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	conn, projection := connect(b, stacktest.LargeClickHouse(b).URL()), newTally()
	_, err = clickhouse.Migrate(b.Context(), pool, conn, []clickhouse.Projection{projection})
	require.NoError(b, err)
	store := clickhouse.NewStore(pool, conn, projection, clickhouse.Options{Interval: time.Microsecond})
	claims := map[eventlog.TopicPartition]bool{}
	for _, r := range benchBatch12(0) {
		claims[r.TopicPartition()] = true
	}
	all := make([]projections.Claim, 0, len(claims))
	for p := range claims {
		all = append(all, projections.Claim{TopicPartition: p, TopicID: eventlog.TopicID{1}})
	}
	owned, err := store.Acquire(b.Context(), all)
	require.NoError(b, err)
	rows := int64(0)
	for b.Loop() {
		b.StopTimer()
		batch := projections.Batch{Records: benchBatch12(rows)}
		for i, r := range batch.Records {
			p := r.TopicPartition()
			if i == 0 || batch.Records[i-1].TopicPartition() != p {
				own := owned[p]
				batch.Ranges = append(batch.Ranges, projections.Range{
					TopicPartition: p, From: own.NextOffset, Epoch: own.Epoch, Generation: own.Generation, RecordedAt: r.RecordedAt,
				})
			}
			batch.Ranges[len(batch.Ranges)-1].To = r.Offset + 1
		}
		b.StartTimer()
		change, err := store.Prepare(b.Context(), batch)
		require.NoError(b, err)
		_, err = change.Commit(b.Context())
		require.NoError(b, err)
		for _, r := range batch.Ranges {
			own := owned[r.TopicPartition]
			own.NextOffset = r.To
			owned[r.TopicPartition] = own
		}
		rows += int64(len(batch.Records))
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "events/s")
}
