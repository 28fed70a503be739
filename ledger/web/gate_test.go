package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/web"
)

// gated is a small API behind its gate: GET /v1/things/{id} fails as id says, POST /v1/things writes.
type gated struct {
	handler  http.Handler
	log      *bytes.Buffer
	registry *prometheus.Registry
}

type thingInput struct {
	ID string `path:"id" maxLength:"40"`
}

type thing struct {
	Name  string `json:"name" minLength:"1"`
	Price int    `json:"price,omitempty" minimum:"1"`
}

type thingOutput struct {
	Position string `header:"Tributary-Position"`
	Body     thing
}

func newGated(authenticate web.Authenticate, perSecond int, origins ...string) gated {
	g := gated{log: &bytes.Buffer{}, registry: prometheus.NewRegistry()}
	mux := http.NewServeMux()
	api := web.NewAPI(mux, web.APIConfig{Version: "1", Authenticate: authenticate, RequestsPerSecond: perSecond})
	huma.Register(api, huma.Operation{
		OperationID: "get-thing", Method: http.MethodGet, Path: "/v1/things/{id}", Security: web.Needs(web.ScopeReceiptsRead),
	}, func(_ context.Context, input *thingInput) (*thingOutput, error) {
		switch input.ID {
		case "panic":
			panic("secret-of-the-panic")
		case "error":
			return nil, errors.New("secret-of-the-error")
		case "absent":
			return nil, web.NewProblem(http.StatusNotFound, web.CodeNotFound, "no such thing")
		}
		return &thingOutput{Body: thing{Name: input.ID}}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "make-thing", Method: http.MethodPost, Path: "/v1/things", Security: web.Needs(web.ScopePaymentsWrite), MaxBodyBytes: 1000,
	}, func(_ context.Context, input *struct{ Body thing }) (*thingOutput, error) {
		return &thingOutput{Position: "payments/3@1042", Body: input.Body}, nil
	})
	logger := slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g.handler = web.Gate{Mux: mux, Logger: logger, Metrics: g.registry, Origins: origins, Secure: true}.Handler()
	return g
}

// reader lets everybody in who says "good".
func reader(_ context.Context, token string) (*web.Principal, error) {
	if token != "good" {
		return nil, web.NewProblem(http.StatusUnauthorized, web.CodeUnauthenticated, "no")
	}
	return &web.Principal{ID: "key1", Ledger: "main", Scopes: []web.Scope{web.ScopeReceiptsRead, web.ScopePaymentsWrite}}, nil
}

func (g gated) do(t *testing.T, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer good")
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	g.handler.ServeHTTP(recorder, request)
	return recorder
}

func problemIn(t *testing.T, recorder *httptest.ResponseRecorder, status int) web.Problem {
	t.Helper()
	require.Equal(t, status, recorder.Code, recorder.Body)
	require.Equal(t, "application/problem+json", recorder.Header().Get("Content-Type"))
	var problem web.Problem
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &problem), recorder.Body)
	require.Equal(t, status, problem.Status)
	require.Equal(t, "/docs/errors#"+problem.Code, problem.Type)
	require.NotEmpty(t, problem.Detail)
	return problem
}

func TestWhateverIsWrongIsAProblem(t *testing.T) {
	t.Parallel()
	g := newGated(reader, 0)
	require.Equal(t, "not_found", problemIn(t, g.do(t, http.MethodGet, "/v1/nothing", ""), 404).Code)
	wrongMethod := g.do(t, http.MethodDelete, "/v1/things/1", "")
	require.Equal(t, "method_not_allowed", problemIn(t, wrongMethod, 405).Code)
	require.Equal(t, "GET, HEAD", wrongMethod.Header().Get("Allow"))
	for _, path := range []string{"/v1//things", "/v1/things/../things/1", "/v1/things/1/", "/v1/./things", "//v1/things/1"} {
		problemIn(t, g.do(t, http.MethodGet, path, ""), 404)
	}
	for _, path := range []string{
		"/v1/things/a%00b", "/v1/things/%ff", "/v1/things/1?x=%00", "/v1/things/1?x=%C3%28", "/v1/things/1?x=%zz", "/v1/things/1?a;b",
	} {
		require.Equal(t, "bad_request", problemIn(t, g.do(t, http.MethodGet, path, ""), 400).Code, path)
	}
	require.Equal(t, "bad_request", problemIn(t, g.do(t, http.MethodPost, "/v1/things", "{"), 400).Code)
	long := g.do(t, http.MethodPost, "/v1/things", `{"name":"`+strings.Repeat("x", 1000)+`"}`)
	require.Equal(t, "body_too_large", problemIn(t, long, 413).Code)
	require.Equal(t, "unsupported_media_type",
		problemIn(t, g.do(t, http.MethodPost, "/v1/things", "<a/>", "Content-Type", "text/xml"), 415).Code)
	invalid := problemIn(t, g.do(t, http.MethodPost, "/v1/things", `{"name":"","price":0,"more":1}`), 422)
	require.Equal(t, "invalid", invalid.Code)
	require.Len(t, invalid.Errors, 3)
	require.Contains(t, []string{"body.name", "body.price", "body.more"}, invalid.Path)
	require.Equal(t, "forbidden", problemIn(t, newGated(func(context.Context, string) (*web.Principal, error) {
		return &web.Principal{}, nil
	}, 0).do(t, http.MethodGet, "/v1/things/1", ""), 403).Code)
	nobody := g.do(t, http.MethodGet, "/v1/things/1", "", "Authorization", "Basic Z29vZA==")
	require.Equal(t, "unauthenticated", problemIn(t, nobody, 401).Code)
	require.NotEmpty(t, nobody.Header().Get("WWW-Authenticate"))
}

func TestABugIsLoggedAndNotTold(t *testing.T) {
	t.Parallel()
	g := newGated(reader, 0)
	for _, id := range []string{"panic", "error"} {
		g.log.Reset()
		recorder := g.do(t, http.MethodGet, "/v1/things/"+id, "", "X-Request-Id", "trace-1")
		require.Equal(t, "internal", problemIn(t, recorder, 500).Code)
		require.NotContains(t, recorder.Body.String(), "secret")
		require.Equal(t, "trace-1", recorder.Header().Get("X-Request-ID"))
		require.Contains(t, g.log.String(), "secret-of-the-"+id)
		require.Contains(t, g.log.String(), `"request_id":"trace-1"`)
		require.Contains(t, g.log.String(), `"level":"ERROR"`)
	}
}

func TestEveryWriteIsOnRecord(t *testing.T) {
	t.Parallel()
	g := newGated(reader, 0)
	require.Equal(t, http.StatusOK, g.do(t, http.MethodPost, "/v1/things", `{"name":"secret body"}`).Code)
	var entry map[string]any
	require.NoError(t, json.Unmarshal(g.log.Bytes(), &entry), g.log)
	for name, want := range map[string]any{
		"msg": "write", "level": "INFO", "method": "POST", "path": "/v1/things", "route": "/v1/things", "status": 200.0,
		"key": "key1", "ledger": "main", "position": "payments/3@1042",
	} {
		require.Equal(t, want, entry[name], name)
	}
	g.do(t, http.MethodGet, "/v1/things/7?secret=query", "")
	require.NotContains(t, g.log.String(), "secret")
	require.NotContains(t, g.log.String(), "good")
	g.do(t, "BREW", "/v1/pots/"+strings.Repeat("x", 100), "")
	families, err := g.registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, 3, testutil.CollectAndCount(g.registry, "tributary_http_request_seconds"), "what a caller makes up is no label")
}

func TestAnswersCarryWhatBrowsersHeed(t *testing.T) {
	t.Parallel()
	g := newGated(reader, 0, "https://shop.example")
	h := g.do(t, http.MethodGet, "/v1/things/1", "", "Origin", "https://shop.example").Header()
	require.Equal(t, "https://shop.example", h.Get("Access-Control-Allow-Origin"))
	require.Contains(t, h.Get("Access-Control-Expose-Headers"), "Tributary-Position")
	require.Equal(t, "Origin", h.Get("Vary"))
	require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
	require.NotEmpty(t, h.Get("Strict-Transport-Security"))
	require.Equal(t, "no-store", h.Get("Cache-Control"))
	require.NotEmpty(t, h.Get("X-Request-ID"))
	forged := g.do(t, http.MethodGet, "/v1/things/1", "", "X-Request-Id", "a\nb", "Origin", "https://evil.example").Header()
	require.NotContains(t, forged.Get("X-Request-ID"), "\n")
	require.Empty(t, forged.Get("Access-Control-Allow-Origin"))

	preflight := g.do(t, http.MethodOptions, "/v1/things", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST",
		"Authorization", "")
	require.Equal(t, http.StatusNoContent, preflight.Code)
	require.Contains(t, preflight.Header().Get("Access-Control-Allow-Headers"), "Authorization")
	require.Equal(t, "GET, POST", preflight.Header().Get("Access-Control-Allow-Methods"))
	refused := newGated(reader, 0).do(t, http.MethodOptions, "/v1/things", "",
		"Access-Control-Request-Method", "POST", "Origin", "https://a.example")
	problemIn(t, refused, 405)
}

func TestAKeyHasARate(t *testing.T) {
	t.Parallel()
	g := newGated(reader, 3)
	var last *httptest.ResponseRecorder
	allowed := 0
	for range 10 { // far quicker than three a second
		last = g.do(t, http.MethodGet, "/v1/things/1", "")
		if last.Code == http.StatusOK {
			allowed++
		}
	}
	require.GreaterOrEqual(t, allowed, 3)
	require.Equal(t, `"key";q=3;w=1`, last.Header().Get("Ratelimit-Policy"))
	require.Contains(t, last.Header().Get("Ratelimit"), `"key";r=`)
	if last.Code != http.StatusOK { // a machine that takes seconds for ten calls has let all in
		require.Equal(t, "rate_limited", problemIn(t, last, 429).Code)
		require.Equal(t, "1", last.Header().Get("Retry-After"))
	}
}

func TestGuessesAreLimitedAndDoNotShutOutWhoIsKnown(t *testing.T) {
	t.Parallel()
	looked := 0
	find := func(_ context.Context, _ string) (*web.Key, error) { looked++; return nil, web.ErrNoKey }
	id, text, hash := web.NewKey()
	now := time.Now()
	callers := web.NewCallers(web.AuthenticateKey(func(ctx context.Context, asked string) (*web.Key, error) {
		if asked != id {
			return find(ctx, asked)
		}
		return &web.Key{Principal: web.Principal{ID: id, Scopes: web.Scopes()}, Hash: hash}, nil
	}), nil, func() time.Time { return now })
	g := newGated(callers.Authenticate, 0)
	require.Equal(t, http.StatusOK, g.do(t, http.MethodGet, "/v1/things/1", "", "Authorization", "Bearer "+text).Code)
	limited := 0
	for range 200 {
		_, guess, _ := web.NewKey()
		recorder := g.do(t, http.MethodGet, "/v1/things/1", "", "Authorization", "Bearer "+guess)
		if recorder.Code == http.StatusTooManyRequests {
			require.NotEmpty(t, recorder.Header().Get("Retry-After"))
			limited++
		}
	}
	require.Positive(t, limited)
	require.Equal(t, 200, looked+limited, "what is limited costs no lookup")
	require.Equal(t, http.StatusOK, g.do(t, http.MethodGet, "/v1/things/1", "", "Authorization", "Bearer "+text).Code)
	require.Equal(t, []string{id}, callers.Used())
	require.Empty(t, callers.Used())
}

func TestKnownCallersOutliveTheirStore(t *testing.T) {
	t.Parallel()
	id, text, hash := web.NewKey()
	now := time.Now()
	var away error
	key := &web.Key{Principal: web.Principal{ID: id, Expires: now.Add(time.Hour)}, Hash: hash}
	callers := web.NewCallers(web.AuthenticateKey(func(context.Context, string) (*web.Key, error) { return key, away }), nil,
		func() time.Time { return now })
	authenticate := func() int {
		_, err := callers.Authenticate(t.Context(), text)
		if problem, ok := errors.AsType[*web.Problem](err); ok {
			return problem.Status
		}
		require.NoError(t, err)
		return http.StatusOK
	}
	require.Equal(t, http.StatusOK, authenticate())
	away = errors.New("no route to host")
	now = now.Add(5 * time.Minute)
	require.Equal(t, http.StatusOK, authenticate(), "writes need the store for nothing else")
	now = now.Add(6 * time.Minute)
	require.Equal(t, http.StatusServiceUnavailable, authenticate(), "but not for ever")
	away = nil
	require.Equal(t, http.StatusOK, authenticate())
	key.Revoked = true
	require.Equal(t, http.StatusOK, authenticate(), "believed for two seconds")
	now = now.Add(3 * time.Second)
	require.Equal(t, http.StatusUnauthorized, authenticate())
	key.Revoked = false
	require.Equal(t, http.StatusOK, authenticate())
	now = now.Add(time.Hour)
	require.Equal(t, http.StatusUnauthorized, authenticate(), "expired")
}
