package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

// TestAccessLog publishes what the visitors of a real site would have paid: revenue by every period in every zone must agree
// with what a script adds up from the log. It publishes it again, and a third time in another format on other partitions:
// nothing may change.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	source, tool := sharedFile(t, "data", "access.log.xz"), sharedFile(t, "tools", "accesslog_to_events.py")
	lines := string(python(t, nil, tool, source))
	require.Equal(t, 2854, strings.Count(lines, "\n"))
	totals := addUpRevenue(t, "access-log", source)
	b := migrated(t).withClickHouse(t)
	b.start(t, "project", "--metrics-addr", "127.0.0.1:0")
	conn := b.warehouse(t)

	events := write(t, lines)
	b.must(t, "publish", events, "--wait")
	totals.agree(t, conn, "monetization")
	before := revenueSnapshot(t, conn)
	b.must(t, "publish", events, "--wait")
	require.Equal(t, before, revenueSnapshot(t, conn), "the second publication changes nothing")

	publishStructured(t, b, lines)
	b.waitForAll(t)
	require.Equal(t, before, revenueSnapshot(t, conn), "nor does the third, in another format on other partitions")
	b.must(t, "verify")
}

// publishStructured publishes events of monetization as a simple program would: the JSON as it is, dealt to the partitions in turn.
func publishStructured(t *testing.T, b books, lines string) {
	t.Helper()
	client, err := eventlog.NewClient(b.kafka, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	require.NoError(t, err)
	defer client.Close()
	var records []*kgo.Record
	for line := range strings.Lines(lines) {
		records = append(records, &kgo.Record{
			Topic: eventlog.TopicMonetization, Value: []byte(strings.TrimSpace(line)),
			Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}},
		})
	}
	require.NoError(t, client.ProduceSync(t.Context(), records...).FirstErr())
}

// sharedFile is a file of real data, or a tool for it; without it the test has nothing to test.
func sharedFile(t *testing.T, folder, name string) string {
	t.Helper()
	shared := os.Getenv("TRIBUTARY_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(shared, folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED, real data not tested: %v (set TRIBUTARY_SHARED to the folder that has data and tools)", err)
	}
	return path
}

// revenueTotals are figures by time zone, view and bucket, as testdata/revenue_totals.py prints them.
type revenueTotals map[string]map[string]map[string]string

// addUpRevenue has the script add up a data file in zones ahead and behind, some of whose clocks change, and some of which
// differ from UTC by parts of an hour.
func addUpRevenue(t *testing.T, kind, source string) revenueTotals {
	t.Helper()
	script := filepath.Join("testdata", "revenue_totals.py")
	zones := []string{"UTC", "America/Los_Angeles", "Asia/Kolkata", "Asia/Kathmandu"}
	totals := decode[revenueTotals](t, string(python(t, withZones(t), append([]string{script, kind, source}, zones...)...)))
	require.Len(t, totals, len(zones))
	for zone, views := range totals {
		require.Len(t, views, len(periodKeys()), zone)
	}
	return totals
}

// withZones is an environment in which Python knows time zones, also where the system has no database of them.
func withZones(t *testing.T) []string {
	t.Helper()
	if exec.CommandContext(t.Context(), "python3", "-c", "import zoneinfo; zoneinfo.ZoneInfo('Asia/Kathmandu')").Run() == nil {
		return nil
	}
	packages := t.TempDir()
	python(t, nil, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", packages, "tzdata==2025.2")
	return []string{"PYTHONPATH=" + packages}
}

// periodKeys are the script's name of a period, in SQL, by view.
func periodKeys() map[string]string {
	return map[string]string{
		"by_hour":        "toString(toUnixTimestamp(hour)) || ' ' || toString(hour)",
		"by_day":         "toString(day)",
		"by_month":       "toString(year) || ' ' || toString(month)",
		"by_day_of_week": "toString(year) || ' ' || toString(day_of_week)",
		"by_day_of_year": "toString(year) || ' ' || toString(day_of_year)",
	}
}

// agree compares every bucket of every view, in each zone by name, and in UTC without one, too.
func (want revenueTotals) agree(t *testing.T, conn driver.Conn, stream string) {
	t.Helper()
	for zone, views := range want {
		for view, buckets := range views {
			compareBuckets(t, buckets, revenueBuckets(t, conn, stream, view, fmt.Sprintf("%s_in(tz = '%s')", view, zone)))
			if zone == "UTC" {
				compareBuckets(t, buckets, revenueBuckets(t, conn, stream, view, view))
			}
		}
	}
}

// revenueBuckets reads a view in the script's words.
func revenueBuckets(t *testing.T, conn driver.Conn, stream, view, from string) map[string]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT arrayStringConcat([`+periodKeys()[view]+`, owner, pointer, post_id, post_title, asset_code], '|'),
		       arrayStringConcat([toString(gross), toString(refunds), toString(fees), toString(net), toString(events)], ' ')
		FROM revenue.`+from+` WHERE ledger = 'main' AND stream = '`+stream+`'`)
	require.NoError(t, err, from)
	defer func() { require.NoError(t, rows.Close()) }()
	found := map[string]string{}
	for rows.Next() {
		var bucket, figures string
		require.NoError(t, rows.Scan(&bucket, &figures))
		found[bucket] += figures // two rows of a bucket agree with nothing
	}
	require.NoError(t, rows.Err(), from)
	return found
}

// compareBuckets names the first bucket that differs: all of them would fill screens.
func compareBuckets(t *testing.T, want, got map[string]string) {
	t.Helper()
	for _, buckets := range []map[string]string{want, got} {
		for _, bucket := range slices.Sorted(maps.Keys(buckets)) {
			if want[bucket] != got[bucket] {
				require.Equal(t, want[bucket], got[bucket], bucket)
			}
		}
	}
}

// revenueSnapshot is a digest of all that readers see of the events: every column of every row.
func revenueSnapshot(t *testing.T, conn driver.Conn) string {
	t.Helper()
	var digest string
	require.NoError(t, conn.QueryRow(t.Context(), `
		SELECT toString((SELECT (count(), sum(cityHash64(*))) FROM revenue.events)) ||
		       toString((SELECT (count(), sum(cityHash64(*))) FROM revenue.posts))`).Scan(&digest))
	return digest
}

// warehouse is a connection to ClickHouse.
func (b books) warehouse(t *testing.T) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(t.Context(), b.clickhouse)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}
