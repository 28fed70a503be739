package devstack_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// ask is a request as curl would send it.
type ask struct {
	method string // POST when empty
	path   string
	params url.Values
	header http.Header
	body   string
}

type answer struct {
	status int
	header http.Header
	body   string
}

// plainClient hides nothing of what the server sends: it decompresses nothing by itself.
func plainClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}, Timeout: patience}
}

// tell sends a request to the server at base and reads the whole answer.
func tell(t testing.TB, base string, a ask) answer {
	t.Helper()
	method := a.method
	if method == "" {
		method = http.MethodPost
	}
	target := base + "/" + a.path
	if len(a.params) > 0 {
		target += "?" + a.params.Encode()
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(a.body))
	require.NoError(t, err)
	maps.Copy(req.Header, a.header)
	resp, err := plainClient().Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// sql runs one statement and returns its output.
func sql(t testing.TB, base, statement string) string {
	t.Helper()
	got := tell(t, base, ask{body: statement})
	require.Equal(t, http.StatusOK, got.status, got.body)
	return got.body
}

// anonymous is base without its user.
func anonymous(t testing.TB, base string) string {
	t.Helper()
	address, err := url.Parse(base)
	require.NoError(t, err)
	address.User = nil
	return address.String()
}

func TestClickHouseSpeaksHTTP(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	require.Equal(t, "Ok.\n", tell(t, base, ask{method: http.MethodGet, path: "ping"}).body)
	require.Equal(t, "Ok.\n", tell(t, base, ask{method: http.MethodGet, path: "replicas_status"}).body)
	cases := map[string]struct {
		ask    ask
		status int
		body   string // contained
		code   string // of the exception
	}{
		"a GET reads":          {ask: ask{method: http.MethodGet, params: url.Values{"query": {"SELECT 1 + 1"}}}, body: "2\n"},
		"a GET does not write": {ask: ask{method: http.MethodGet, params: url.Values{"query": {"CREATE DATABASE x"}}}, status: 500, code: "164"},
		"a POST's body ends the query": {
			ask: ask{params: url.Values{"query": {"SELECT 1"}}, body: " + 2"}, body: "3\n",
		},
		"default_format":   {ask: ask{params: url.Values{"default_format": {"JSONEachRow"}}, body: "SELECT 1 AS n"}, body: `{"n":1}`},
		"FORMAT":           {ask: ask{body: "SELECT 1 AS n FORMAT JSONCompact"}, body: `[1]`},
		"a setting":        {ask: ask{params: url.Values{"max_block_size": {"7"}}, body: "SELECT getSetting('max_block_size')"}, body: "7\n"},
		"no such setting":  {ask: ask{params: url.Values{"nosuch": {"7"}}, body: "SELECT 1"}, status: 404, code: "115"},
		"a parameter":      {ask: ask{params: url.Values{"param_x": {"it's"}}, body: "SELECT {x:String}"}, body: "it\\'s\n"},
		"a syntax error":   {ask: ask{body: "SELEKT 1"}, status: 400, code: "62"},
		"no such table":    {ask: ask{body: "SELECT * FROM nosuch"}, status: 404, code: "60"},
		"no such column":   {ask: ask{body: "SELECT nosuch"}, status: 404, code: "47"},
		"a wrong value":    {ask: ask{body: "SELECT toUInt8('x')"}, status: 400, code: "6"},
		"the database":     {ask: ask{params: url.Values{"database": {"system"}}, body: "SELECT count() FROM one"}, body: "1\n"},
		"no such database": {ask: ask{params: url.Values{"database": {"nosuch"}}, body: "SELECT 1"}, status: 404, code: "81"},
		"too slow": {
			ask: ask{params: url.Values{"max_execution_time": {"0.1"}}, body: endless}, status: 408, code: "159",
		},
		"pinned": {ask: ask{params: url.Values{"async_insert": {"1"}}, body: "SELECT 1"}, status: 500, code: "452"},
		"as it is pinned": {
			ask: ask{params: url.Values{"async_insert": {"0"}}, body: "SELECT getSetting('async_insert')"}, body: "false\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tell(t, base, c.ask)
			status := c.status
			if status == 0 {
				status = http.StatusOK
			}
			require.Equal(t, c.code, got.header.Get("X-Clickhouse-Exception-Code"), got.body)
			require.Equal(t, status, got.status, got.body)
			require.Contains(t, got.body, c.body)
		})
	}
}

func TestClickHouseTellsOfItsAnswer(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	got := tell(t, base, ask{
		params: url.Values{"query_id": {"mine"}, "wait_end_of_query": {"1"}}, body: "SELECT number FROM numbers(10) FORMAT CSV",
	})
	require.Equal(t, "mine", got.header.Get("X-Clickhouse-Query-Id"))
	require.Equal(t, "CSV", got.header.Get("X-Clickhouse-Format"))
	require.Equal(t, "UTC", got.header.Get("X-Clickhouse-Timezone"))
	require.Contains(t, got.header.Get("X-Clickhouse-Summary"), `"read_rows":"10"`)
	// An error after the first rows cannot change the status any more: it is in the body, and the answer is not whole.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/?max_block_size=1000&output_format_parallel_formatting=0",
		strings.NewReader("SELECT throwIf(number = 999999, 'in the middle') FROM numbers(1000000)"))
	require.NoError(t, err)
	resp, err := plainClient().Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	body, _ := io.ReadAll(resp.Body)
	require.Contains(t, string(body), "in the middle")
}

func TestClickHouseChecksWhoAsks(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	parsed, err := url.Parse(base)
	require.NoError(t, err)
	password, _ := parsed.User.Password()
	who := ask{body: "SELECT currentUser()"}
	require.Equal(t, "tributary\n", tell(t, base, who).body)
	nobody := anonymous(t, base)
	who.header = http.Header{"X-Clickhouse-User": {"tributary"}, "X-Clickhouse-Key": {password}}
	require.Equal(t, "tributary\n", tell(t, nobody, who).body)
	who.header = nil
	who.params = url.Values{"user": {"tributary"}, "password": {password}}
	require.Equal(t, "tributary\n", tell(t, nobody, who).body)
	for _, wrong := range []url.Values{{"user": {"tributary"}, "password": {"wrong"}}, {"user": {"tributary"}}, {"user": {"nosuch"}}} {
		who.params = wrong
		got := tell(t, nobody, who)
		require.Equal(t, http.StatusForbidden, got.status)
		require.Equal(t, "516", got.header.Get("X-Clickhouse-Exception-Code"))
	}
	// The engine's own user has no password, and no rights.
	sql(t, base, "CREATE TABLE secret (n Int8) ENGINE = MergeTree ORDER BY n")
	for _, statement := range []string{
		"SELECT * FROM default.secret", "INSERT INTO default.secret VALUES (1)", "SELECT * FROM system.processes", "CREATE TABLE x (n Int8)",
		"SELECT * FROM file('/etc/hostname', 'LineAsString')", "SYSTEM SHUTDOWN", "KILL QUERY WHERE 1", "CREATE USER me",
	} {
		require.Equal(t, "497", tell(t, nobody, ask{body: statement}).header.Get("X-Clickhouse-Exception-Code"), statement)
	}
}

func TestClickHouseTakesRowsInAnyFormat(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	sql(t, base, "CREATE TABLE inserted (n UInt32, s String) ENGINE = MergeTree ORDER BY n")
	into := func(format string) url.Values { return url.Values{"query": {"INSERT INTO inserted FORMAT " + format}} }
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, err := writer.Write([]byte("6,zipped\n"))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	native := tell(t, base, ask{body: "SELECT toUInt32(7) AS n, 'native' AS s FORMAT Native"}).body
	compressed := tell(t, base, ask{params: url.Values{"compress": {"1"}}, body: "SELECT toUInt32(8) AS n, 'block' AS s FORMAT Native"}).body
	require.NotEqual(t, native, compressed)
	for _, insert := range []ask{
		{body: "INSERT INTO inserted VALUES (1, 'values')"},
		{params: into("CSV"), body: "2,csv\n"},
		{params: into("JSONEachRow"), body: `{"n":3,"s":"json"}`},
		{body: "INSERT INTO inserted FORMAT TabSeparated\n4\ttsv\n"},
		{params: url.Values{"query": {"INSERT INTO inserted SELECT 5, 'select'"}}},
		{params: into("CSV"), body: zipped.String(), header: http.Header{"Content-Encoding": {"gzip"}}},
		{params: into("Native"), body: native},
		{params: url.Values{"query": into("Native")["query"], "decompress": {"1"}}, body: compressed},
	} {
		got := tell(t, base, insert)
		require.Equal(t, http.StatusOK, got.status, got.body)
	}
	require.Equal(t, "values,csv,json,tsv,select,zipped,native,block\n",
		sql(t, base, "SELECT arrayStringConcat(groupArray(s), ',') FROM (SELECT s FROM inserted ORDER BY n)"))
	for encoding, magic := range map[string]string{"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd", "lz4": "\x04\x22\x4d\x18"} {
		got := tell(t, base, ask{
			params: url.Values{"enable_http_compression": {"1"}}, header: http.Header{"Accept-Encoding": {encoding}},
			body: "SELECT * FROM numbers(1000)",
		})
		require.Equal(t, encoding, got.header.Get("Content-Encoding"))
		require.True(t, strings.HasPrefix(got.body, magic), encoding)
	}
}

func TestClickHouseHasSessions(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	session := url.Values{"session_id": {"s"}}
	require.Empty(t, tell(t, base, ask{params: session, body: "CREATE TEMPORARY TABLE mine AS SELECT 42 AS n"}).body)
	require.Equal(t, "42\n", tell(t, base, ask{params: session, body: "SELECT n FROM mine"}).body)
	require.Equal(t, "60", tell(t, base, ask{body: "SELECT n FROM mine"}).header.Get("X-Clickhouse-Exception-Code"))
}

func TestClickHouseKnowsEveryTimeZone(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	require.Equal(t, "05:45\t10:30\t11:00\t20:30\tUTC\n", sql(t, base, `WITH toDateTime('2026-06-30 00:00:00', 'UTC') AS t SELECT
		formatDateTime(t, '%H:%i', 'Asia/Kathmandu'), formatDateTime(t, '%H:%i', 'Australia/Lord_Howe'),
		formatDateTime(toDateTime('2026-12-31 00:00:00', 'UTC'), '%H:%i', 'Australia/Lord_Howe'),
		formatDateTime(toDateTime('2026-12-31 00:00:00', 'UTC'), '%H:%i', 'America/St_Johns'), timezone()`))
}

// What doc.go lists.
func TestWhereTheEmbeddedClickHouseDiffersFromAServer(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	for statement, code := range map[string]string{
		"CREATE USER x": "514", "SYSTEM RELOAD CONFIG": "1", "SELECT * FROM system.asynchronous_metrics": "60",
	} {
		got := tell(t, base, ask{body: statement})
		require.Equal(t, code, got.header.Get("X-Clickhouse-Exception-Code"), got.body)
	}
	require.Equal(t, "Overlay\n", sql(t, base, "SELECT engine FROM system.databases WHERE name = 'default'"))
	sql(t, base, "CREATE DATABASE revenue")
	require.Equal(t, "Atomic\n", sql(t, base, "SELECT engine FROM system.databases WHERE name = 'revenue'"))
	sql(t, base, "CREATE TABLE revenue.logged (n Int8) ENGINE = MergeTree ORDER BY n")
	sql(t, base, "INSERT INTO revenue.logged SELECT number FROM numbers(7)")
	// A statement is logged as finished after its answer is sent, so the first flush may come too early.
	require.Eventually(t, func() bool {
		sql(t, base, "SYSTEM FLUSH LOGS")
		return sql(t, base, "SELECT count() FROM system.query_log WHERE written_rows = 7 AND type = 'QueryFinish'") == "1\n"
	}, patience, 50*time.Millisecond)
	require.Equal(t, "7\n", sql(t, base, "SELECT rows FROM system.part_log WHERE table = 'logged' AND event_type = 'NewPart'"))
}
