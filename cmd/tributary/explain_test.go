package main

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/evidence"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
)

// explainedLine is any line of explain --json.
type explainedLine struct {
	totalJSON

	Position string            `json:"position"`
	EventID  string            `json:"event_id"`
	Adds     map[string]string `json:"adds"`
	Disputed bool              `json:"disputed"`
}

// explain runs it, and checks that what it lists adds up to its own total, figure by figure.
func (b books) explain(t *testing.T, args ...string) (totals []explainedLine, code int) {
	t.Helper()
	got := b.run(t, append(append([]string{"explain"}, args...), "--json")...)
	sums, events := map[string]*big.Int{}, int64(0)
	for _, line := range decodeLines[explainedLine](t, got.stdout) {
		if line.Kind != "total" {
			events += max(line.Events, 1)
			for name, amount := range line.Adds {
				units, ok := ledger.ParseUnits(amount)
				require.True(t, ok, amount)
				if sums[name] == nil {
					sums[name] = new(big.Int)
				}
				sums[name].Add(sums[name], units)
			}
			continue
		}
		require.Equal(t, line.Events, events)
		for name, sum := range sums {
			require.Equal(t, line.Log[name], ledger.FormatUnits(sum), name)
		}
		totals = append(totals, line)
		sums, events = map[string]*big.Int{}, 0
	}
	return totals, got.code
}

// withHistory gives the test books of simulated events, some published twice, with refused ones between them.
func withHistory(t *testing.T, events int) books {
	t.Helper()
	b := migrated(t).withClickHouse(t)
	b.project(t)
	history := b.must(t, "simulate", "--events", strconv.Itoa(events), "--seed", "11", "--out", "-").stdout
	b.must(t, "publish", write(t, history))
	b.must(t, "publish", write(t, sample))
	lines := strings.SplitAfter(history, "\n")
	b.must(t, "publish", write(t, strings.Join(lines[len(lines)/3:len(lines)/2], "")), "--wait")
	return b
}

// Every figure that there is has events in the log that add up to it.
func TestEveryFigureIsExplained(t *testing.T) {
	t.Parallel()
	b := withHistory(t, 200)
	for _, balance := range decodeLines[balances.Balance](t, b.must(t, "get", "balance", "--json", "--limit", "10000").stdout) {
		totals, code := b.explain(t, "balance", balance.Account, balance.AssetCode, "--ledger", balance.Ledger)
		require.Equal(t, exitDone, code, balance.Account)
		require.Len(t, totals, 1)
		require.Equal(t, map[string]string{"debits": balance.Debits, "credits": balance.Credits, "balance": balance.Balance}, totals[0].Log)
	}
	users := map[string]bool{}
	for line := range strings.Lines(b.must(t, "simulate", "--events", "200", "--seed", "11", "--out", "-").stdout) {
		event, invalid := ledger.DecodeJSON([]byte(line), ledger.Strict)
		require.Nil(t, invalid)
		if data, ok := event.Data.(interface{ GetUserId() string }); ok && data.GetUserId() != "" {
			users[data.GetUserId()] = true
		}
	}
	shown := 0
	for user := range users {
		for _, receipt := range decodeLines[receipts.Receipt](t, b.must(t, "get", "receipt", "--user", user, "--json").stdout) {
			totals, code := b.explain(t, "receipt", receipt.ReceiptID)
			require.Equal(t, exitDone, code, receipt.ReceiptID)
			require.Equal(t, receipt.Amount, totals[0].Log["amount"])
			require.Equal(t, receipt.Refunded, totals[0].Log["refunded"])
			shown++
		}
		if shown > 20 { // each is a command of its own
			break
		}
	}
	require.Positive(t, shown)
	for _, by := range allPeriods() {
		for _, zone := range []string{"UTC", "Asia/Kathmandu"} {
			for _, more := range [][]string{nil, {"--from", "2026-03-03", "--to", "2026-03-05"}} {
				question := append([]string{"revenue", "--by", by, "--tz", zone}, more...)
				rows := decodeLines[revenueRow](t, b.must(t, append(append([]string{"get"}, question...), "--json")...).stdout)
				events := map[string]int64{}
				for _, row := range rows {
					events[row.AssetCode] += row.Events
				}
				totals, code := b.explain(t, question...)
				require.Equal(t, exitDone, code, question)
				require.Len(t, totals, len(events), question)
				for _, total := range totals {
					require.Equal(t, events[total.Asset], total.Events, question)
				}
			}
		}
	}
}

const acmeStatement = `merchant:acme:payable, EUR
OCCURRED             EVENT               REFERENCE  DEBITS  CREDITS  BALANCE  POSITION
                     … 4 events before                       443.00   443.00
                     … 2 events more                104.22            338.78
2026-03-05 09:20:00  payout.sent         out-31     250.00             88.78  payments/1@11
2026-03-05 09:30:00  payout.sent         out-32      40.00             48.78  payments/2@11
                     … 2 events after                         53.80   102.58
                     the log, 10 events             394.22   496.80   102.58
                     the tables                     394.22   496.80   102.58
The events in the log add up to what the tables say.
`

func TestExplainIsAStatement(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	got := b.must(t, "explain", "balance", "merchant:acme:payable", "EUR", "--from", "2026-03-03", "--to", "2026-03-05", "--limit", "2")
	require.Equal(t, acmeStatement, got.stdout)
	require.Empty(t, got.stderr)
	exact := b.must(t, "explain", "balance", "merchant:acme:payable", "EUR", "--from", "2026-03-03", "--to", "2026-03-06T00:00:00Z",
		"--limit", "2")
	require.Equal(t, got.stdout, exact.stdout, "a day is included, a time is not")
	before := b.must(t, "explain", "balance", "merchant:acme:payable", "EUR", "--to", "2026-03-05T09:30:00Z").stdout
	require.Contains(t, before, "out-31")
	require.NotContains(t, before, "out-32")
	totals, code := b.explain(t, "balance", "merchant:acme:payable", "EUR", "--from", "2026-03-05T09:30:00Z", "--limit", "1")
	require.Equal(t, exitDone, code)
	require.EqualValues(t, 10, totals[0].Events)
	b.environ = append(b.environ, "COLUMNS=80")
	require.Contains(t, b.must(t, "explain", "receipt", "pay-1002").stdout, `
2026-03-03 09:02:00  payment.refunded   pay-1002                    30.00  payments/1@3
                     the log, 2 events             120.00  3.10     30.00
                     the tables                    120.00  3.10     30.00
`)
	require.NotContains(t, b.must(t, "explain", "balance", "merchant:acme:payable", "EUR").stdout, "DEBITS")
	for args, says := range map[string]string{
		"balance nobody:at:all":                          `the books have no account "nobody:at:all"`,
		"balance merchant:acme:payable XAU":              "in XAU",
		"receipt nothing":                                "the books have no receipt",
		"balance merchant:acme:payable --from yesterday": "want a day",
		"balance merchant:acme:payable --limit 0":        "--limit is between",
		"revenue --by fortnight":                         "--by is one of",
		"revenue":                                        "no ClickHouse is configured",
		"balance":                                        "balance wants an ACCOUNT: tributary explain balance ACCOUNT [ASSET]",
	} {
		got := b.run(t, append([]string{"explain"}, strings.Fields(args)...)...)
		require.NotEqual(t, exitDone, got.code, args)
		require.Contains(t, got.stderr, says, args)
		require.Empty(t, got.stdout, args)
	}
}

// Whatever somebody changes behind our backs, explain says that it is so, and where.
func TestExplainFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	b, _ := withRevenue(t)
	account := `(SELECT id FROM balances.accounts WHERE account = 'merchant:acme:payable' AND asset_code = 'EUR')`
	for _, c := range []struct{ change, back, where, what string }{
		{
			`UPDATE balances.totals SET credits = credits + 1, debits = debits + 1 WHERE "partition" = 2 AND account = ` + account,
			`UPDATE balances.totals SET credits = credits - 1, debits = debits - 1 WHERE "partition" = 2 AND account = ` + account,
			"payments/2", "credits",
		},
		{
			`UPDATE balances.entries SET amount = amount + 7 WHERE reference = 'pay-1002' AND credit AND account = ` + account,
			`UPDATE balances.entries SET amount = amount - 7 WHERE reference = 'pay-1002' AND credit AND account = ` + account,
			"payments/1@1", "credits",
		},
		{
			`UPDATE balances.entries SET kafka_offset = kafka_offset + 1 WHERE reference = 'pay-1007' AND account = ` + account,
			`UPDATE balances.entries SET kafka_offset = kafka_offset - 1 WHERE reference = 'pay-1007' AND account = ` + account,
			"payments/1@9", "event",
		},
		{
			`UPDATE balances.entries SET kafka_offset = kafka_offset + 10000 WHERE reference = 'out-31' AND account = ` + account,
			`UPDATE balances.entries SET kafka_offset = kafka_offset - 10000 WHERE reference = 'out-31' AND account = ` + account,
			"payments/1@10011", "event",
		},
		{
			`UPDATE balances.entries SET occurred_at = occurred_at + interval '1 day' WHERE reference = 'out-31' AND account = ` + account,
			`UPDATE balances.entries SET occurred_at = occurred_at - interval '1 day' WHERE reference = 'out-31' AND account = ` + account,
			"payments/1@11", "time",
		},
		{
			`DELETE FROM balances.entries WHERE reference = 'fx-1' AND account = ` + account, ``, "payments/2", "credits",
		},
	} {
		b.exec(t, c.change)
		totals, code := b.explain(t, "balance", "merchant:acme:payable", "EUR")
		require.Equal(t, exitNo, code, c.change)
		require.False(t, totals[0].Agrees)
		require.True(t, differsIn(totals[0].Differences, c.where, c.what), "%s: %+v", c.change, totals[0].Differences)
		got := b.run(t, "explain", "balance", "merchant:acme:payable", "EUR")
		require.Equal(t, exitNo, got.code)
		require.Contains(t, got.stdout, "\n  "+c.where+": "+c.what+" is ")
		if c.back != "" {
			b.exec(t, c.back)
			b.must(t, "explain", "balance", "merchant:acme:payable", "EUR")
		}
	}
	b.exec(t, `UPDATE receipts.payments SET refunded = refunded + 1 WHERE payment_id = 'pay-1002'`)
	totals, code := b.explain(t, "receipt", "pay-1002")
	require.Equal(t, exitNo, code)
	require.True(t, differsIn(totals[0].Differences, "total", "refunded"))

	question := []string{"revenue", "--by", "day", "--from", "2026-03-08", "--to", "2026-03-08", "--asset", "EUR"}
	b.must(t, append([]string{"explain"}, question...)...)
	conn := b.warehouse(t)
	require.NoError(t, conn.Exec(t.Context(), `ALTER TABLE `+liveTable(t, b, "revenue", "events")+` UPDATE refunds = refunds + 1
		WHERE type = 'tributary.payment.dispute_lost.v1' SETTINGS mutations_sync = 1`))
	totals, code = b.explain(t, question...)
	require.Equal(t, exitNo, code)
	require.True(t, differsIn(totals[0].Differences, "payments/2@6", "refunds"), totals[0].Differences)
	require.True(t, differsIn(totals[0].Differences, "2026-03-08", "refunds"), totals[0].Differences)
}

// liveTable is the table behind a projection's view.
func liveTable(t *testing.T, b books, projection, view string) string {
	t.Helper()
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	var generation int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT generation FROM tributary.live WHERE projection = $1`, projection).Scan(&generation))
	return fmt.Sprintf("%s.%s_g%d", projection, view, generation)
}

func differsIn(differences []evidence.Difference, where, what string) bool {
	for _, d := range differences {
		if d.Where == where && d.What == what {
			return true
		}
	}
	return false
}
