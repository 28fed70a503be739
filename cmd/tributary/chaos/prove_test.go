package chaos

import (
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// tally is what the log has, as read and added up by the driver.
type tally struct {
	copies map[uuid.UUID]int
	others map[uuid.UUID]int // of them, what did not come through the gateways
	// What came through them, in the order of each partition.
	shop      []eventlog.Record
	ofPayment map[string][]eventlog.Record
	contents  map[uuid.UUID][ledger.HashBytes]byte
	broken    int
	postings  int
	debits    map[string]*ledger.Sum // by asset
	counts    map[string]int         // events by the projection that has a row of their ids
}

// readLog reads what is committed, to its end.
func (c *chaos) readLog() *tally {
	c.Helper()
	admin, err := eventlog.NewAdmin(c.log)
	require.NoError(c, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(c.Context())
	require.NoError(c, err)
	client, err := eventlog.NewClient(c.log, kgo.ConsumeTopics(eventlog.Topics()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords())
	require.NoError(c, err)
	defer client.Close()
	log := &tally{
		copies: map[uuid.UUID]int{}, others: map[uuid.UUID]int{}, ofPayment: map[string][]eventlog.Record{},
		contents: map[uuid.UUID][ledger.HashBytes]byte{},
		debits:   map[string]*ledger.Sum{}, counts: map[string]int{},
	}
	maps.DeleteFunc(ends, func(_ eventlog.TopicPartition, end int64) bool { return end == 0 })
	for len(ends) > 0 {
		fetches := client.PollFetches(c.Context())
		require.NoError(c, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			log.add(r)
			place := eventlog.TopicPartition{Topic: r.Topic, Partition: r.Partition}
			if r.Offset+1 >= ends[place] {
				delete(ends, place)
			}
		})
	}
	return log
}

func (l *tally) add(r *kgo.Record) {
	if r.Attrs.IsControl() {
		return
	}
	record := eventlog.Decode(r)
	if record.Event == nil {
		l.broken++
		return
	}
	event := record.Event
	l.copies[event.ID]++
	if event.Ledger == shopLedger {
		l.shop = append(l.shop, record)
		l.ofPayment[event.Subject] = append(l.ofPayment[event.Subject], record)
	} else {
		l.others[event.ID]++
	}
	if l.copies[event.ID] > 1 {
		return
	}
	l.contents[event.ID] = event.ContentHash()
	if revenue.New().Counts(&record) {
		l.counts[revenue.Name]++
	}
	if strings.HasPrefix(string(event.Type), "tributary.payment.") {
		l.counts[receipts.Name]++
	}
	if r.Topic == eventlog.TopicReceivers {
		l.counts[receivers.Name]++
	}
	for _, posting := range ledger.Postings(nil, event) {
		l.postings++
		if posting.Direction == ledger.Debit {
			if l.debits[posting.Asset] == nil {
				l.debits[posting.Asset] = &ledger.Sum{}
			}
			l.debits[posting.Asset].Add(posting.Amount)
		}
	}
}

// prove compares the log with what was published, by the driver's own list; the books with the log, by counting; and both, by the
// audit.
func (c *chaos) prove() {
	c.Helper()
	log := c.readLog()
	c.journal.check(c.T, log.others, log.contents)
	if c.journal.mayRepeat {
		require.GreaterOrEqual(c, log.broken, c.journal.broken, "each broken record is in the log")
	} else {
		require.Equal(c, c.journal.broken, log.broken, "each broken record is in the log once")
	}
	conn, err := pgx.Connect(c.Context(), c.stack.postgres.URL())
	require.NoError(c, err)
	defer func() { require.NoError(c, conn.Close(c.Context())) }()
	var events, entries, ofPayments, ofReceivers, quarantined int
	require.NoError(c, conn.QueryRow(c.Context(), `SELECT (SELECT count(*) FROM balances.identity WHERE generation = `+live(balances.Name)+`),
		(SELECT count(*) FROM books.entries), (SELECT count(*) FROM receipts.identity WHERE generation = `+live(receipts.Name)+`),
		(SELECT count(*) FROM receivers.identity WHERE generation = `+live(receivers.Name)+`), (SELECT count(*) FROM books.quarantine)`,
	).Scan(&events, &entries, &ofPayments, &ofReceivers, &quarantined))
	require.Equal(c, len(log.copies), events, "each event counts once")
	require.Equal(c, log.postings, entries, "each posting counts once")
	require.Equal(c, log.counts[receipts.Name], ofPayments)
	require.Equal(c, log.counts[receivers.Name], ofReceivers)
	require.Equal(c, log.broken, quarantined, "each broken record is kept")
	c.shop.prove(conn, log)
	c.proveBalances(conn, log)
	c.proveRevenue(log)
	c.proveLogs()
	c.Logf("%d events, %d broken records\n%s", events, log.broken, c.command("verify"))
	c.Logf("%d answers of readers, none of them impossible; %d errors, each while a store was down by our hand",
		c.readers.answers.Load(), c.readers.excused.Load())
}

func live(projection string) string {
	return "(SELECT generation FROM tributary.live WHERE projection = '" + projection + "')"
}

// proveLogs looks for what no process may ever have said.
func (c *chaos) proveLogs() {
	c.Helper()
	logs, err := filepath.Glob(filepath.Join(c.dir, "log-*"))
	require.NoError(c, err)
	require.NotEmpty(c, logs)
	for _, path := range logs {
		text, err := os.ReadFile(path)
		require.NoError(c, err)
		c.report.noteMany("payments that the recovery finished", strings.Count(string(text), `"finished a payment"`))
		for line := range strings.Lines(string(text)) {
			for _, never := range []string{"DATA RACE", "panic:", "the log is not the one"} {
				require.NotContains(c, line, never)
			}
		}
	}
}

// proveBalances compares what was ever debited and credited of each asset.
func (c *chaos) proveBalances(conn *pgx.Conn, log *tally) {
	c.Helper()
	rows, err := conn.Query(c.Context(), `SELECT asset_code, (sum(debits) * 1e18)::numeric(60)::text,
		(sum(credits) * 1e18)::numeric(60)::text FROM books.account_balances GROUP BY 1`)
	require.NoError(c, err)
	debits, credits := map[string]string{}, map[string]string{}
	var asset, debited, credited string
	_, err = pgx.ForEachRow(rows, []any{&asset, &debited, &credited}, func() error {
		debits[asset], credits[asset] = debited, credited
		return nil
	})
	require.NoError(c, err)
	require.Equal(c, debits, credits, "debits equal credits")
	want := map[string]string{}
	for asset, sum := range log.debits {
		want[asset] = sum.Big().String()
	}
	require.Equal(c, want, debits)
}

// proveRevenue counts the rows in ClickHouse.
func (c *chaos) proveRevenue(log *tally) {
	c.Helper()
	conn, err := clickhouse.Open(c.Context(), c.stack.clickhouse.URL())
	require.NoError(c, err)
	defer func() { require.NoError(c, conn.Close()) }()
	var rows, distinct uint64
	require.NoError(c, conn.QueryRow(c.Context(), "SELECT count(), uniqExact(event_id) FROM revenue.events").Scan(&rows, &distinct))
	require.Equal(c, uint64(log.counts[revenue.Name]), rows)
	require.Equal(c, rows, distinct)
}
