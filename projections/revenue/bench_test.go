package revenue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	clickhousego "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
)

// A batch of 20,000 visits to 100 posts of ten sites, into a block.
func BenchmarkFold(b *testing.B) {
	records := make([]eventlog.Record, 20_000)
	for i := range records {
		at := time.Unix(int64(1_700_000_000+i), 0)
		records[i] = foldtest.Record(visit(at, fmt.Sprintf("site-%d", i%10), fmt.Sprintf("post-%d", i%100), int64(i)), 0, int64(i))
	}
	p := New()
	var buf proto.Buffer
	b.ReportAllocs()
	for b.Loop() {
		input := p.Fold(records)
		buf.Reset()
		require.NoError(b, proto.Block{Columns: len(input), Rows: len(records)}.EncodeRawBlock(&buf, 0, input))
	}
	b.ReportMetric(float64(len(records)*b.N)/b.Elapsed().Seconds(), "events/s")
}

// fill makes ten million events: sessions of six events on one of the 50 posts of one of 1,000 sites, some more popular than
// others, within a minute, over the three years from 2010.
const fill = `INSERT INTO revenue.events_g1 SELECT 'main', 'monetization', concat('site-', toString(site)), generateUUIDv7(number),
	'tributary.monetization.received.v1', at, at + toIntervalMillisecond(400), concat('$wallet.example/site-', toString(site)),
	concat('post-', toString(site), '-', toString(toUInt32(50 * pow((sipHash64(session, 3) %% 1000000) / 1000000., 2)))),
	lower(hex(sipHash128(session))), if(site %% 10 = 0, 'EUR', 'USD'), toDecimal128(1 + rand(4) %% 1000, 18) / 100000, 0, 0,
	'tributary.monetization', site %% 12, number, 1
FROM (SELECT number, intDiv(number, 6) AS session, toUInt32(1000 * pow((sipHash64(session, 1) %% 1000000) / 1000000., 2)) AS site,
	fromUnixTimestamp64Micro(toInt64(1262304000000000 + (session * 6 + (number %% 6)) * 9460800.), 'UTC') AS at
	FROM numbers(%d, 1000000)) SETTINGS max_insert_threads = 1`

const fillPosts = `INSERT INTO revenue.posts_g1 SELECT 'main', concat('site-', toString(intDiv(number, 50))),
	concat('post-', toString(intDiv(number, 50)), '-', toString(number % 50)), concat('A title of ', toString(number)), '', 'news', number
FROM numbers(50000)`

// Questions to ten million events: of one site in one year and of all, in UTC and in a zone, with the aggregate and without.
//
//	go test ./projections/revenue -run '^$' -bench Periods -benchtime 5x
func BenchmarkPeriods(b *testing.B) {
	if testing.Short() {
		b.Skip("short")
	}
	books := newBooks(b)
	exec := func(sql string) { require.NoError(b, books.conn.Exec(b.Context(), sql)) }
	exec("ALTER TABLE revenue.events_g1 DROP CONSTRAINT fence")
	for million := range 10 {
		exec(fmt.Sprintf(fill, million*1_000_000))
	}
	exec(fillPosts)
	exec("OPTIMIZE TABLE revenue.events_g1 FINAL")
	b.Run("size", func(b *testing.B) {
		for metric, table := range map[string]string{"table-bytes/event": "parts", "aggregate-bytes/event": "projection_parts"} {
			where := " WHERE active AND table = 'events_g1' AND (name = 'quarter_hours' OR '" + table + "' = 'parts')"
			var bytes uint64
			require.NoError(b, books.conn.QueryRow(b.Context(), "SELECT sum(bytes_on_disk) FROM system."+table+where).Scan(&bytes))
			b.ReportMetric(float64(bytes)/10_000_000, metric)
		}
	})
	direct := "SELECT toYear(toDate(" + quarter + ")) AS year, toMonth(toDate(" + quarter + ")) AS month, asset_code," +
		" sum(toDecimal256(gross, 18)), sum(toDecimal256(refunds, 18)), sum(toDecimal256(fees, 18)), count() FROM revenue.events GROUP BY ALL"
	books.measure(b, "months without a view", direct)
	for _, p := range periods() {
		columns, year := strings.Join(p.columns, ", "), "year"
		if len(p.columns) == 1 {
			year = "toYear(" + p.columns[0] + ")"
		}
		for _, view := range []string{p.name, p.name + "_in(tz = 'America/New_York')"} {
			sql := fmt.Sprintf("SELECT %s, asset_code, sum(net), sum(events) FROM revenue.%s WHERE ", columns, view)
			books.measure(b, view+": a site's year",
				sql+"ledger = 'main' AND stream = 'monetization' AND owner = 'site-7' AND "+year+" = 2011 GROUP BY ALL")
			books.measure(b, view+": everything", sql+"1 GROUP BY ALL")
		}
	}
}

// measure runs a query with the aggregate and without. Beside the mean it tells the least time: on a machine with other work
// that is the one that says something.
func (all *books) measure(b *testing.B, name, sql string) {
	b.Helper()
	for how, projections := range map[string]int{"": 1, ", no aggregate": 0} {
		ctx := clickhousego.Context(b.Context(), clickhousego.WithSettings(clickhousego.Settings{"optimize_use_projections": projections}))
		b.Run(name+how, func(b *testing.B) {
			least := time.Hour
			for b.Loop() {
				start := time.Now()
				_, err := all.query(ctx, sql)
				require.NoError(b, err)
				least = min(least, time.Since(start))
			}
			b.ReportMetric(least.Seconds()*1000, "least-ms")
		})
	}
}
