package clickhouse

import (
	"context"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// PositionsSQL is the query that tells what is in.
func PositionsSQL(table string) string { return positionsSQL(table) }

// CompactFence empties the fence of a database if it holds more than so many bytes.
func CompactFence(ctx context.Context, conn driver.Conn, database string, most uint64) error {
	return compactFence(ctx, conn, Generation{Database: database}, most)
}

// NewBareInsert makes the tables of a projection and returns what inserts the rows of events, and does nothing else.
func NewBareInsert(b *testing.B, conn driver.Conn, projection Projection) func(records []eventlog.Record) {
	b.Helper()
	s := NewStore(nil, conn, projection, Options{})
	g := s.generation(1)
	_, err := makeMissing(b.Context(), conn, projection, g, "bench", nil)
	require.NoError(b, err)
	secured := map[eventlog.TopicPartition]bool{}
	return func(records []eventlog.Record) {
		rows, err := s.fold(records)
		require.NoError(b, err)
		epochs := map[eventlog.TopicPartition]int64{}
		for _, r := range rows.runs {
			epochs[r.partition] = 1
			if !secured[r.partition] {
				require.NoError(b, s.raiseFence(b.Context(), g, map[eventlog.TopicPartition]*hold{r.partition: {epoch: 1}}))
				secured[r.partition] = true
			}
		}
		require.NoError(b, s.send(b.Context(), g.Table(projection.Rows().Name), rows.columns, rows.sealed(epochs), "bench"))
	}
}

// Drop is DropGeneration with steps.
func Drop(
	ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection, generation int32, step projections.Step,
) error {
	return drop(ctx, pool, conn, projection, generation, step)
}
