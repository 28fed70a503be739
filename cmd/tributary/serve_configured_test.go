package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// A gateway as it faces the internet, from a file, the environment and flags: TLS, pages of another origin, tokens of an issuer, a proxy
// before it, and a standby that is read from while the primary is down.
func TestServeAsConfigured(t *testing.T) {
	t.Parallel()
	primary := stacktest.PostgresServer(t)
	b := booksAt(stacktest.Kafka(t), primary.URL())
	b.must(t, "migrate")
	standby := stacktest.Standby(t, primary)
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	writePair(t, certFile, keyFile, 1)
	issuer, token := newIssuer(t)
	file := filepath.Join(folder, "tributary.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
http:
  cert_file: %s
  key_file: %s
  cors_origins: https://shop.example
oidc:
  issuer: %s
  audience: tributary
  ledger: main
  scopes_claim: scope
`, certFile, keyFile, issuer), 0o600))
	b = b.with("TRIBUTARY_POSTGRES_REPLICAS=" + standby.URL())
	b.project(t, "receipts")
	s := b.serve(t, "--config", file, "--http-trusted-proxies", "127.0.0.0/8")
	require.True(t, strings.HasPrefix(s.url, "https://"), s.url)

	shown := int64(0)
	ask := func(method, path, body string, header ...string) reply {
		request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(request)
		require.NoError(t, err)
		shown = response.TLS.PeerCertificates[0].SerialNumber.Int64()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return reply{response.StatusCode, response.Header, string(text)}
	}

	caller := ask(http.MethodGet, "/v1/caller", "")
	require.Equal(t, http.StatusOK, caller.status, caller.body)
	require.Contains(t, caller.body, `"ledger":"main"`)
	require.EqualValues(t, 1, shown)
	require.NotEmpty(t, caller.header.Get("Strict-Transport-Security"))
	writePair(t, certFile, keyFile, 2)
	require.Eventually(t, func() bool { ask(http.MethodGet, "/livez", ""); return shown == 2 }, time.Minute, 50*time.Millisecond)

	preflight := ask(http.MethodOptions, "/v1/payments", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, []any{http.StatusNoContent, "https://shop.example"},
		[]any{preflight.status, preflight.header.Get("Access-Control-Allow-Origin")})
	other := ask(http.MethodGet, "/v1/caller", "", "Origin", "https://elsewhere.example")
	require.Empty(t, other.header.Get("Access-Control-Allow-Origin"))

	guess := func(from string) int {
		return ask(http.MethodGet, "/v1/caller", "", "Authorization", "Bearer trb_no_body", "X-Forwarded-For", from).status
	}
	require.Eventually(t, func() bool { return guess("203.0.113.9") == http.StatusTooManyRequests }, time.Minute, time.Millisecond)
	require.Equal(t, http.StatusUnauthorized, guess("203.0.113.10"), "another caller behind the same proxy")

	line, _, _ := strings.Cut(sample, "\n")
	taken := ask(http.MethodPost, "/v1/events", line, "Content-Type", "application/cloudevents+json")
	require.Equal(t, http.StatusAccepted, taken.status, taken.body)
	var payment reply
	require.Eventually(t, func() bool {
		payment = ask(http.MethodGet, "/v1/payments/pay-1001?after="+taken.header.Get("Tributary-Position"), "")
		return payment.status == http.StatusOK
	}, time.Minute, time.Millisecond)
	require.NoError(t, primary.Kill())
	require.Eventually(t, func() bool {
		return ask(http.MethodGet, "/v1/payments/pay-1001", "").body == payment.body // from the standby
	}, time.Minute, 20*time.Millisecond)
}

// newIssuer is an OpenID Connect issuer, and a token of its.
func newIssuer(t *testing.T) (url, token string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	tell := func(path string, what any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { assert.NoError(t, json.NewEncoder(w).Encode(what)) })
	}
	tell("/.well-known/openid-configuration", map[string]any{
		"issuer": server.URL, "jwks_uri": server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
	})
	tell("/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	require.NoError(t, err)
	token, err = jwt.Signed(signer).Claims(map[string]any{
		"iss": server.URL, "aud": "tributary", "sub": "ana", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
		"scope": "events:write payments:read",
	}).Serialize()
	require.NoError(t, err)
	return server.URL, token
}

// writePair makes a certificate of this number, and its key.
func writePair(t *testing.T, certFile, keyFile string, number int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
