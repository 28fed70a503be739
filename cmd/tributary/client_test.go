package main

import (
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/client"
)

// A merchant's program, on the client that is generated from what the gateway says of itself, against a real gateway.
func TestTheClient(t *testing.T) {
	t.Parallel()
	b := migrated(t).withClickHouse(t)
	provider := b.start(t, "sandbox", "--addr", "127.0.0.1:0", "--journal", filepath.Join(t.TempDir(), "journal"), "--log-format", "json")
	b = b.with("TRIBUTARY_PROVIDER_SANDBOX_URL=" + serving(t, provider.stderr, "serving the sandbox"))
	b.project(t)
	s := b.serve(t)
	s.awaitReady(t)
	c, err := client.New(s.url, b.key(t, "--scope", "all"))
	require.NoError(t, err)

	t.Run("pays and refunds", func(t *testing.T) { t.Parallel(); testClientPays(t, c) })
	t.Run("earns", func(t *testing.T) { t.Parallel(); testClientEarns(t, c) })
	t.Run("publishes", func(t *testing.T) { t.Parallel(); testClientPublishes(t, c) })
	t.Run("is told of problems", func(t *testing.T) { t.Parallel(); testClientProblems(t, s, c) })
}

func euros(cents string) client.Money {
	return client.Money{Value: cents, AssetCode: "EUR", AssetScale: 2}
}

// past reads until the books are past what was asked for: a gateway waits for a moment and then says when to ask again.
func past[T any](t *testing.T, read func() (*client.Answer[T], error)) T {
	t.Helper()
	var (
		answer *client.Answer[T]
		err    error
	)
	require.Eventually(t, func() bool {
		answer, err = read()
		refused, ok := errors.AsType[*client.Error](err)
		return !ok || refused.Code != "not_yet"
	}, time.Minute, time.Millisecond)
	require.NoError(t, err)
	return answer.Value
}

func testClientPays(t *testing.T, c *client.Tributary) {
	t.Helper()
	ctx := t.Context()
	order := client.NewPayment{PaymentID: "pay-1", UserID: "ada", PaymentType: "credit", MerchantID: "lighthouse", Amount: euros("10000")}
	started, err := c.StartPayment(ctx, &client.StartPaymentParams{IdempotencyKey: new("order-1")}, order)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, started.Status)
	require.Equal(t, client.PaymentStatePrepared, started.Value.State)
	require.NotEmpty(t, started.Value.ClientSecret)

	charge := client.PaymentPost{TransactionID: "tx-1", Amount: euros("10000")}
	posted, err := c.PostPayment(ctx, "pay-1", &client.PostPaymentParams{IdempotencyKey: new("charge-1")}, charge)
	require.NoError(t, err)
	require.Equal(t, client.PaymentStatePosted, posted.Value.State)
	again, err := c.PostPayment(ctx, "pay-1", &client.PostPaymentParams{IdempotencyKey: new("charge-1")}, charge)
	require.NoError(t, err)
	require.Equal(t, posted.Value, again.Value, "a repeat is the same")

	refunded, err := c.RefundPayment(ctx, "pay-1", nil, client.NewRefund{Amount: euros("4000"), Reason: "too small"})
	require.NoError(t, err)
	require.Equal(t, client.RefundStateRefunded, refunded.Value.State)
	_, err = c.RefundPayment(ctx, "pay-1", nil, client.NewRefund{Amount: euros("6001")})
	refused, ok := errors.AsType[*client.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "over_refund", refused.Code)
	require.EqualValues(t, http.StatusConflict, refused.Status)

	after := slices.Concat(posted.Position, refunded.Position)
	var tag string
	receipt := past(t, func() (*client.Answer[client.Receipt], error) {
		answer, err := c.GetReceipt(ctx, posted.Value.ReceiptID, &client.GetReceiptParams{After: after})
		if err == nil {
			tag = answer.ETag
		}
		return answer, err
	})
	require.Equal(t, []string{"100", "40"}, []string{receipt.Amount, receipt.Refunded})
	same, err := c.GetReceipt(ctx, posted.Value.ReceiptID, &client.GetReceiptParams{IfNoneMatch: &tag})
	require.NoError(t, err)
	require.Equal(t, http.StatusNotModified, same.Status)

	payment, err := c.GetPayment(ctx, "pay-1", nil)
	require.NoError(t, err)
	require.Equal(t, client.PaymentDetailsStatePartiallyRefunded, payment.Value.State)
	require.Len(t, payment.Value.Refunds, 1)
	testClientReads(t, c, after)
}

func testClientReads(t *testing.T, c *client.Tributary, after []string) {
	t.Helper()
	ctx := t.Context()
	balances := past(t, func() (*client.Answer[client.Balances], error) {
		return c.GetBalances(ctx, "merchant:lighthouse:payable", &client.GetBalancesParams{After: after})
	})
	require.Equal(t, []client.Balance{{AssetCode: "EUR", Debits: "40", Credits: "100", Balance: "60"}}, balances.Balances)

	var statement []string
	page := client.ListEntriesParams{Limit: new(int64(1))}
	for {
		entries, err := c.ListEntries(ctx, "merchant:lighthouse:payable", &page)
		require.NoError(t, err)
		for _, entry := range entries.Value.Entries {
			statement = append(statement, string(entry.Direction)+" "+entry.Amount)
		}
		if entries.Value.Next == "" {
			break
		}
		page.Cursor = &entries.Value.Next
	}
	require.Equal(t, []string{"debit 40", "credit 100"}, statement, "a page at a time, the latest first")
	revenue := past(t, func() (*client.Answer[client.Revenue], error) {
		return c.GetRevenue(ctx, &client.GetRevenueParams{
			After: after, By: new(client.GetRevenueParamsByMonth), Owner: new("lighthouse"),
		})
	})
	require.Len(t, revenue.Rows, 1)
	require.Equal(t, []string{"100", "40"}, []string{revenue.Rows[0].Gross, revenue.Rows[0].Refunds})
}

func testClientEarns(t *testing.T, c *client.Tributary) {
	t.Helper()
	ctx := t.Context()
	site, err := c.RegisterSite(ctx, nil, client.NewSite{
		PluginID: "tea", PaymentPointer: "$wallet.example/tea", TimeZone: "Europe/Lisbon", Time: "2026-01-01T00:00:00Z",
	})
	require.NoError(t, err)
	batch := client.Batch{
		PluginID: "tea", PaymentPointer: "$wallet.example/tea", Date: "2026-01-31", TotalValue: "7", AssetCode: "JPY", AssetScale: new(int32(0)),
		Transactions: []client.Transaction{{Value: "3", PostID: "oolong", PostTitle: "Oolong"}, {Value: "4", PostID: "oolong"}},
	}
	taken, err := c.PublishBatch(ctx, nil, batch)
	require.NoError(t, err)
	require.Equal(t, client.BatchResult{Transactions: 2, TotalValue: "7", AssetCode: "JPY"}, taken.Value)
	repeated, err := c.PublishBatch(ctx, nil, batch)
	require.NoError(t, err)
	revenue := past(t, func() (*client.Answer[client.Revenue], error) {
		return c.GetRevenue(ctx, &client.GetRevenueParams{
			After: slices.Concat(site.Position, repeated.Position), Owner: new("tea"), Year: new(int64(2026)),
			Stream: new(client.GetRevenueParamsStreamMonetization),
		})
	})
	require.Len(t, revenue.Rows, 1)
	require.Equal(t, "7", revenue.Rows[0].Net, "the batch counts once")

	batch.TotalValue = "8"
	_, err = c.PublishBatch(ctx, nil, batch)
	refused, ok := errors.AsType[*client.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, []string{"sum_mismatch", "body.total_value"}, []string{refused.Code, refused.Path})
}

func testClientPublishes(t *testing.T, c *client.Tributary) {
	t.Helper()
	taken, err := c.PublishEvents(t.Context(), "application/x-ndjson", strings.NewReader(sample+`{"specversion":"1.0"}`+"\n"))
	require.NoError(t, err)
	require.Equal(t, http.StatusMultiStatus, taken.Status)
	require.EqualValues(t, strings.Count(sample, "\n"), taken.Value.Accepted)
	last := taken.Value.Results[len(taken.Value.Results)-1]
	require.Equal(t, []any{"missing_field", int64(422)}, []any{last.Problem.Code, last.Problem.Status})
	receiver := past(t, func() (*client.Answer[client.ReceiverDetails], error) {
		return c.GetReceiver(t.Context(), "rcv-7", &client.GetReceiverParams{After: taken.Position})
	})
	require.Equal(t, "acme", receiver.MerchantID)
}

func testClientProblems(t *testing.T, s served, c *client.Tributary) {
	t.Helper()
	nobody, err := client.New(s.url, "trb_none_none")
	require.NoError(t, err)
	_, err = nobody.GetCaller(t.Context())
	refused, ok := errors.AsType[*client.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "unauthenticated", refused.Code)
	_, err = c.GetReceipt(t.Context(), "none", &client.GetReceiptParams{After: []string{"payments/0@1000000"}})
	refused, ok = errors.AsType[*client.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "not_yet", refused.Code)
	require.NotZero(t, refused.RetryAfter)
	_, err = c.StartPayment(t.Context(), nil, client.NewPayment{
		UserID: "ada", PaymentType: "credit", MerchantID: "lighthouse", Amount: client.Money{Value: "12.5", AssetCode: "EUR", AssetScale: 2},
	})
	refused, ok = errors.AsType[*client.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, []string{"bad_amount", "body.amount.value"}, []string{refused.Code, refused.Path})
}
