package revenue

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/storetest"
)

// What readers see of the revenue through swaps to and fro: each event once in each view, of any period the same, and nothing back.
func TestReadersSeeAllThroughSwaps(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	// What is asked twice in a query is of one moment only where the session says so.
	const once = " SETTINGS enable_shared_storage_snapshot_in_query = 1"
	questions := make([]storetest.Question, 0, 4)
	for _, sql := range []string{
		"SELECT sum(events), toInt64(sum(net)), sum(events) FROM revenue.by_month",
		"SELECT uniqExact(event_id), toInt64(sum(gross)), count() FROM revenue.events",
		"SELECT sum(n), toInt64(sum(net)), sum(n) FROM (SELECT day, sum(events) AS n, sum(net) AS net FROM revenue.by_day GROUP BY day)",
		"SELECT m.n, toInt64(d.net), d.n FROM (SELECT sum(events) AS n FROM revenue.by_month) AS m" +
			" CROSS JOIN (SELECT sum(net) AS net, sum(events) AS n FROM revenue.by_day) AS d" + once,
	} {
		questions = append(questions, func(ctx context.Context) (storetest.Answer, string, error) { return askSums(ctx, b.conn, sql) })
	}
	start := time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC)
	made := 0
	storetest.FollowSwaps(t, storetest.Live{
		Pool: b.pool, Log: foldtest.Log(t), ErrBehind: postgres.ErrBehind,
		Open: func(generation int32) projections.Store { return b.store(generation) },
		Create: func(ctx context.Context) (int32, error) {
			return clickhouse.CreateGeneration(ctx, b.pool, b.conn, New())
		},
		Swap: func(ctx context.Context, to int32, catchUp func(context.Context, map[eventlog.TopicPartition]int64) error) error {
			return clickhouse.Swap(ctx, b.pool, b.conn, New(), to, catchUp)
		},
		Event: func() *ledger.Event {
			made++ // By one at a time.
			return visit(start.Add(time.Duration(made%1_000)*8*time.Hour), fmt.Sprintf("site-%d", made%3), "post", 1_000)
		},
		Questions: questions, Unready: 30 * time.Second, // An insert that a swap ended is tried again.
	})
}

func (b *books) store(generation int32) *clickhouse.Store {
	return clickhouse.NewStore(b.pool, b.conn, New(), clickhouse.Options{Generation: generation, Interval: 20 * time.Millisecond})
}

// askSums asks for how many events there are, what they sum up to, and how many rows. Each event is of one.
func askSums(ctx context.Context, conn driver.Conn, sql string) (answer storetest.Answer, impossible string, err error) {
	var events, rows uint64
	var sum int64
	if err := conn.QueryRow(ctx, sql).Scan(&events, &sum, &rows); err != nil {
		return answer, "", err
	}
	if events != rows || sum != int64(events) {
		impossible = fmt.Sprintf("%d events, %d rows, %d in sum: %s", events, rows, sum, sql)
	}
	return storetest.Answer{Events: int64(events)}, impossible, nil
}

// The questions find what they are asked for.
func TestSumsFindDoubles(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.commit(t, visit(time.Unix(1_300_000_000, 0), "site", "post", 1_000), visit(time.Unix(1_300_000_000, 0), "site", "post", 1_000))
	const sql = "SELECT uniqExact(event_id), toInt64(sum(gross)), count() FROM revenue.events"
	answer, impossible, err := askSums(t.Context(), b.conn, sql)
	require.NoError(t, err)
	require.Empty(t, impossible)
	require.EqualValues(t, 2, answer.Events)
	require.NoError(t, b.conn.Exec(t.Context(), "INSERT INTO revenue.events_g1 SELECT * FROM revenue.events_g1"))
	_, impossible, err = askSums(t.Context(), b.conn, sql)
	require.NoError(t, err)
	require.NotEmpty(t, impossible)
}
