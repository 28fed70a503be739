package comparison_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/comparison"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/projections/revenue"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// warehouse is both stores, with the tables of the revenue.
type warehouse struct {
	pool *pgxpool.Pool
	conn driver.Conn
}

func openWarehouse(t testing.TB) warehouse {
	t.Helper()
	start := stacktest.ClickHouseServer
	if _, measured := t.(*testing.B); measured {
		start = stacktest.LargeClickHouse
	}
	conn, err := clickhouse.Open(t.Context(), start(t).URL())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	w := warehouse{open(t), conn}
	_, err = clickhouse.Migrate(t.Context(), w.pool, conn, []clickhouse.Projection{revenue.New()})
	require.NoError(t, err)
	return w
}

func (w warehouse) create(t testing.TB) int32 {
	t.Helper()
	generation, err := clickhouse.CreateGeneration(t.Context(), w.pool, w.conn, revenue.New())
	require.NoError(t, err)
	return generation
}

func (w warehouse) build(t testing.TB, l *partitioned, generation int32, batch int, random *rand.Rand) {
	t.Helper()
	store := clickhouse.NewStore(w.pool, w.conn, revenue.New(), clickhouse.Options{Generation: generation, Interval: time.Microsecond})
	l.commit(t, foldtest.OwnStore(store), revenue.New().Definition(), batch, random)
}

func (w warehouse) live(t testing.TB) int32 {
	t.Helper()
	var generation int32
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT generation FROM tributary.live WHERE projection = 'revenue'`).Scan(&generation))
	return generation
}

func (w warehouse) compare(t testing.TB, other int32, below map[eventlog.TopicPartition]int64) comparison.Report {
	t.Helper()
	live := w.live(t)
	report, err := comparison.ClickHouse(t.Context(), w.conn, revenue.New(), comparison.Generations{
		Live: clickhouse.Generation{Database: revenue.Name, Number: live}, Other: clickhouse.Generation{Database: revenue.Name, Number: other},
		LiveSnapshot: showNamed(t, w.pool, revenue.Name, live), OtherSnapshot: showNamed(t, w.pool, revenue.Name, other),
	}, below, nil)
	require.NoError(t, err)
	return report
}

func (w warehouse) exec(t testing.TB, sql string) {
	t.Helper()
	require.NoError(t, w.conn.Exec(t.Context(), sql), sql)
}

// Order, batches and copies are no difference in ClickHouse either, and what the live generation has past the offsets is none.
func TestRevenueOfAnotherOrderIsTheSame(t *testing.T) {
	t.Parallel()
	w := openWarehouse(t)
	l := simulated(t, 5, 1_500, false)
	below := l.ends()
	other := w.create(t)
	w.build(t, l, other, 130, rand.New(rand.NewPCG(5, 1)))
	l.event(t, 1, posted(100, "later", "m1", 1_000))
	l.event(t, 1, orphan(101, &eventsv1.PostPublished{PluginId: "later", PostId: "p", Title: "t"}))
	w.build(t, l, 0, 700, nil)
	report := w.compare(t, other, below)
	require.True(t, report.Agrees(), "%+v", report)
	copies := int64(0)
	for _, view := range report.Views {
		require.Positive(t, view.LiveRows, view.Name)
		copies += view.OtherCopies
	}
	require.Positive(t, copies, "no row came from another copy: the orders were not different enough")
	require.EqualValues(t, 1, viewOf(t, report, "revenue.posts").Ahead)

	report = w.compare(t, other, l.ends())
	require.False(t, report.OnlyConflicts())
	require.EqualValues(t, 1, viewOf(t, report, "revenue.events").Missing)
	require.EqualValues(t, 1, viewOf(t, report, "revenue.identity").Missing)
	require.EqualValues(t, 1, viewOf(t, report, "revenue.quarter_hours").Differing())
}

// Conflicts are told apart, also in the sums.
func TestConflictsInRevenueAreToldApart(t *testing.T) {
	t.Parallel()
	w := openWarehouse(t)
	l := simulated(t, 6, 1_500, true)
	other := w.create(t)
	w.build(t, l, other, 130, rand.New(rand.NewPCG(6, 1)))
	w.build(t, l, 0, 700, nil)
	report := w.compare(t, other, l.ends())
	require.False(t, report.Agrees())
	require.True(t, report.OnlyConflicts(), "%+v", report.Views)
	for _, name := range []string{"revenue.identity", "revenue.events", "revenue.quarter_hours"} {
		require.Positive(t, viewOf(t, report, name).Conflicts, name)
	}
	for _, d := range report.Differences {
		require.True(t, d.Conflict)
		require.NotEmpty(t, d.Events, "%+v", d)
	}
}

// Each kind of difference is found and named, what an aggregate has alone, too.
func TestEachDifferenceInRevenueIsFound(t *testing.T) {
	t.Parallel()
	w := openWarehouse(t)
	l := simulated(t, 7, 1_500, false)
	w.build(t, l, 0, 700, nil)
	for _, d := range []struct{ view, kind, column, sql string }{
		{
			"revenue.events", comparison.KindDifferent, "gross",
			"ALTER TABLE %s UPDATE gross = gross + 1 WHERE event_id = (SELECT min(event_id) FROM %[1]s) SETTINGS mutations_sync = 1",
		},
		{
			"revenue.events", comparison.KindMissing, "gross",
			"ALTER TABLE %s DELETE WHERE event_id = (SELECT min(event_id) FROM %[1]s) SETTINGS mutations_sync = 1",
		},
		{
			"revenue.events", comparison.KindExtra, "gross",
			`ALTER TABLE %s UPDATE event_id = generateUUIDv4() WHERE event_id = (SELECT min(event_id) FROM %[1]s) SETTINGS mutations_sync = 1`,
		},
	} {
		t.Run(d.kind, func(t *testing.T) {
			t.Parallel()
			other := w.create(t)
			w.build(t, l, other, 700, nil)
			require.True(t, w.compare(t, other, l.ends()).Agrees())
			w.exec(t, fmt.Sprintf(d.sql, fmt.Sprintf("revenue.events_g%d", other)))
			report := w.compare(t, other, l.ends())
			require.False(t, report.OnlyConflicts())
			var found, sums *comparison.Difference
			for i := range report.Differences {
				switch difference := &report.Differences[i]; {
				case difference.View == d.view && difference.Kind == d.kind:
					found = difference
				case difference.View == "revenue.quarter_hours":
					sums = difference
				}
			}
			require.NotNil(t, found, "%+v", report)
			require.Len(t, found.Events, 1)
			require.NotEmpty(t, found.Events[0].EventID)
			require.NotEmpty(t, found.Events[0].Type)
			require.True(t, slices.ContainsFunc(found.Values, func(v comparison.Value) bool { return v.Column == d.column && v.Delta != "" }))
			if d.kind != comparison.KindExtra { // There the sums stay as they are.
				require.NotNil(t, sums)
				require.Equal(t, found.Events, sums.Events)
			}
		})
	}
}

// A title that differs is found; one that only the other generation has, or that is older there, too.
func TestOtherPostsAreFound(t *testing.T) {
	t.Parallel()
	w := openWarehouse(t)
	l := simulated(t, 8, 1_500, false)
	w.build(t, l, 0, 700, nil)
	other := w.create(t)
	w.build(t, l, other, 700, nil)
	w.exec(t, fmt.Sprintf(`INSERT INTO revenue.posts_g%d SELECT ledger, plugin_id, 'nobody', title, url, category, version
		FROM revenue.posts_g%[1]d LIMIT 1`, other))
	view := viewOf(t, w.compare(t, other, l.ends()), "revenue.posts")
	require.EqualValues(t, 1, view.Extra)
	w.exec(t, fmt.Sprintf(`INSERT INTO revenue.posts_g%d SELECT ledger, plugin_id, post_id, 'tampered', url, category, version + 1
		FROM revenue.posts_g%[1]d ORDER BY version LIMIT 1`, other))
	view = viewOf(t, w.compare(t, other, l.ends()), "revenue.posts")
	require.EqualValues(t, 1, view.Different)
}

// What the views read is compared, not only the rows: an aggregate that does not belong to its part shows.
func TestADamagedAggregateShows(t *testing.T) {
	t.Parallel()
	w := openWarehouse(t)
	l := &partitioned{}
	l.event(t, 0, posted(1, "a", "m1", 100))
	w.build(t, l, 0, 1, nil)
	other := w.create(t)
	table := fmt.Sprintf("revenue.events_g%d", other)
	w.exec(t, "SYSTEM STOP MERGES "+table)
	l.event(t, 0, posted(2, "b", "m1", 777))
	w.build(t, l, other, 1, nil)
	live := &partitioned{records: l.records[1:], next: l.next, at: l.at}
	w.build(t, live, 0, 1, nil)
	require.True(t, w.compare(t, other, l.ends()).Agrees())
	rows, err := w.conn.Query(t.Context(), `SELECT name, path FROM system.parts WHERE active AND database || '.' || table = ?
		ORDER BY min_block_number`, table)
	require.NoError(t, err)
	var names, paths []string
	for rows.Next() {
		var name, path string
		require.NoError(t, rows.Scan(&name, &path))
		names, paths = append(names, name), append(paths, path)
	}
	require.NoError(t, rows.Err())
	require.Len(t, names, 2)
	const aggregate = "quarter_hours.proj"
	w.exec(t, "ALTER TABLE "+table+" DETACH PART '"+names[1]+"'")
	detached := filepath.Join(filepath.Dir(filepath.Clean(paths[1])), "detached", names[1], aggregate)
	require.NoError(t, os.RemoveAll(detached))
	require.NoError(t, os.CopyFS(detached, os.DirFS(filepath.Join(paths[0], aggregate))))
	w.exec(t, "ALTER TABLE "+table+" ATTACH PART '"+names[1]+"'")
	report := w.compare(t, other, l.ends())
	require.Zero(t, viewOf(t, report, "revenue.events").Differing())
	require.Positive(t, viewOf(t, report, "revenue.quarter_hours").Differing(), "%+v", report)
	require.False(t, report.OnlyConflicts())
}
