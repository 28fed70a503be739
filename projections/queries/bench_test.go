package queries

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

const million = 1_000_000

// manyReceipts are books with a million receipts, rcpt-0 and on.
func manyReceipts(b *testing.B) *books {
	b.Helper()
	url := stacktest.LargePostgres(b).URL()
	require.NoError(b, migrate(b.Context(), url))
	made := newBooks(b, url, nil, nil, ofReceipts, ofBalances)
	position := made.publish(b, posted("x", "acme", noon()))
	require.Equal(b, http.StatusOK, made.get(b, "main", "/v1/receipts/rcpt-x?after="+position).status)
	_, err := made.pool.Exec(b.Context(), `INSERT INTO receipts.payments (started_at, posted_at, updated_at, receipt_updated_at,
			generation, version, state, ledger, payment_id, merchant_id, user_id, provider, payment_type,
			asset_code, amount, fee, refunded, disputed, receipt_id, transaction_id, facts, lines)
		SELECT started_at, posted_at, updated_at, receipt_updated_at, generation, version, state, ledger, 'pay-' || n, merchant_id,
			'user-' || n % 1000, provider, payment_type, asset_code, amount, fee, refunded, disputed, 'rcpt-' || n, 'txn-' || n, facts, lines
		FROM receipts.payments, generate_series(0, $1 - 1) n WHERE payment_id = 'pay-x'`, million)
	require.NoError(b, err)
	_, err = made.pool.Exec(b.Context(), "ANALYZE receipts.payments")
	require.NoError(b, err)
	return made
}

// measure asks from many goroutines, and fails where something is not answered.
func measure(b *testing.B, made *books, path func() string) {
	b.Helper()
	var failed atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path(), nil)
			request.Header.Set("Authorization", "Bearer main")
			recorder := httptest.NewRecorder()
			made.mux.ServeHTTP(recorder, request)
			if recorder.Code != http.StatusOK {
				failed.Add(1)
			}
		}
	})
	require.Zero(b, failed.Load())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
}

func BenchmarkReceipts(b *testing.B) {
	made := manyReceipts(b)
	among := func(n int) func() string {
		return func() string { return "/v1/receipts/rcpt-" + strconv.Itoa(rand.IntN(n)) }
	}
	for _, of := range []int{1, 10_000, million} {
		b.Run(fmt.Sprintf("among=%d", of), func(b *testing.B) { measure(b, made, among(of)) })
	}
	b.Run("balance", func(b *testing.B) { measure(b, made, func() string { return "/v1/balances/merchant:acme:payable" }) })
	b.Run("payment", func(b *testing.B) {
		measure(b, made, func() string { return "/v1/payments/pay-" + strconv.Itoa(rand.IntN(million)) })
	})
	b.Run("list", func(b *testing.B) {
		measure(b, made, func() string { return "/v1/receipts?limit=10&user_id=user-" + strconv.Itoa(rand.IntN(1000)) })
	})
}
