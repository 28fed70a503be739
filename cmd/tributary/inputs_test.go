package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// badInput is a line that must be refused, and how.
type badInput struct {
	name, line string
	code       ledger.Code
	path       string
}

// document is a CloudEvents document: a valid payment, changed.
func document(n int, change func(event, data map[string]any)) string {
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n+1)
	data := map[string]any{
		"payment_id": "p-" + id, "transaction_id": "t", "user_id": "u", "payment_type": "credit", "provider": "till",
		"merchant_id": "acme", "amount": map[string]any{"value": "100", "asset_code": "EUR", "asset_scale": 2},
	}
	event := map[string]any{
		"specversion": "1.0", "id": id, "source": "urn:test", "type": string(ledger.TypePaymentPosted),
		"time": "2026-01-01T00:00:00Z", "subject": "p-" + id, "data": data,
	}
	if change != nil {
		change(event, data)
	}
	line, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return string(line)
}

func amount(value, scale any) map[string]any {
	return map[string]any{"value": value, "asset_code": "EUR", "asset_scale": scale}
}

// badInputs are the ways in which input goes wrong.
func badInputs() []badInput {
	n := 1_000
	of := func(name string, code ledger.Code, path string, change func(event, data map[string]any)) badInput {
		n++
		return badInput{name, document(n, change), code, path}
	}
	set := func(key string, value any) func(event, data map[string]any) {
		return func(event, _ map[string]any) { event[key] = value }
	}
	put := func(key string, value any) func(event, data map[string]any) {
		return func(_, data map[string]any) { data[key] = value }
	}
	journal := func(event, data map[string]any) {
		event["type"], event["subject"] = string(ledger.TypeJournalPosted), "j"
		clear(data)
		maps.Copy(data, map[string]any{"journal_id": "j", "description": "d", "entries": []any{
			map[string]any{"account": "bank:b:cash", "direction": "debit", "amount": amount("2", 0)},
			map[string]any{"account": "equity:e", "direction": "credit", "amount": amount("3", 0)},
		}})
	}
	long := strings.Repeat("x", 10_000)
	return []badInput{
		{"broken JSON", `{"specversion":"1.0","id":`, ledger.CodeUndecodable, ""},
		{"no object", `[1,2,3]`, ledger.CodeUndecodable, ""},
		of("no id", ledger.CodeMissingField, "id", func(event, _ map[string]any) { delete(event, "id") }),
		of("no merchant", ledger.CodeMissingField, "data.merchant_id", func(_, data map[string]any) { delete(data, "merchant_id") }),
		of("no scale", ledger.CodeMissingField, "data.amount.asset_scale", put("amount", map[string]any{"value": "1", "asset_code": "EUR"})),
		of("a number for a string", ledger.CodeBadField, "data.user_id", put("user_id", 7)),
		of("a value as a number", ledger.CodeBadAmount, "data.amount.value", put("amount", amount(100, 2))),
		of("scale 19", ledger.CodeBadAmount, "data.amount.asset_scale", put("amount", amount("1", 19))),
		of("a fraction", ledger.CodeBadAmount, "data.amount.value", put("amount", amount("1.5", 2))),
		of("40 digits", ledger.CodeAmountTooLarge, "data.amount.value", put("amount", amount(strings.Repeat("9", 40), 2))),
		of("a negative amount", ledger.CodeAmountNegative, "data.amount.value", put("amount", amount("-1", 2))),
		of("a NUL", ledger.CodeBadField, "data.user_id", put("user_id", "a\x00b")),
		{
			"invalid UTF-8", strings.Replace(document(1, nil), `"user_id":"u"`, "\"user_id\":\"\xff\xfe\"", 1),
			ledger.CodeBadField, "data.user_id",
		},
		of("a payment id of 10 kB", ledger.CodeBadField, "data.payment_id", func(event, data map[string]any) {
			event["subject"], data["payment_id"] = "p", long
		}),
		of("a merchant id of 10 kB", ledger.CodeBadID, "data.merchant_id", put("merchant_id", long)),
		of("an event id of 10 kB", ledger.CodeBadID, "id", set("id", long)),
		of("an id that is no UUID", ledger.CodeBadID, "id", set("id", "42")),
		of("year 0", ledger.CodeBadTime, "time", set("time", "0000-01-01T00:00:00Z")),
		of("year 1969", ledger.CodeBadTime, "time", set("time", "1969-12-31T23:59:59Z")),
		of("year 2106", ledger.CodeBadTime, "time", set("time", "2106-01-01T00:00:00Z")),
		of("an unbalanced journal", ledger.CodeUnbalancedJournal, "data.entries", journal),
		of("an unknown type", ledger.CodeUnknownType, "type", set("type", "tributary.payment.teleported.v1")),
		of("a wrong subject", ledger.CodeSubjectMismatch, "subject", set("subject", "another")),
		of("a fee over the amount", ledger.CodeFeeOverAmount, "data.fee", put("fee", amount("101", 2))),
		of("2 MiB", ledger.CodeTooLarge, "", put("email", strings.Repeat("x", 2<<20))),
	}
}

// TestBadInput gives every bad line to publish, which must name it, and then to Kafka itself: it must end in the quarantine,
// byte for byte, and the good events around it must count.
func TestBadInput(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	bad := badInputs()
	lines := make([]string, 0, 2*len(bad))
	for i, one := range bad {
		lines = append(lines, document(i, nil), one.line)
	}
	file := filepath.Join(t.TempDir(), "events.ndjson")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600))
	refused := b.run(t, "publish", file, "--json")
	require.Equal(t, exitNo, refused.code)
	require.Zero(t, b.logEnd(t))
	var report struct {
		Invalid []struct {
			Line int         `json:"line"`
			Code ledger.Code `json:"code"`
			Path string      `json:"path"`
		} `json:"invalid"`
	}
	require.NoError(t, json.Unmarshal([]byte(refused.stdout), &report), refused.stdout)
	require.Len(t, report.Invalid, len(bad))
	for i, one := range bad {
		found := report.Invalid[i]
		require.Equal(t, 2*(i+1), found.Line, one.name)
		require.Equal(t, one.code, found.Code, one.name)
		require.Equal(t, one.path, found.Path, one.name)
	}

	b.start(t, "project", "--metrics-addr", "127.0.0.1:0")
	produce(t, b, lines)
	b.waitForAll(t)
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	for _, one := range bad {
		var reason, path string
		err := pool.QueryRow(t.Context(), `SELECT reason, path FROM books.quarantine WHERE payload = $1`,
			[]byte(one.line)).Scan(&reason, &path)
		require.NoError(t, err, one.name)
		require.Equal(t, string(one.code), reason, one.name)
		require.Equal(t, one.path, path, one.name)
	}
	var wrong, good int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT
		(SELECT count(*) FROM books.quarantine WHERE reason = 'wrong_topic'),
		(SELECT count(*) FROM books.receipts)`).Scan(&wrong, &good))
	require.Equal(t, 1, wrong)
	require.Equal(t, len(bad), good)
	b.must(t, "verify")
}

// produce writes lines to the log as a client of another make would, and a good one to the wrong topic.
func produce(t *testing.T, b books, lines []string) {
	t.Helper()
	client, err := eventlog.NewClient(b.kafka, kgo.ProducerBatchMaxBytes(eventlog.TopicMaxMessageBytes))
	require.NoError(t, err)
	defer client.Close()
	header := []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
	for i, line := range append(lines, document(9_999, nil)) {
		record := &kgo.Record{Topic: eventlog.TopicPayments, Key: []byte("k"), Value: []byte(line), Headers: header}
		if i == len(lines) {
			record.Topic = eventlog.TopicReceivers
		}
		require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
	}
}
