package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// confluentKafka is pinned, like everything that tests install.
const confluentKafka = "confluent-kafka==2.16.1"

// TestRetail publishes real invoices as a new user would, again, and a third time with another client whose partitioner
// puts them elsewhere. Every receipt and refund, and revenue by every period in every zone, must agree with what scripts add
// up from the original file, and go on to.
func TestRetail(t *testing.T) {
	t.Parallel()
	retail := openRetail(t)
	b := migrated(t).withClickHouse(t)
	b.start(t, "project", "--metrics-addr", "127.0.0.1:0")

	refused := b.run(t, "publish", retail.events)
	require.Equal(t, exitNo, refused.code)
	for _, word := range []string{"line ", "amount_negative at data.amount.value"} {
		require.Contains(t, refused.stdout+refused.stderr, word)
	}
	require.Zero(t, b.logEnd(t), "of a file with bad lines nothing is published")

	b.must(t, "publish", retail.events, "--skip-invalid", "--wait")
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	conn := b.warehouse(t)
	retail.agrees(t, pool)
	retail.revenue.agree(t, conn, "payments")
	before, sales := snapshot(t, pool), revenueSnapshot(t, conn)
	b.must(t, "publish", retail.events, "--skip-invalid", "--wait")
	retail.agrees(t, pool)
	require.Equal(t, before, snapshot(t, pool), "the second publication changes nothing")
	require.Equal(t, sales, revenueSnapshot(t, conn), "in ClickHouse, too")

	retail.publishWithConfluent(t, b)
	b.waitForAll(t)
	retail.agrees(t, pool)
	require.Equal(t, before, snapshot(t, pool), "nor does the third, on other partitions")
	require.Equal(t, sales, revenueSnapshot(t, conn), "in ClickHouse, too")
	var reasons []string
	require.NoError(t, pool.QueryRow(t.Context(),
		`SELECT array_agg(reason) FROM books.quarantine`).Scan(&reasons))
	require.Equal(t, []string{"amount_negative", "amount_negative"}, reasons)
	b.must(t, "verify")
}

// retail is the data, as events and as totals.
type retail struct {
	events string
	totals struct {
		Receipts map[string]int64 `json:"receipts"`
		Refunds  map[string]int64 `json:"refunds"`
		Invalid  []string         `json:"invalid"`
	}
	revenue revenueTotals
}

func openRetail(t *testing.T) *retail {
	t.Helper()
	source := sharedFile(t, "data", "online-retail.csv.xz")
	r := &retail{events: filepath.Join(t.TempDir(), "retail.ndjson")}
	events := python(t, nil, sharedFile(t, "tools", "retail_to_events.py"), source)
	require.NoError(t, os.WriteFile(r.events, events, 0o600))
	require.NoError(t, json.Unmarshal(python(t, nil, filepath.Join("testdata", "retail_totals.py"), source), &r.totals))
	require.Len(t, r.totals.Invalid, 2)
	require.Len(t, r.totals.Refunds, 3836)
	r.revenue = addUpRevenue(t, "retail", source)
	return r
}

// python runs a script and returns what it prints.
func python(t *testing.T, environ []string, script ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: python3 is missing")
	}
	command := exec.CommandContext(t.Context(), path, script...)
	command.Env = append(os.Environ(), environ...)
	out, err := command.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		require.NoErrorf(t, err, "%v: %s", script, failed.Stderr)
	}
	require.NoError(t, err)
	return out
}

// publishWithConfluent publishes all lines, the invalid ones too, with librdkafka.
func (r *retail) publishWithConfluent(t *testing.T, b books) {
	t.Helper()
	packages := t.TempDir()
	python(t, nil, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", packages, confluentKafka)
	python(t, []string{"PYTHONPATH=" + packages}, filepath.Join("testdata", "confluent_publish.py"),
		strings.Join(b.kafka.Brokers, ","), eventlog.TopicPayments, r.events)
}

// agrees compares every receipt and refund, the balances, and the orphans with the totals.
func (r *retail) agrees(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	require.Equal(t, r.totals.Receipts, amounts(t, pool, `SELECT receipt_id, (amount * 1000)::int8 FROM books.receipts`))
	require.Equal(t, r.totals.Refunds, amounts(t, pool, `SELECT refund_id, (amount * 1000)::int8 FROM books.refunds`))
	var sales, refunds int64
	for _, amount := range r.totals.Receipts {
		sales += amount
	}
	for _, amount := range r.totals.Refunds {
		refunds += amount
	}
	require.Equal(t, map[string]int64{
		"merchant:uci-retail:payable credits": sales, "merchant:uci-retail:payable debits": refunds,
		"provider:till:clearing credits": refunds, "provider:till:clearing debits": sales,
	}, amounts(t, pool, `SELECT account || ' credits', (credits * 1000)::int8 FROM books.account_balances
		UNION ALL SELECT account || ' debits', (debits * 1000)::int8 FROM books.account_balances`))
	var orphans int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM books.orphans`).Scan(&orphans))
	require.Len(t, r.totals.Refunds, orphans, "no refund names the payment that it refunds")
}

func amounts(t *testing.T, pool *pgxpool.Pool, sql string) map[string]int64 {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql)
	require.NoError(t, err)
	found := map[string]int64{}
	var name string
	var amount int64
	_, err = pgx.ForEachRow(rows, []any{&name, &amount}, func() error {
		found[name] = amount
		return nil
	})
	require.NoError(t, err)
	return found
}

// snapshot is a digest of all that readers see of the events.
func snapshot(t *testing.T, pool *pgxpool.Pool) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for _, view := range []string{"account_balances", "payments", "receipts", "refunds", "orphans", "entries"} {
		var digest string
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) || ' ' ||
			coalesce(sum(('x' || substr(md5(v::text), 1, 15))::bit(60)::bigint), 0) FROM books.`+view+` v`).Scan(&digest))
		digests[view] = digest
	}
	return digests
}

// waitForAll waits until every projection has all of the log.
func (b books) waitForAll(t *testing.T) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	waitForLog(t, b.kafka, pool)
}
