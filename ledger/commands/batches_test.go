package commands_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/commands"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	batches   = "/v1/monetization/batches"
	pluginTry = `{"pluginId":"blog-7","paymentPointer":"$wallet.example/ada","date":"2026-01-31","totalValue":0.000402,"transactions":[
		{"date":"2026-01-31T09:29:58Z","value":0.000134,"postId":"p-1","postTitle":"Kafka"},
		{"value":"0.000134","postId":"p-1","postTitle":"Kafka"},
		{"value":0.000134}]}`
)

// A plugin that had no answer sends its batch again, without a key: each transaction has the same id.
func TestABatchCountsOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for range 2 {
		got := post(t, d.url+batches, "main", pluginTry)
		require.Equal(t, http.StatusCreated, got.status, got.body)
		require.JSONEq(t, `{"transactions":3,"total_value":"0.000402","asset_code":"USD"}`, got.body)
		require.NotEmpty(t, got.header.Get("Tributary-Position"))
	}
	found := d.records(t, eventlog.TopicMonetization)
	require.Len(t, found, 8)
	byID := map[uuid.UUID]*ledger.Event{}
	for _, e := range found {
		if before := byID[e.ID]; before != nil {
			require.Equal(t, before.ContentHash(), e.ContentHash())
		}
		byID[e.ID] = e
	}
	require.Len(t, byID, 4)
	var values []string
	titles := 0
	for _, e := range byID {
		switch data := e.Data.(type) {
		case *eventsv1.MonetizationReceived:
			amount := data.GetAmount()
			require.Equal(t, []any{"blog-7", "USD", uint32(9)}, []any{data.GetPluginId(), amount.GetAssetCode(), amount.GetAssetScale()})
			values = append(values, amount.GetValue())
		case *eventsv1.PostPublished:
			require.Equal(t, "Kafka", data.GetTitle())
			titles++
		}
	}
	require.Equal(t, []string{"134000", "134000", "134000"}, values)
	require.Equal(t, 1, titles)
	// Under a key it is another batch, and under that key the same for ever.
	require.Equal(t, http.StatusCreated, post(t, d.url+batches, "main", pluginTry, "Idempotency-Key", "second").status)
	require.Len(t, d.records(t, eventlog.TopicMonetization), 12)
}

func TestBatchesThatAreRefusedLeaveNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for name, c := range map[string]struct { // one after another, for what follows looks at what all of them left
		caller, old, new string
		status           int
		code, path       string
	}{
		"sum":           {"main", "0.000402", "0.000403", 422, "sum_mismatch", "body.total_value"},
		"decimals":      {"main", `"value":0.000134}]`, `"value":0.0000000001}]`, 422, "bad_amount", "body.transactions[2].value"},
		"exponent":      {"main", `"value":0.000134}]`, `"value":1e3}]`, 422, "bad_amount", "body.transactions[2].value"},
		"negative":      {"main", `"value":0.000134}]`, `"value":-1}]`, 422, "bad_amount", "body.transactions[2].value"},
		"pointer":       {"main", "$wallet.example/ada", "wallet", 422, "bad_field", "body.payment_pointer"},
		"date":          {"main", "2026-01-31T09:29:58Z", "yesterday", 422, "bad_time", "body.transactions[0].date"},
		"title":         {"main", "Kafka", strings.Repeat("k", 10_000), 422, "bad_field", "body.transactions[0].post_title"},
		"unknown field": {"main", `"pluginId"`, `"plugin":1,"pluginId"`, 422, "invalid", "body"},
		"no JSON":       {"main", `"pluginId"`, `pluginId`, 400, "bad_request", ""},
		"owner":         {"main:other", "x", "x", 403, "forbidden", "body.plugin_id"},
		"scale":         {"main", `"pluginId"`, `"assetScale":99,"pluginId"`, 422, "bad_amount", "body.asset_scale"},
	} {
		got := post(t, d.url+batches, c.caller, strings.Replace(pluginTry, c.old, c.new, 1))
		p := got.problem(t)
		require.Equal(t, []any{c.status, c.code, c.path}, []any{p.Status, p.Code, p.Path}, "%s: %s", name, got.body)
	}
	require.Empty(t, d.records(t, eventlog.TopicMonetization))
}

func TestSitesPostsAndReceivers(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	send := func(path, body string) answer {
		got := post(t, d.url+path, "shop:blog-7", body, "Idempotency-Key", "k")
		again := post(t, d.url+path, "shop:blog-7", body, "Idempotency-Key", "k")
		require.Equal(t, got.body, again.body)
		return got
	}
	site := `{"plugin_id":"blog-7","payment_pointer":"$wallet.example/ada","time_zone":"Europe/Berlin","time":"2026-01-31T09:30:00+01:00"}`
	require.Equal(t, http.StatusCreated, send("/v1/sites", site).status)
	require.Equal(t, http.StatusCreated, send("/v1/sites/blog-7/posts", `{"post_id":"p-1","title":"Kafka"}`).status)
	require.Equal(t, "path.plugin_id", post(t, d.url+"/v1/sites/blog-8/posts", "shop:blog-7", `{"post_id":"p","title":"K"}`).problem(t).Path)
	got := post(t, d.url+"/v1/sites", "shop", strings.Replace(site, "Berlin", "Atlantis", 1)).problem(t)
	require.Equal(t, []any{"bad_field", "body.time_zone"}, []any{got.Code, got.Path})
	ids := map[uuid.UUID]bool{}
	for _, e := range d.records(t, eventlog.TopicMonetization) {
		require.Equal(t, "shop", e.Ledger)
		ids[e.ID] = true
	}
	require.Len(t, ids, 2)
}

func TestAReceiverAsksForNoLessThanThePrice(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	body := `{"merchant_id":"acme","chain":"dash","address":"X1","amount_fiat":{"value":"1000","asset_code":"EUR","asset_scale":2},
		"base_fiat":"31.72","asset":{"asset_code":"DASH","asset_scale":8}}`
	got := post(t, d.url+"/v1/receivers", "main", body, "Idempotency-Key", "k")
	require.Equal(t, http.StatusCreated, got.status, got.body)
	var receiver commands.Receiver
	require.NoError(t, json.Unmarshal([]byte(got.body), &receiver))
	require.Equal(t, &commands.Money{Value: "31525852", AssetCode: "DASH", AssetScale: 8}, receiver.AmountDue) // 0.315258511…, rounded up
	require.NotEmpty(t, receiver.ReceiverID)
	again := post(t, d.url+"/v1/receivers", "main", body, "Idempotency-Key", "k")
	require.Equal(t, got.body, again.body)
	for _, c := range []struct{ old, new, code, path string }{
		{`,"asset":{"asset_code":"DASH","asset_scale":8}`, "", "missing_field", "body.amount_due"},
		{"31.72", "0", "bad_field", "body.base_fiat"},
		{"31.72", "1/3", "bad_field", "body.base_fiat"},
		{`"1000"`, `"10.00"`, "bad_amount", "body.amount_fiat.value"},
		{`"X1"`, `""`, "missing_field", "body.address"},
	} {
		p := post(t, d.url+"/v1/receivers", "main", strings.Replace(body, c.old, c.new, 1)).problem(t)
		require.Equal(t, []any{422, c.code, c.path}, []any{p.Status, p.Code, p.Path}, c.new)
	}
	require.Equal(t, 403, post(t, d.url+"/v1/receivers", "main:globex", body).status)
	require.Len(t, d.records(t, eventlog.TopicReceivers), 2)
}
