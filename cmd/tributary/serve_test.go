package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// served is a gateway that runs for as long as a test.
type served struct {
	*running

	books       books
	url, health string
	client      *http.Client
}

// serve runs the gateway, and returns when it is ready.
func (b books) serve(t testing.TB, args ...string) served {
	t.Helper()
	args = append([]string{"serve", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--log-format", "json"}, args...)
	r := b.start(t, args...)
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	t.Cleanup(transport.CloseIdleConnections)
	s := served{running: r, books: b, client: &http.Client{Transport: transport, Timeout: time.Minute}}
	require.Eventually(t, func() bool {
		for line := range strings.Lines(r.stderr.String()) {
			var entry struct {
				Msg    string `json:"msg"`
				URL    string `json:"url"`
				Health string `json:"health"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
				s.url, s.health = entry.URL, entry.Health
				return true
			}
		}
		return false
	}, time.Minute, 5*time.Millisecond, "%s", r.stderr)
	return s
}

// awaitReady waits until the gateway has found its servers.
func (s served) awaitReady(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool {
		return s.call(t, http.MethodGet, "/readyz", "", "").status == http.StatusOK
	}, time.Minute, 5*time.Millisecond)
}

// key makes an API key.
func (b books) key(t testing.TB, args ...string) string {
	t.Helper()
	return strings.TrimSpace(b.must(t, append([]string{"keys", "create"}, args...)...).stdout)
}

// reply is what the gateway answered.
type reply struct {
	status int
	header http.Header
	body   string
}

// call makes a request with a key, on a connection of its own.
func (s served) call(t testing.TB, method, path, key, body string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(t, err)
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return reply{response.StatusCode, response.Header, string(text)}
}

func TestServeLetsInWhoHasAKey(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	s := b.serve(t)
	s.awaitReady(t)

	nobody := s.call(t, http.MethodGet, "/v1/caller", "", "")
	require.Equal(t, http.StatusUnauthorized, nobody.status)
	require.Equal(t, "application/problem+json", nobody.header.Get("Content-Type"))
	require.Contains(t, nobody.header.Get("WWW-Authenticate"), "Bearer")

	key := b.key(t, "--name", "shop", "--scope", "payments:write,payments:read", "--owner", "acme", "--expires-in", "1h")
	got := s.call(t, http.MethodGet, "/v1/caller", key, "")
	require.Equal(t, http.StatusOK, got.status, got.body)
	caller := decode[map[string]any](t, got.body)
	require.Equal(t, "main", caller["ledger"])
	require.Equal(t, []any{"payments:write", "payments:read"}, caller["scopes"])
	require.Equal(t, []any{"acme"}, caller["owners"])
	require.NotEmpty(t, caller["expires_at"])

	unknown := s.call(t, http.MethodGet, "/v1/caller", "trb_abc_def", "")
	wrong := s.call(t, http.MethodGet, "/v1/caller", key[:len(key)-3]+"aaa", "")
	require.Equal(t, http.StatusUnauthorized, wrong.status)
	require.Equal(t, unknown.body, wrong.body, "which ids there are is nobody's business")
	require.Equal(t, exitDone, s.stop(t), s.stderr)

	listed := decodeLines[keyLine](t, b.must(t, "keys", "list", "--json").stdout)
	require.Len(t, listed, 1)
	require.Equal(t, "shop", listed[0].Name)
	require.NotNil(t, listed[0].LastUsedAt, "it is noted when the gateway stops at the latest")
	require.NotContains(t, s.stderr.String(), key)
}

func TestARevokedKeyIsRefusedWithinSeconds(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	s := b.serve(t)
	key := b.key(t, "--scope", "all")
	s.awaitReady(t)
	require.Equal(t, http.StatusOK, s.call(t, http.MethodGet, "/v1/caller", key, "").status)
	require.Contains(t, b.must(t, "keys", "revoke", key).stdout, "is revoked")
	revoked := time.Now()
	require.Eventually(t, func() bool {
		return s.call(t, http.MethodGet, "/v1/caller", key, "").status == http.StatusUnauthorized
	}, time.Minute, 20*time.Millisecond)
	require.Less(t, time.Since(revoked), 10*time.Second)
	require.Contains(t, b.must(t, "keys", "revoke", key).stdout, "was revoked at")
	require.Contains(t, b.must(t, "keys", "list").stdout, "revoked")

	expired := b.key(t, "--scope", "all", "--expires-in", "1ns")
	require.Equal(t, http.StatusUnauthorized, s.call(t, http.MethodGet, "/v1/caller", expired, "").status)
	require.Equal(t, exitNo, b.run(t, "keys", "revoke", "nobodys").code)
	require.Equal(t, exitUsage, b.run(t, "keys", "create").code)
	require.Equal(t, exitUsage, b.run(t, "keys", "create", "--scope", "everything").code)
}

func TestServeRefusesSettingsThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	b := booksAt([]string{"127.0.0.1:1"}, "postgres://nobody@127.0.0.1:1/none") // nothing is dialled
	for flag, words := range map[string]string{
		"--oidc-issuer=https://login.example":     "oidc.audience",
		"--http-cors-origins=https://a.example/x": "no origin",
		"--http-rate=many":                        "whole number",
		"--http-max-connections=0":                "whole number",
		"--http-max-requests=-1":                  "whole number",
		"--http-trusted-proxies=10.0.0.0/8,lan":   "no network",
		"--http-cert-file=/no/such.pem":           "/no/such.pem",
		"--http-addr=127.0.0.1:99999":             "--http-addr",
	} {
		got := b.run(t, "serve", "--http-addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0", flag)
		require.Equal(t, exitUsage, got.code, "%s: %s", flag, got.stderr)
		require.Contains(t, got.stderr, words, flag)
	}
}
