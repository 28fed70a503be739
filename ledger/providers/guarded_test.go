package providers_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/ledger/providers/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A provider that is away is tried a few times, then left alone, and found again.
func TestAProviderThatIsAwayIsLeftAlone(t *testing.T) {
	t.Parallel()
	var calls, broken atomic.Int64
	broken.Store(1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		if broken.Load() == 1 {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte(`{"state":"absent"}`))
	}))
	t.Cleanup(server.Close)
	client := sandbox.NewClient(server.URL, "")
	t.Cleanup(client.Close)
	guarded := providers.Guarded(client, providers.Settings{Tries: 3, Pause: time.Millisecond, Failures: 5, OpenFor: 300 * time.Millisecond})
	operation := providers.Operation{Payment: providers.Payment{Ledger: "main", PaymentID: "p"}, Kind: providers.KindCharge}

	_, err := guarded.Lookup(t.Context(), operation)
	require.ErrorContains(t, err, "not known")
	require.ErrorContains(t, err, "502")
	require.Equal(t, int64(3), calls.Load())
	_, err = guarded.Lookup(t.Context(), operation)
	require.ErrorIs(t, err, circuitbreaker.ErrOpen)
	require.Equal(t, int64(5), calls.Load(), "the circuit opened at the fifth failure")

	broken.Store(0)
	require.Eventually(t, func() bool {
		outcome, err := guarded.Lookup(t.Context(), operation)
		return err == nil && outcome.State == providers.StateAbsent
	}, time.Minute, time.Millisecond)
}

func TestATryHasADeadline(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(server.Close)
	client := sandbox.NewClient(server.URL, "")
	t.Cleanup(client.Close)
	guarded := providers.Guarded(client, providers.Settings{Timeout: 10 * time.Millisecond, Tries: 2, Pause: time.Millisecond})
	began := time.Now()
	_, err := guarded.Lookup(t.Context(), providers.Operation{Kind: providers.KindCharge})
	require.ErrorContains(t, err, "deadline")
	require.Less(t, time.Since(began), 4*time.Second)
}

// Keys of different operations differ, whatever the ids are, and are as short as the strictest provider wants.
func TestKeysFollowFromThePayment(t *testing.T) {
	t.Parallel()
	seen := map[string]providers.Operation{}
	for _, ledger := range []string{"main", "test"} {
		for _, payment := range []string{"p", "p:refund:x", "p\x01", "refund"} {
			for _, kind := range []providers.Kind{providers.KindCreate, providers.KindCharge, providers.KindRefund} {
				for _, refund := range []string{"", "x", "x:refund:y", "y"} {
					o := providers.Operation{Payment: providers.Payment{Ledger: ledger, PaymentID: payment}, Kind: kind, RefundID: refund}
					require.NotContains(t, seen, o.Key())
					seen[o.Key()] = o
					require.LessOrEqual(t, len(o.Key()), 64)
					o.Token = "known later"
					require.Contains(t, seen, o.Key())
				}
			}
		}
	}
}
