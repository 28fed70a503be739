package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// status is what status says, as JSON.
func (b books) status(t *testing.T) statusReport {
	t.Helper()
	return decode[statusReport](t, b.must(t, "status", "--json").stdout)
}

// Gateways tell of themselves: one that was killed is silent, and one that stopped in order is gone. What a kill leaves under way is told,
// too.
func TestStatusHearsGateways(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	require.Empty(t, b.status(t).Gateways)
	provider := b.start(t, "sandbox", "--addr", "127.0.0.1:0", "--journal", filepath.Join(t.TempDir(), "journal"), "--log-format", "json")
	b = b.with("TRIBUTARY_PROVIDER_SANDBOX_URL=" + serving(t, provider.stderr, "serving the sandbox"))
	b.project(t, "subjects")
	args := []string{"serve", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--log-format", "json"}
	killed, stopped := b.child(t, "create", args...), b.child(t, "", args...)
	url, other := serving(t, killed.said, "serving"), serving(t, stopped.said, "serving")
	await := func(what string, holds func(statusReport) bool) (report statusReport) {
		require.Eventually(t, func() bool {
			report = b.status(t)
			return holds(report)
		}, time.Minute, 100*time.Millisecond, what)
		return report
	}
	of := func(report statusReport, url string) string {
		for _, g := range report.Gateways {
			if g.Address == url {
				return g.State
			}
		}
		return "none"
	}
	both := await("both are ready", func(r statusReport) bool {
		return len(r.Gateways) == 2 && of(r, url) == stateReady && of(r, other) == stateReady && r.Recovery.State == stateReady
	})
	for _, g := range both.Gateways {
		require.Equal(t, version, g.Version)
		require.NotZero(t, g.PID)
		require.WithinDuration(t, time.Now(), g.Running, time.Minute)
	}

	key := b.key(t, "--scope", "all")
	go func() { _, _, _ = pay(t.Context(), url, key, callOf("start", "p-1")) }() // it is never answered
	require.Eventually(t, func() bool { return strings.Contains(killed.said.String(), stoodStill+"create") }, time.Minute, 5*time.Millisecond)
	await("it is under way", func(r statusReport) bool { return r.Recovery.UnderWay == 1 && r.Recovery.Overdue == 0 })
	killed.kill()
	dead := time.Now()
	silent := await("it is silent", func(r statusReport) bool { return of(r, url) == projectorSilent })
	require.Less(t, time.Since(dead), silentAfter+redWithin/2)
	require.Equal(t, stateReady, of(silent, other))
	await("the other one has finished what was under way", func(r statusReport) bool { return r.Recovery.UnderWay == 0 })
	said := b.must(t, "status").stdout
	require.Contains(t, said, "killed, paused, or cut off from Postgres")
	require.Contains(t, said, "no payment is under way")
	for line := range strings.Lines(said) {
		if strings.Contains(line, url) && !strings.HasPrefix(line, "  ") {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSpace(line)), 80, line)
		}
	}

	require.NoError(t, stopped.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-stopped.done)
	stopped.done <- os.ErrProcessDone // for kill
	gone := b.status(t)
	require.Equal(t, "none", of(gone, other))
	require.Equal(t, projectorSilent, of(gone, url))
	require.Equal(t, http.StatusOK, b.serve(t).call(t, http.MethodGet, "/livez", "", "").status)
}
