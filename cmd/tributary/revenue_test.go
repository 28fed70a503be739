package main

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/projections/audit"
)

// withRevenue gives the test books that are kept in ClickHouse as well, have the sample, and projectors that go on running.
func withRevenue(t *testing.T) (b books, health string) {
	t.Helper()
	b = migrated(t).withClickHouse(t)
	_, health = b.project(t)
	b.must(t, "publish", write(t, sample), "--wait")
	return b, health
}

func TestRevenueIsShown(t *testing.T) {
	t.Parallel()
	b, health := withRevenue(t)
	code, body := get(t, health+"/readyz", "")
	require.Equal(t, 200, code, body)
	shown := b.must(t, "get", "revenue").stdout
	require.Equal(t, `EUR by month in UTC
MONTH        EVENTS   GROSS  REFUNDS   FEES     NET
2026-03 Mar       6  454.90   105.00  11.12  338.78

USD by month in UTC
MONTH        EVENTS         GROSS  REFUNDS  FEES           NET
2026-03 Mar       6  18.501047338     0.00  0.84  17.661047338

DASH by month in UTC
MONTH        EVENTS  GROSS  REFUNDS  FEES   NET
2026-03 Mar       2   1.50     0.00  0.00  1.50
`, shown)
	rows := decodeLines[revenueRow](t, b.must(t, "get", "revenue", "--by", "day", "--owner", "acme", "--asset", "EUR", "--json").stdout)
	require.Equal(t, []revenueRow{
		{Day: "2026-03-02", AssetCode: "EUR", Gross: "454.9", Refunds: "0", Fees: "11.9", Net: "443", Events: 4},
		{Day: "2026-03-03", AssetCode: "EUR", Gross: "0", Refunds: "30", Fees: "-0.78", Net: "-29.22", Events: 1},
		{Day: "2026-03-08", AssetCode: "EUR", Gross: "0", Refunds: "75", Fees: "0", Net: "-75", Events: 1},
	}, rows)
	shown = b.must(t, "get", "revenue", "--by", "day", "--owner", "acme", "--asset", "EUR", "--tz", "Asia/Kathmandu").stdout
	require.Contains(t, shown, "EUR by day in Asia/Kathmandu: acme\n")
	require.Contains(t, shown, "Sun 2026-03-08       1    0.00    75.00   0.00  -75.00  ██████│\n")
	require.Contains(t, shown, "… 4 days")
	require.Contains(t, shown, "total                6  454.90   105.00  11.12  338.78\n")
}

func TestRevenueIsCutAndAsked(t *testing.T) {
	t.Parallel()
	b, _ := withRevenue(t)
	ask := func(args ...string) []revenueRow {
		return decodeLines[revenueRow](t, b.must(t, append([]string{"get", "revenue", "--json"}, args...)...).stdout)
	}
	cut := ask("--asset", "EUR", "--from", "2026-03-03", "--to", "2026-03-08")
	require.Equal(t, []revenueRow{{
		Year: 2026, Month: 3, AssetCode: "EUR", Gross: "0", Refunds: "105", Fees: "-0.78", Net: "-104.22", Events: 2,
	}}, cut)
	require.Equal(t, cut, ask("--asset", "EUR", "--from", "2026-03-03"))
	weekday := ask("--by", "day_of_week", "--asset", "DASH")
	require.Equal(t, []revenueRow{{
		Year: 2026, DayOfWeek: 1, AssetCode: "DASH", Gross: "1.5", Refunds: "0", Fees: "0", Net: "1.5", Events: 2,
	}}, weekday)
	require.Equal(t, 61, ask("--by", "day_of_year", "--asset", "DASH", "--year", "2026")[0].DayOfYear)
	hours := ask("--by", "hour", "--tz", "Asia/Kathmandu", "--asset", "DASH")
	require.Equal(t, "00 +0545", hours[0].Hour.Format("04 -0700"), "hours begin where the clocks of the zone say so")
	require.Len(t, ask("--stream", "monetization"), 1)
	require.Len(t, ask("--owner", "tea-blog", "--pointer", "$wallet.example/tea-blog"), 1)
	require.Empty(t, b.must(t, "get", "revenue", "--year", "2025").stdout)
	require.Contains(t, b.must(t, "get", "revenue", "--year", "2025").stderr, "there is no revenue: 2025")
	require.Equal(t, exitNo, b.run(t, "explain", "revenue", "--year", "2025").code)
	b.must(t, "explain", "receipt", "rcpt-1007") // as the help's examples do
	b.must(t, "explain", "revenue", "--by", "day", "--owner", "acme", "--from", "2026-03-02", "--to", "2026-03-02")
	for _, c := range []struct{ flag, value, says string }{
		{"--owner", "acne", `there is no revenue of owner "acne": did you mean "acme"?`},
		{"--owner", "somebody", `there is some of acme, tea-blog`},
		{"--asset", "EURO", `did you mean "EUR"?`},
		{"--post", "nothing", "there is no revenue of post"},
		{"--ledger", "test", `there is no revenue of ledger "test"; there is some of main`},
	} {
		got := b.run(t, "get", "revenue", c.flag, c.value)
		require.Equal(t, exitNo, got.code)
		require.Contains(t, got.stderr, c.says)
	}
	require.Contains(t, books{}.run(t, "get", "revenue", "--tz", "Asia/Kolkatta").stderr, `did you mean "Asia/Kolkata"`)
}

// A ClickHouse behind TLS, with an authority of its own.
// encrypted is a proxy that speaks TLS. It takes a request whole before it passes it on: a body that is still being read when the
// answer begins would be closed by our server, and the connection behind it with it. Its connections are its own, because
// those of the default transport are closed with any server of a test.
func encrypted(t *testing.T, host string) *httptest.Server {
	t.Helper()
	transport := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	proxy.Transport = transport
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // The client has gone.
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server
}

func TestClickHouseOverTLS(t *testing.T) {
	t.Parallel()
	plain, err := url.Parse(stacktest.ClickHouse(t))
	require.NoError(t, err)
	server := encrypted(t, plain.Host)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(authority, certificate, 0o600))
	b := migrated(t)
	secure := *plain
	secure.Scheme, secure.Host = "https", strings.TrimPrefix(server.URL, "https://")
	b.environ = append(b.environ, clickhouseVariable+"="+secure.String())
	got := b.run(t, "migrate")
	require.Equal(t, exitUnreachable, got.code, got.stderr)
	require.Contains(t, got.stderr, "certificate")
	b.must(t, "migrate", "--clickhouse-ca-file", authority)
	b.project(t, "--clickhouse-ca-file", authority)
	empty := b.must(t, "get", "revenue", "--clickhouse-ca-file", authority)
	require.Equal(t, "there is no revenue\n", empty.stderr, "which is no error before anything came in")
	b.must(t, "publish", write(t, sample), "--wait")
	require.Contains(t, b.must(t, "get", "revenue", "--clickhouse-ca-file", authority).stdout, "338.78")

	secure.User = url.UserPassword("tributary", "wrong")
	got = b.run(t, "get", "revenue", "--clickhouse-ca-file", authority, "--clickhouse-url", secure.String())
	require.Equal(t, exitUnreachable, got.code)
	require.Contains(t, got.stderr, "refuses us")
	got = b.run(t, "get", "revenue", "--clickhouse-ca-file", authority, "--clickhouse-url", plain.String())
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.stderr, "https")
}

func TestANarrowTerminalKeepsTheNet(t *testing.T) {
	t.Parallel()
	b, _ := withRevenue(t)
	b.environ = append(b.environ, "COLUMNS=50")
	shown := b.must(t, "get", "revenue", "--by", "day").stdout
	for line := range strings.Lines(shown) {
		require.LessOrEqual(t, len([]rune(line)), 51, line)
	}
	require.Contains(t, shown, "NET")
	require.Contains(t, shown, "█")
	require.Contains(t, b.must(t, "get", "revenue", "--by", "day_of_week").stdout, "… 4 days ")
	require.NotContains(t, shown, "EVENTS")
}

func TestRevenueIsProvenAndTold(t *testing.T) {
	t.Parallel()
	b, _ := withRevenue(t)
	require.True(t, decode[audit.Report](t, b.must(t, "verify", "--json").stdout).Agrees())
	require.Contains(t, b.must(t, "verify", "revenue").stdout, "proven")
	require.Contains(t, b.must(t, "migrate").stdout, "up to date")
	report := decode[statusReport](t, b.must(t, "status", "--json").stdout)
	require.Equal(t, uint64(14+2+1), report.ClickHouse.Rows) // of events, of posts and of a further copy
	for _, p := range report.Projections {
		require.Equal(t, stateReady, p.State, "%+v", p)
	}
	require.Contains(t, b.must(t, "status").stdout, "clickhouse  127.0.0.1:")
	b.exec(t, `DELETE FROM revenue.identity WHERE event_id = (SELECT min(event_id::text)::uuid FROM revenue.identity)`)
	got := b.run(t, "verify", "revenue")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "revenue: missing in revenue.identity")

	without := books{environ: b.environ[:2], kafka: b.kafka, url: b.url}
	got = without.run(t, "verify")
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.stderr, "TRIBUTARY_CLICKHOUSE_URL")
	without.must(t, "verify", "balances")
	without.must(t, "publish", write(t, sampleLines()[0]), "--wait")
}

func TestPostgresAloneIsEnoughForTheRest(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	got := b.must(t, "migrate")
	require.Contains(t, got.stderr, "revenue is left out: no ClickHouse is configured (TRIBUTARY_CLICKHOUSE_URL)")
	require.Equal(t, []string{"revenue"}, decode[migration](t, b.must(t, "migrate", "--json").stdout).LeftOut)
	projectors, _ := b.project(t)
	require.Contains(t, projectors.stderr.String(), "left out: no ClickHouse is configured")
	b.must(t, "publish", write(t, sample), "--wait")
	b.must(t, "verify")
	require.Contains(t, b.must(t, "status").stdout, "revenue: no ClickHouse is configured")
	for _, args := range [][]string{{"project", "revenue"}, {"verify", "revenue"}, {"get", "revenue"}} {
		got := b.run(t, args...)
		require.Equal(t, exitUsage, got.code)
		require.Contains(t, got.stderr, "TRIBUTARY_CLICKHOUSE_URL")
	}
}
