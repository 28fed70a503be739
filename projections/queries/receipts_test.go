package queries

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
)

func TestReceipt(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofReceipts)
	at := b.publish(t, posted("1", "acme", noon()), posted("2", "bolt", noon()), in("other", posted("3", "acme", noon())))

	first := b.get(t, "main", "/v1/receipts/rcpt-1?after="+at)
	require.Equal(t, http.StatusOK, first.status, first.body)
	require.JSONEq(t, `{"receipt_id": "rcpt-1", "payment_id": "pay-1", "ledger": "main", "user_id": "user-1", "merchant_id": "acme",
		"provider": "sandbox", "payment_type": "credit", "asset_code": "GBP", "amount": "139.12", "fee": "1.39", "refunded": "0", "lines": [
			{"sku": "85123A", "description": "A <white> heart", "quantity": "6", "unit_price": "2.55", "asset_code": "GBP"},
			{"sku": "D", "quantity": "1", "unit_price": "-1", "asset_code": "GBP"}],
		"issued_at": "2026-03-01T12:00:00Z", "updated_at": "2026-03-01T12:00:00Z", "version": 1}`, first.body)
	require.Contains(t, first.body, "A <white> heart")
	again := b.get(t, "main", "/v1/receipts/rcpt-1")
	require.Equal(t, first.body, again.body, "the fast way answers as the other does")
	require.Equal(t, first.header.Get("ETag"), again.header.Get("ETag"))
	require.Equal(t, first.header.Get("Content-Type"), again.header.Get("Content-Type"))
	require.Equal(t, "private, no-cache", again.header.Get("Cache-Control"))

	for _, path := range []string{"/v1/receipts/rcpt-1", "/v1/receipts/rcpt-1?after=" + at} {
		for _, tag := range []string{first.header.Get("ETag"), `"x", W/` + first.header.Get("ETag"), "*"} {
			same := b.get(t, "main", path, "If-None-Match", tag)
			require.Equal(t, http.StatusNotModified, same.status)
			require.Empty(t, same.body)
			require.Equal(t, first.header.Get("ETag"), same.header.Get("ETag"))
		}
		require.Equal(t, http.StatusOK, b.get(t, "main", path, "If-None-Match", `"1-0"`).status)
	}

	at = b.publish(t, refunded("1", "acme", noon().Add(time.Hour), 2000))
	changed := b.get(t, "main", "/v1/receipts/rcpt-1?after="+at, "If-None-Match", first.header.Get("ETag"))
	require.Equal(t, http.StatusOK, changed.status)
	require.Contains(t, changed.body, `"refunded":"20"`)
	require.Contains(t, changed.body, `"version":2`)
	require.Equal(t, changed.body, b.get(t, "main", "/v1/receipts/rcpt-1").body, "what a read with a position found is kept")
}

// Whoever does not own a receipt is answered as where there is none.
func TestReceiptsOfOthers(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofReceipts)
	at := b.publish(t, posted("1", "acme", noon()), posted("2", "bolt", noon()), in("other", posted("3", "acme", noon())))
	for as, seen := range map[string][]bool{"main": {true, true, false}, "acme": {true, false, false}, "other": {false, false, true}} {
		for i, may := range seen {
			for _, after := range []string{"?after=" + at, ""} {
				got := b.get(t, as, fmt.Sprintf("/v1/receipts/rcpt-%d%s", i+1, after))
				if may {
					require.Equal(t, http.StatusOK, got.status, got.body)
					continue
				}
				none := b.get(t, as, "/v1/receipts/rcpt-9"+after)
				problem(t, got, http.StatusNotFound, web.CodeNotFound)
				require.Equal(t, strings.ReplaceAll(none.body, "rcpt-9", fmt.Sprintf("rcpt-%d", i+1)), got.body)
			}
		}
	}
	problem(t, b.get(t, "none", "/v1/receipts/rcpt-1"), http.StatusForbidden, web.CodeForbidden)
	problem(t, b.get(t, "nobody", "/v1/receipts/rcpt-1"), http.StatusUnauthorized, web.CodeUnauthenticated)
	problem(t, b.get(t, "main", "/v1/receipts/%00"), http.StatusNotFound, web.CodeNotFound)
	problem(t, b.get(t, "main", "/v1/receipts/%ff?after="+at), http.StatusNotFound, web.CodeNotFound)

	require.Len(t, read200[Receipts](t, b, "main", "/v1/receipts?user_id=user-1").Receipts, 2)
	require.Len(t, read200[Receipts](t, b, "acme", "/v1/receipts?user_id=user-1").Receipts, 1)
	require.Len(t, read200[Receipts](t, b, "other", "/v1/receipts?user_id=user-1").Receipts, 1)
	require.Empty(t, read200[Receipts](t, b, "other", "/v1/receipts?user_id=user-2").Receipts)
}

// A refund is seen within a second of being projected, by those who do not say what they wait for.
func TestRefundsShow(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofReceipts)
	at := b.publish(t, posted("1", "acme", noon()))
	require.Equal(t, http.StatusOK, b.get(t, "main", "/v1/receipts/rcpt-1?after="+at).status)
	for n := range int32(5) {
		at = b.publish(t, refunded("1", "acme", noon().Add(time.Duration(n)*time.Hour), 100))
		_, err := b.queries.pastAll(t.Context(), ofReceipts, must(After{[]string{at}}.positions()), nil)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return read200[Receipt](t, b, "main", "/v1/receipts/rcpt-1").Version == n+2
		}, 10*time.Second, time.Millisecond)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Pages are complete and without doubles, whatever is added while they are read.
func TestReceiptPages(t *testing.T) {
	t.Parallel()
	b := newBooks(t, migrated(t), nil, nil, ofReceipts)
	const receipts = 25
	events := make([]*ledger.Event, 0, receipts)
	for i := range receipts {
		events = append(events, posted(strconv.Itoa(i), "acme", noon().Add(time.Duration(i/3)*time.Minute)))
	}
	at := b.publish(t, events...)
	seen := map[string]int{}
	cursor := ""
	for n := 0; ; n++ {
		page := read200[Receipts](t, b, "main", "/v1/receipts?user_id=user-1&limit=4&after="+at+cursor)
		for _, r := range page.Receipts {
			seen[r.ReceiptID]++
		}
		if page.Next == "" {
			require.Equal(t, 6, n)
			break
		}
		require.Len(t, page.Receipts, 4)
		cursor = "&cursor=" + page.Next
		at = b.publish(t, posted(fmt.Sprintf("late-%d", n), "acme", noon().Add(time.Hour)))
	}
	require.Len(t, seen, 25)
	for id, times := range seen {
		require.Equal(t, 1, times, id)
	}
}

func TestWrongParameters(t *testing.T) {
	t.Parallel()
	b := &books{pool: open(t, migrated(t))}
	b.serve(t, nil, nil)
	for path, field := range map[string]string{
		"/v1/receipts/r?after=x":                                                   "query.after",
		"/v1/receipts/r?after=payments/3@1,receivers/x@2":                          "query.after",
		"/v1/receipts/r?after=nothing/3@1":                                         "query.after",
		"/v1/receipts/r?nonsense=1":                                                "query.nonsense",
		"/v1/receipts":                                                             "query.user_id",
		"/v1/receipts?user_id=%00":                                                 "query.user_id",
		"/v1/receipts?user_id=u&limit=0":                                           "query.limit",
		"/v1/receipts?user_id=u&limit=1001":                                        "query.limit",
		"/v1/receipts?user_id=u&limit=many":                                        "query.limit",
		"/v1/receipts?user_id=u&cursor=%21":                                        "query.cursor",
		"/v1/receipts?user_id=u&cursor=e30x":                                       "query.cursor",
		"/v1/balances/merchant:acme:payable?at=noon":                               "query.at",
		"/v1/balances/merchant:acme:payable?known_at=1":                            "query.known_at",
		"/v1/balances/merchant:acme:payable?at=2026-03-01&tz=Mars/Olympus":         "query.tz",
		"/v1/accounts/merchant:acme:payable/entries?from=2026-03-02&to=2026-03-01": "query.to",
		"/v1/accounts/merchant:acme:payable/entries?from=x":                        "query.from",
		"/v1/accounts/merchant:acme:payable/entries?to=x":                          "query.to",
		"/v1/accounts/merchant:acme:payable/entries?tz=x":                          "query.tz",
		"/v1/revenue?by=week":                                                      "query.by",
		"/v1/revenue?by=hour":                                                      "query.by",
		"/v1/revenue?by=hour&from=2024-01-01&to=2025-01-01":                        "query.by",
		"/v1/revenue?tz=Mars/Olympus":                                              "query.tz",
		"/v1/revenue?year=1969":                                                    "query.year",
		"/v1/revenue?from=yesterday":                                               "query.from",
		"/v1/revenue?from=2026-03-02&to=2026-03-01":                                "query.to",
		"/v1/revenue?stream=all":                                                   "query.stream",
		"/v1/revenue?post_id=%ff":                                                  "query.post_id",
		"/v1/quarantine?topic=all":                                                 "query.topic",
	} {
		require.Equal(t, field, problem(t, b.get(t, "main", path), http.StatusUnprocessableEntity, web.CodeInvalid).Path, path)
	}
	problem(t, b.get(t, "main", "/v1/revenue"), http.StatusServiceUnavailable, web.CodeUnavailable)
}
