package main

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/replay"
)

// askPostgres asks for one row of text behind the program's back.
func (b books) askPostgres(t *testing.T, sql string) (text string) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pool.QueryRow(t.Context(), sql).Scan(&text))
	return text
}

// doubled changes the live tables as a fold that counts an event twice in one balance would. It tells the event's position, and
// the account.
func (b books) doubled(t *testing.T) (position, account string) {
	t.Helper()
	const first = `FROM balances.entries WHERE event_id = (SELECT event_id FROM books.entries
		WHERE account = 'platform:fees' AND event_type LIKE '%payment.posted%' ORDER BY topic, "partition", kafka_offset LIMIT 1)
		AND account IN (SELECT id FROM balances.accounts WHERE account = 'platform:fees')`
	position = b.askPostgres(t, `SELECT 'payments/' || "partition" || '@' || kafka_offset `+first)
	account = b.askPostgres(t, `SELECT account::text `+first)
	b.exec(t, `UPDATE balances.totals t SET credits = credits + e.amount FROM (SELECT account, "partition", topic, amount `+first+`) e
		WHERE t.account = e.account AND t."partition" = e."partition" AND t.topic = e.topic`)
	b.exec(t, `UPDATE balances.entries SET amount = amount * 2 WHERE (event_id, entry) IN (SELECT event_id, entry `+first+`)`)
	return position, account
}

// states are how many generations a projection has of each state.
func (b books) states(t *testing.T, name string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, s := range b.generations(t, name) {
		found[stateText(&s)]++
	}
	return found
}

// A balance that was tampered with is refused with its key, by how much, and from which event; accepted, the tables are the log's again.
func TestReplayTellsATamperedBalance(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.project(t, "balances")
	b.must(t, "simulate", "--events", "600", "--seed", "7")
	waitForBalances(t, b)
	position, account := b.doubled(t)
	asset := b.askPostgres(t, "SELECT asset_code FROM balances.accounts WHERE id = "+account)
	before := b.liveOf(t, "balances")

	refused := b.run(t, "replay", "balances")
	require.Equal(t, exitNo, refused.code, refused.stderr)
	from := ` +\S+ → \S+  \(-\S+\)\n(  .*→.*\n)*  by payment\.posted ` + position + `\s`
	require.Regexp(t, `books\.account_balances main platform:fees `+asset+`\n(  .*→.*\n)*  credits`+from, refused.stdout)
	require.Regexp(t, `books\.entries \S+ \d+\n(  .*→.*\n)*  amount`+from, refused.stdout)
	require.Contains(t, refused.stdout, fmt.Sprintf("proven from the log; it differs from generation %d", before))
	require.Contains(t, refused.stdout, fmt.Sprintf("NOT made live: generation %d stays", before))
	require.Equal(t, before, b.liveOf(t, "balances"))
	require.Equal(t, exitNo, b.run(t, "verify", "balances").code, "the live tables are as they were, tampered with")

	accepted := b.replay(t, "balances", "--accept-differences")
	require.True(t, accepted.Live)
	require.Positive(t, accepted.Resumed, "it goes on with what the refused one built")
	require.NotEmpty(t, accepted.Comparison.Differences)
	require.Equal(t, accepted.Generation, b.liveOf(t, "balances"))
	b.must(t, "verify", "balances")

	back := b.run(t, "replay", "rollback", "balances")
	require.Equal(t, exitNo, back.code, "to go back to tables that are wrong is refused, too")
	require.Contains(t, back.stdout, "differences from the log")
	require.Equal(t, accepted.Generation, b.liveOf(t, "balances"))
}

// The same of the revenue: a row that is gone in ClickHouse.
func TestReplayTellsAMissingRowOfTheRevenue(t *testing.T) {
	t.Parallel()
	b := migrated(t).withClickHouse(t)
	b.project(t, "revenue")
	b.must(t, "simulate", "--events", "600", "--seed", "7")
	require.Eventually(t, func() bool { return b.generations(t, "revenue")[0].Behind == 0 }, patience, 20*time.Millisecond)
	conn, err := clickhouse.Open(t.Context(), b.clickhouse)
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // It was only asked.
	var event, position string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT toString(event_id), concat('payments/', toString(`partition`), '@', "+
		"toString(kafka_offset)) FROM revenue.events WHERE topic LIKE '%payments' AND gross > 0 ORDER BY event_id LIMIT 1").
		Scan(&event, &position))
	before := b.liveOf(t, "revenue")
	require.NoError(t, conn.Exec(t.Context(), fmt.Sprintf(
		"ALTER TABLE revenue.events_g%d DELETE WHERE event_id = '%s' SETTINGS mutations_sync = 1", before, event)))

	refused := b.run(t, "replay", "revenue")
	require.Equal(t, exitNo, refused.code, refused.stderr)
	require.Contains(t, refused.stdout, "revenue.events "+event+": only in the new tables\n")
	require.Contains(t, refused.stdout, position)
	require.Contains(t, refused.stdout, "proven from the log; it differs from generation")
	require.Equal(t, before, b.liveOf(t, "revenue"))

	accepted := b.replay(t, "revenue", "--accept-differences")
	require.True(t, accepted.Live)
	b.must(t, "verify", "revenue")
}

// What was built with --no-swap is kept, and a later replay goes on with it.
func TestReplayStopsBeforeTheSwapAndGoesOn(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.project(t, "balances")
	b.must(t, "simulate", "--events", "400", "--seed", "7")
	waitForBalances(t, b)
	before := b.liveOf(t, "balances")
	stopped := b.run(t, "replay", "balances", "--no-swap")
	require.Equal(t, exitDone, stopped.code, stopped.stderr)
	require.Contains(t, stopped.stdout, "not made live yet")
	require.Equal(t, before, b.liveOf(t, "balances"))
	require.Equal(t, map[string]int{"live": 1, "unfinished": 1}, b.states(t, "balances"))
	b.must(t, "simulate", "--events", "200", "--seed", "8")
	waitForBalances(t, b)
	went := b.replay(t, "balances")
	require.True(t, went.Live)
	require.Positive(t, went.Resumed)
	require.Equal(t, b.logEnd(t), went.Resumed+went.Offsets)
	require.Equal(t, map[string]int{"live": 1, "kept": 1}, b.states(t, "balances"))
	b.must(t, "verify", "balances")
}

// A rollback long after the swap catches up with what came since: nothing is lost, and nothing counts twice.
func TestRollbackLaterLosesNothing(t *testing.T) {
	t.Parallel()
	b := migrated(t).withClickHouse(t)
	b.project(t)
	b.must(t, "simulate", "--events", "400", "--seed", "7")
	waitForBooks(t, b)
	for _, name := range []string{"balances", "revenue"} {
		b.replay(t, name)
	}
	b.must(t, "simulate", "--events", "500", "--seed", "8")
	waitForBooks(t, b)
	balances := b.must(t, "get", "balance", "--json", "--limit", "100000").stdout
	revenue := b.must(t, "get", "revenue", "--json").stdout
	for _, name := range []string{"balances", "revenue"} {
		old := b.generations(t, name)[0]
		require.Equal(t, replay.StateReady, old.State)
		require.Positive(t, old.Behind, "it stood still since the swap")
		back := b.replay(t, "rollback", name)
		require.Equal(t, old.Number, back.Generation)
		require.GreaterOrEqual(t, back.Offsets, old.Behind)
		b.must(t, "verify", name)
	}
	require.Equal(t, balances, b.must(t, "get", "balance", "--json", "--limit", "100000").stdout)
	require.Equal(t, revenue, b.must(t, "get", "revenue", "--json").stdout)
}

// --rate bounds how fast the log is read.
func TestReplayKeepsToItsRate(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.must(t, "simulate", "--events", "900", "--seed", "7")
	b.project(t, "balances")
	waitForBalances(t, b)
	const rate = 300
	began := time.Now()
	got := b.replay(t, "balances", "--rate", strconv.Itoa(rate))
	require.True(t, got.Live)
	require.GreaterOrEqual(t, time.Since(began).Seconds(), float64(got.Offsets-2*rate)/rate, "a second's worth may come at once")
	require.Equal(t, exitUsage, b.run(t, "replay", "balances", "--rate", "-1").code)
}
