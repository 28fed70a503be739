package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/providers/sandbox"
)

// paymentCall is one call about a payment.
type paymentCall struct{ key, path, body string }

// callOf is a call about a payment of 100.00 EUR.
func callOf(what, id string) paymentCall {
	const amount = `"amount":{"value":"10000","asset_code":"EUR","asset_scale":2}`
	switch what {
	case "start":
		return paymentCall{
			"start " + id, "", `{"payment_id":"` + id + `","user_id":"u","payment_type":"credit","merchant_id":"acme",` + amount + `}`,
		}
	case "post":
		return paymentCall{"post " + id, "/" + id + "/post", `{"transaction_id":"tx-` + id + `",` + amount + `}`}
	default:
		return paymentCall{"refund " + id, "/" + id + "/refunds", `{"amount":{"value":"4000","asset_code":"EUR","asset_scale":2}}`}
	}
}

// pay makes a call under a key that follows from it.
func pay(ctx context.Context, url, key string, call paymentCall) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/payments"+call.path, strings.NewReader(call.body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", call.key)
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), errors.Join(err, response.Body.Close())
}

// paid makes a call that has to succeed.
func paid(t *testing.T, url, key string, call paymentCall) {
	t.Helper()
	status, body, err := pay(t.Context(), url, key, call)
	require.NoError(t, err)
	require.Contains(t, []int{http.StatusOK, http.StatusCreated}, status, "%s: %s", call.key, body)
}

// serving is the URL that a gateway, or the sandbox, says it serves at.
func serving(t *testing.T, said *syncBuffer, msg string) (url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for line := range strings.Lines(said.String()) {
			var entry struct {
				Msg string `json:"msg"`
				URL string `json:"url"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == msg {
				url = entry.URL
				return true
			}
		}
		return false
	}, time.Minute, 5*time.Millisecond, "%s", said)
	return url
}

// Gateways are killed before each of their steps of each call, kill -9. The same call again, or the recovery of another gateway, finishes
// what they left open, and in the end the sandbox holds what the books say, to the cent.
func TestAGatewayIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	provider := b.start(t, "sandbox", "--addr", "127.0.0.1:0", "--journal", filepath.Join(t.TempDir(), "journal"), "--log-format", "json")
	b = b.with("TRIBUTARY_PROVIDER_SANDBOX_URL=" + serving(t, provider.stderr, "serving the sandbox"))
	b.project(t, "balances", "subjects")
	healthy := b.serve(t)
	key := b.key(t, "--scope", "all")
	calls := []string{"start", "post", "refund"}
	const event = "append tributary.payment."
	for i, killed := range []struct{ what, step string }{
		{"post", event + "posted.v1"},
		{"refund", event + "refunded.v1"},
		{"post", "charge"}, // the first are left to the recovery
		{"start", event + "started.v1"},
		{"start", "create"},
		{"start", event + "prepared.v1"},
		{"start", "answer"},
		{"post", event + "post_requested.v1"},
		{"refund", event + "refund_requested.v1"},
		{"refund", "refund"},
	} {
		id := fmt.Sprintf("p-%d", i)
		for _, what := range calls {
			if what == killed.what {
				break
			}
			paid(t, healthy.url, key, callOf(what, id))
		}
		dying := b.child(t, killed.step, "serve", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--log-format", "json")
		url := serving(t, dying.said, "serving")
		answered := make(chan error, 1)
		go func() {
			_, body, err := pay(t.Context(), url, key, callOf(killed.what, id))
			if err == nil {
				err = errors.New("it answered " + body)
			}
			answered <- err
		}()
		require.Eventually(t, func() bool { return strings.Contains(dying.said.String(), stoodStill+killed.step) },
			time.Minute, 5*time.Millisecond, "%s", dying.said)
		dying.kill()
		require.NotContains(t, (<-answered).Error(), "it answered")
		if i > 2 {
			paid(t, healthy.url, key, callOf(killed.what, id))
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(healthy.stderr.String())
		}
	})
	requireHeld(t, b, "480")
	b.must(t, "verify", "balances", "subjects")
}

// requireHeld waits until sandbox and books both say so.
func requireHeld(t *testing.T, b books, held string) {
	t.Helper()
	client := sandbox.NewClient(b.variable(sandboxVariable), "")
	t.Cleanup(client.Close)
	var got answer
	shown := assert.Eventually(t, func() bool {
		got = b.run(t, "get", "balance", "provider:sandbox:clearing")
		return got.code == exitDone && strings.Contains(got.stdout, " "+held+".00  EUR")
	}, time.Minute, 100*time.Millisecond)
	tasks := b.askPostgres(t, `SELECT coalesce(string_agg(t::text, ' '), 'no tasks') FROM recovery.tasks t`)
	require.True(t, shown, "%s%s%s", got.stdout, got.stderr, tasks)
	book, err := client.Book(t.Context())
	require.NoError(t, err)
	require.Len(t, book.Balances, 1)
	require.Equal(t, held, book.Balances[0].Held)
}
