package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// askHealth asks the process at a URL.
func askHealth(t *testing.T, url string, args ...string) answer {
	t.Helper()
	return books{}.run(t, append([]string{"health", "--metrics-addr", strings.TrimPrefix(url, "http://")}, args...)...)
}

func TestHealthAsksTheProcess(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	_, url := b.project(t, "balances", "receipts")
	require.Eventually(t, func() bool { return askHealth(t, url).code == exitDone }, time.Minute, 20*time.Millisecond)
	require.Equal(t, answer{stdout: "ready\n"}, askHealth(t, url))
	require.JSONEq(t, `{"ready": true, "reasons": []}`, askHealth(t, url, "--json").stdout)
	require.Equal(t, answer{stdout: "alive\n"}, askHealth(t, url, "--live"))
	require.Contains(t, metricsOf(t, url), `tributary_projection_ready{projection="balances"} 1`)

	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	require.Equal(t, exitDone, askHealth(t, ":"+port).code, "an address that is all addresses is here, too")
	require.Equal(t, exitUsage, askHealth(t, "127.0.0.1:0").code)
	require.Equal(t, exitUsage, askHealth(t, "").code)
}

func TestHealthSaysWhyNot(t *testing.T) {
	t.Parallel()
	nobody := closedAddress(t)
	_, url := booksAt([]string{nobody}, "postgres://user@"+nobody+"/books").project(t, "balances")
	refused := func() bool { return strings.Contains(askHealth(t, url).stdout, "connection refused") }
	require.Eventually(t, refused, time.Minute, 20*time.Millisecond)
	got := askHealth(t, url)
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "not ready:\n- balances: ")
	require.Empty(t, got.stderr)
	require.Contains(t, askHealth(t, url, "--json").stdout, `{"ready":false,"reasons":["balances: `)
	require.Equal(t, exitDone, askHealth(t, url, "--live").code, "it lives, and waits")
	require.Contains(t, metricsOf(t, url), `tributary_projection_ready{projection="balances"} 0`)
}

func TestHealthOfNobody(t *testing.T) {
	t.Parallel()
	got := askHealth(t, closedAddress(t))
	require.Equal(t, exitUnreachable, got.code)
	require.Contains(t, got.stderr, "connection refused")

	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, args := range [][]string{nil, {"--live"}} {
		got = askHealth(t, other.URL, args...)
		require.Equal(t, exitUnreachable, got.code)
		require.Contains(t, got.stderr, "is not Tributary")
	}
}

// closedAddress is one where nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func metricsOf(t *testing.T, url string) string {
	t.Helper()
	_, text := get(t, url+"/metrics", "")
	return text
}
