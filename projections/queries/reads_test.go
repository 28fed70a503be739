package queries

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestPaymentsAndReceivers(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofReceipts, ofReceivers)
	dash := func(duffs string) *eventsv1.Money {
		return &eventsv1.Money{Value: duffs, AssetCode: "DASH", AssetScale: new(uint32(8))}
	}
	after := "?after=" + b.publish(t,
		posted("1", "acme", noon()), refunded("1", "acme", noon().Add(time.Hour), 2050),
		event(noon(), &eventsv1.PaymentPrepared{PaymentId: "pay-2", Provider: "sandbox", ProviderToken: "tok"}),
		event(noon(), &eventsv1.ReceiverCreated{
			ReceiverId: "rcv-1", MerchantId: "acme", Chain: "dash", Address: "XqPv",
			AmountFiat: gbp(1475), BaseFiat: "29.5", AmountDue: dash("50000000"),
		}),
		event(noon(), &eventsv1.ReceiverPaymentDetected{
			ReceiverId: "rcv-1", MerchantId: "acme", Chain: "dash", Txid: "f4a5", Vout: new(uint32(1)), Address: "XqPv", Amount: dash("20000000"),
		}),
	)
	payment := b.get(t, "acme", "/v1/payments/pay-1"+after)
	require.Equal(t, http.StatusOK, payment.status, payment.body)
	for _, part := range []string{
		`"state":"partially_refunded"`, `"amount":"139.12"`, `"refunded":"20.5"`, `"disputed":"0"`, `"refunds":[{"refund_id":"ref-`,
		`"posted_at":"2026-03-01T12:00:00Z"`,
	} {
		require.Contains(t, payment.body, part)
	}
	require.NotContains(t, payment.body, "started_at", "what no event named is left out")
	require.Equal(t, http.StatusOK, b.get(t, "main", "/v1/payments/pay-2"+after).status)
	problem(t, b.get(t, "acme", "/v1/payments/pay-2"+after), http.StatusNotFound, web.CodeNotFound) // whose it is nobody said yet
	problem(t, b.get(t, "other", "/v1/payments/pay-1"+after), http.StatusNotFound, web.CodeNotFound)

	receiver := read200[ReceiverDetails](t, b, "acme", "/v1/receivers/rcv-1"+after)
	require.Equal(t, "detected", receiver.State)
	require.Equal(t, "0.5", *receiver.AmountDue)
	require.Equal(t, "0.2", receiver.Pending)
	require.Equal(t, []ReceiverPayment{{
		TxID: "f4a5", Vout: 1, State: "detected", AssetCode: "DASH", Amount: "0.2", DetectedAt: new(noon()),
	}}, receiver.Payments)
	problem(t, b.get(t, "other", "/v1/receivers/rcv-1"), http.StatusNotFound, web.CodeNotFound)
	problem(t, b.get(t, "main", "/v1/receivers/rcv-2"), http.StatusNotFound, web.CodeNotFound)
}

func TestBalances(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofBalances)
	const payable = "/v1/balances/merchant:acme:payable"
	at := b.publish(t, posted("1", "acme", noon()), posted("2", "bolt", noon()), in("other", posted("3", "acme", noon())))
	first := b.get(t, "acme", payable+"?after="+at)
	require.JSONEq(t, `{"account": "merchant:acme:payable", "ledger": "main", "balances": [
		{"asset_code": "GBP", "debits": "0", "credits": "137.73", "balance": "137.73"}]}`, first.body)
	again := b.get(t, "acme", payable)
	require.Equal(t, first.body, again.body)
	require.Equal(t, http.StatusNotModified, b.get(t, "acme", payable, "If-None-Match", again.header.Get("ETag")).status)

	at = b.publish(t, refunded("1", "acme", noon().Add(18*time.Hour), 2000))
	require.Contains(t, b.get(t, "acme", payable+"?after="+at).body, `"balance":"117.73"`)
	require.Contains(t, b.get(t, "acme", payable).body, `"balance":"117.73"`)
	then := read200[Balances](t, b, "acme", payable+"?at=2026-03-01")
	require.Equal(t, "137.73", then.Balances[0].Balance)
	require.Equal(t, time.Date(2026, 3, 1, 23, 59, 59, 999_999_000, time.UTC), *then.At)
	require.Equal(t, "117.73", read200[Balances](t, b, "acme", payable+"?at=2026-03-01&tz=Pacific/Honolulu").Balances[0].Balance)
	require.Empty(t, read200[Balances](t, b, "acme", payable+"?at=2026-02-28T23:00:00+01:00").Balances)
	require.Empty(t, read200[Balances](t, b, "acme", payable+"?known_at=2000-01-01").Balances)

	for _, as := range []struct {
		caller, account string
		sees            bool
	}{
		{"main", "merchant:bolt:payable", true},
		{"main", "platform:fees", true},
		{"acme", "merchant:bolt:payable", false},
		{"acme", "platform:fees", false},
		{"acme", "provider:sandbox:clearing", false},
		{"acme", "site:my-blog:revenue", false}, // it is theirs, and not there
		{"other", "merchant:bolt:payable", false},
		{"other", "merchant:acme:payable", true},
		{"main", "nonsense", false},
		{"main", "merchant:nobody:payable", false},
	} {
		for _, path := range []string{"/v1/balances/%s", "/v1/balances/%s?at=2026-03-02", "/v1/accounts/%s/entries"} {
			got := b.get(t, as.caller, fmt.Sprintf(path, as.account))
			if as.sees {
				require.Equal(t, http.StatusOK, got.status, got.body)
			} else {
				require.Contains(t, problem(t, got, http.StatusNotFound, web.CodeNotFound).Detail, `there is no account "`+as.account+`"`)
			}
		}
	}
}

func TestStatementPages(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofBalances)
	const entries = 21
	events := make([]*ledger.Event, 0, entries)
	for i := range entries {
		events = append(events, posted(fmt.Sprint("s-", i), "acme", noon().Add(time.Duration(i/4)*time.Hour)))
	}
	for _, e := range events[:7] {
		e.Data.(*eventsv1.PaymentPosted).Amount.AssetCode = "EUR"
		e.Data.(*eventsv1.PaymentPosted).Fee.AssetCode = "EUR"
		for _, line := range e.Data.(*eventsv1.PaymentPosted).GetLines() {
			line.UnitPrice.AssetCode = "EUR"
		}
	}
	at := b.publish(t, events...)
	const path = "/v1/accounts/merchant:acme:payable/entries?after="
	seen := make([]AccountEntry, 0, entries)
	cursor := ""
	for n := range 6 {
		page := read200[AccountEntries](t, b, "acme", path+at+"&limit=4"+cursor)
		seen = append(seen, page.Entries...)
		cursor = "&cursor=" + page.Next
		require.Equal(t, n < 5, page.Next != "")
		at = b.publish(t, posted(fmt.Sprint("new-", n), "acme", noon().AddDate(0, 0, 1)))
	}
	require.Len(t, seen, len(events))
	ids := map[string]bool{}
	for i, e := range seen {
		ids[e.EventID] = true
		require.Equal(t, "137.73", e.Amount)
		require.True(t, i == 0 || !e.OccurredAt.After(seen[i-1].OccurredAt))
	}
	require.Len(t, ids, len(events))
	require.Len(t, read200[AccountEntries](t, b, "acme", path+at+"&asset_code=EUR").Entries, 7)
	require.Len(t, read200[AccountEntries](t, b, "acme", path+at+"&from=2026-03-01T13:00:00Z&to=2026-03-01T14:00:00Z").Entries, 8)
	require.Len(t, read200[AccountEntries](t, b, "acme", path+at+"&to=2026-03-01").Entries, len(events))
	require.Empty(t, read200[AccountEntries](t, b, "acme", path+at+"&to=2026-02-01").Entries)
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofQuarantine)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.log.Brokers...))
	require.NoError(t, err)
	defer client.Close()
	var last string
	for i, inLedger := range []string{"main", "main", "other", "main"} {
		record := &kgo.Record{Topic: eventlog.TopicPayments, Value: []byte("{"), Headers: []kgo.RecordHeader{
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_id", Value: []byte(uuid.NewString())},
			{Key: "ce_source", Value: []byte("x")},
			{Key: "ce_type", Value: []byte("tributary.payment.posted.v1")},
			{Key: "ce_time", Value: []byte("2026-03-01T12:00:00Z")},
			{Key: "ce_subject", Value: []byte(fmt.Sprint("pay-", i))},
			{Key: "ce_ledger", Value: []byte(inLedger)},
			{Key: "content-type", Value: []byte("application/json")},
		}}
		require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
		if last != "" {
			last += ","
		}
		last += eventlog.Position{Topic: record.Topic, Partition: record.Partition, Offset: record.Offset}.String()
	}
	page := read200[Quarantine](t, b, "main", "/v1/quarantine?limit=2&topic=payments&after="+last)
	require.Len(t, page.Records, 2)
	rest := read200[Quarantine](t, b, "main", "/v1/quarantine?limit=2&cursor="+page.Next)
	require.Len(t, rest.Records, 1)
	require.Empty(t, rest.Next)
	for _, r := range append(page.Records, rest.Records...) {
		require.Equal(t, "undecodable", r.Reason)
		require.True(t, strings.HasPrefix(r.Position, "payments/"))
	}
	require.Len(t, read200[Quarantine](t, b, "other", "/v1/quarantine").Records, 1)
	require.Empty(t, read200[Quarantine](t, b, "acme", "/v1/quarantine").Records)
	require.Empty(t, read200[Quarantine](t, b, "main", "/v1/quarantine?reason=bad_amount").Records)
	require.Empty(t, read200[Quarantine](t, b, "main", "/v1/quarantine?topic=receivers").Records)
}

func TestRevenue(t *testing.T) {
	t.Parallel()
	conn, err := clickhouse.Open(t.Context(), stacktest.ClickHouse(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	b := newBooks(t, migrated(t), conn, nil)
	after := "&after=" + b.publish(t, posted("1", "acme", noon()), posted("2", "bolt", noon().Add(11*time.Hour+30*time.Minute)),
		refunded("1", "acme", noon().AddDate(0, 1, 0), 2000), in("other", posted("3", "acme", noon())),
		event(noon(), &eventsv1.MonetizationReceived{
			PluginId: "my-blog", PaymentPointer: "$ilp.example/me", PostId: "hello", Amount: &eventsv1.Money{
				Value: "500", AssetCode: "EUR", AssetScale: new(uint32(9)),
			},
		}))
	all := read200[Revenue](t, b, "main", "/v1/revenue?by=month"+after)
	require.Equal(t, []RevenueRow{
		{Year: 2026, Month: 3, AssetCode: "EUR", Gross: "0.0000005", Refunds: "0", Fees: "0", Net: "0.0000005", Events: 1},
		{Year: 2026, Month: 3, AssetCode: "GBP", Gross: "278.24", Refunds: "0", Fees: "2.78", Net: "275.46", Events: 2},
		{Year: 2026, Month: 4, AssetCode: "GBP", Gross: "0", Refunds: "20", Fees: "0", Net: "-20", Events: 1},
	}, all.Rows)
	count := func(as, query string) (events int64) {
		for _, row := range read200[Revenue](t, b, as, "/v1/revenue?"+query).Rows {
			events += row.Events
		}
		return events
	}
	require.EqualValues(t, 3, count("acme", "by=day"), "of acme and my-blog")
	require.EqualValues(t, 2, count("acme", "by=day&owner=acme"))
	require.EqualValues(t, 0, count("acme", "by=day&owner=bolt"))
	require.EqualValues(t, 0, count("acme", "by=day&owner=nobody"))
	require.EqualValues(t, 1, count("other", "by=day"))
	require.EqualValues(t, 1, count("main", "stream=monetization&pointer=$ilp.example/me&post_id=hello"))
	require.EqualValues(t, 3, count("main", "from=2026-03-01&to=2026-03-31&by=day_of_week"))
	require.EqualValues(t, 1, count("main", "by=day_of_year&year=2026&from=2026-03-02&tz=Europe/Paris&to=2026-03-30"))
	require.EqualValues(t, 0, count("main", "known_at=2000-01-01"))
	hours := read200[Revenue](t, b, "main", "/v1/revenue?by=hour&year=2026&owner=bolt&tz=Asia/Kolkata")
	require.Len(t, hours.Rows, 1)
	require.Equal(t, "2026-03-02T05:00:00+05:30", hours.Rows[0].Hour.Format(time.RFC3339))

	after = "&after=" + b.publish(t, posted("4", "acme", time.Date(1971, 3, 1, 0, 0, 0, 0, time.UTC)))
	got := problem(t, b.get(t, "main", "/v1/revenue?by=day&tz=Africa/Monrovia"+after), http.StatusUnprocessableEntity, web.CodeInvalid)
	require.Equal(t, "query.tz", got.Path)
	require.Contains(t, got.Detail, "The clocks of Africa/Monrovia")
}

// Many wait for what nobody has projected yet: all are told, and none costs a query of its own.
func TestWaitingForPositions(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofReceipts)
	at := b.publish(t, posted("1", "acme", noon()))
	require.Equal(t, http.StatusOK, b.get(t, "main", "/v1/receipts/rcpt-1?after="+at).status)

	got := problem(t, b.once(t, "main", "/v1/receipts/rcpt-1?after="+at+",payments/2@1000000"), http.StatusServiceUnavailable, web.CodeNotYet)
	require.Contains(t, got.Detail, "payments/2@1000000")
	require.Equal(t, "1", b.once(t, "main", "/v1/payments/pay-1?after=payments/77@0").header.Get("Retry-After"), "there is no such partition")
	require.Equal(t, http.StatusOK, b.get(t, "main", "/v1/receipts/rcpt-1?after=receivers/0@1000000").status, "receipts are not made of those")

	const waiters = 200
	position := must(After{[]string{at}}.positions())[0]
	position.Offset++
	start := time.Now()
	var all sync.WaitGroup
	for range waiters {
		all.Go(func() {
			if _, err := b.queries.pastAll(t.Context(), ofReceipts, []eventlog.Position{position}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool {
		b.queries.mu.Lock()
		defer b.queries.mu.Unlock()
		return len(b.queries.waiting) == waiters || time.Since(start) > time.Second
	}, patience, time.Millisecond)
	for n := 0; ; n++ { // whose key leads to that partition
		published := must(After{[]string{b.publish(t, posted(fmt.Sprint("w-", n), "acme", noon()))}}.positions())
		if published[0].Partition == position.Partition {
			break
		}
	}
	all.Wait()
}
