package web_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/web"
)

// issuer is an OpenID Connect issuer on loopback, with keys that can be rotated.
type issuer struct {
	*httptest.Server

	mu   sync.Mutex
	keys jose.JSONWebKeySet
	down bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}))
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		assert.NoError(t, json.NewEncoder(w).Encode(i.keys))
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// rotate replaces the published key, and returns a signer with the new one.
func (i *issuer) rotate(t *testing.T, id string) jose.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Algorithm: "RS256", Use: "sig"}}}
	return signer(t, jose.RS256, jose.JSONWebKey{Key: key, KeyID: id})
}

func (i *issuer) setDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func signer(t *testing.T, algorithm jose.SignatureAlgorithm, key any) jose.Signer {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	require.NoError(t, err)
	return s
}

func TestTokensOfAnIssuerAreTaken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	first := i.rotate(t, "first")
	now := time.Now()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	authenticate := web.AuthenticateOIDC(web.OIDC{
		Issuer: i.URL, Audience: "tributary", LedgerClaim: "books", ScopesClaim: "scope", OwnersClaim: "shops",
		Client: client, Now: func() time.Time { return now },
	})
	claims := func(changes map[string]any) map[string]any {
		all := map[string]any{
			"iss": i.URL, "aud": []string{"other", "tributary"}, "sub": "ana", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(),
			"books": "main", "scope": "openid payments:write receipts:read", "shops": []string{"acme"},
		}
		maps.Copy(all, changes)
		return all
	}
	sign := func(with jose.Signer, changes map[string]any) string {
		text, err := jwt.Signed(with).Claims(claims(changes)).Serialize()
		require.NoError(t, err)
		return text
	}
	status := func(token string) int {
		_, err := authenticate(t.Context(), token)
		problem, ok := errors.AsType[*web.Problem](err)
		require.True(t, ok, "%v", err)
		return problem.Status
	}

	caller, err := authenticate(t.Context(), sign(first, nil))
	require.NoError(t, err)
	require.Equal(t, &web.Principal{
		ID: i.URL + "#ana", Ledger: "main", Scopes: []web.Scope{web.ScopePaymentsWrite, web.ScopeReceiptsRead},
		Owners: []string{"acme"}, Expires: time.Unix(now.Add(time.Hour).Unix(), 0),
	}, caller)

	for name, changes := range map[string]map[string]any{
		"expired":    {"exp": now.Add(-time.Minute).Unix()},
		"not yet":    {"nbf": now.Add(time.Hour).Unix()},
		"for others": {"aud": "shop"},
		"of others":  {"iss": "https://evil.example"},
		"of nobody":  {"sub": ""},
	} {
		require.Equal(t, http.StatusUnauthorized, status(sign(first, changes)), name)
	}
	for _, changes := range []map[string]any{{"books": "../main"}, {"books": nil}, {"shops": []string{}}, {"shops": nil}} {
		require.Equal(t, http.StatusForbidden, status(sign(first, changes)), changes)
	}

	body, err := json.Marshal(claims(nil))
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	require.Equal(t, http.StatusUnauthorized, status(encode([]byte(`{"alg":"none","typ":"JWT"}`))+"."+encode(body)+"."), "unsigned")
	public, err := json.Marshal(i.keys.Keys[0])
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status(sign(signer(t, jose.HS256, public), nil)), "the public key as a secret")
	require.Equal(t, http.StatusUnauthorized, status("a.b.c"))
	require.Equal(t, http.StatusUnauthorized, status("trust me"))

	second := i.rotate(t, "second")
	_, err = authenticate(t.Context(), sign(second, nil))
	require.NoError(t, err, "a new key is asked for")
	require.Eventually(t, func() bool { // it is forgotten just after the new one is there
		_, err := authenticate(t.Context(), sign(first, nil))
		return err != nil
	}, time.Minute, time.Millisecond, "the old one is gone")

	third := i.rotate(t, "third")
	i.setDown(true)
	_, err = authenticate(t.Context(), sign(third, nil))
	require.Error(t, err)
	_, refused := errors.AsType[*web.Problem](err)
	require.False(t, refused, "nothing can be said of it now: %v", err)
	_, err = authenticate(t.Context(), sign(second, nil))
	require.NoError(t, err, "known keys need no issuer")
}
