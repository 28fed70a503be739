package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Gate stands before an API: what is true of every request, whatever its route, is done here.
//
//	request ──▶ named ──▶ measured, logged ──▶ CORS ──▶ readable? ──▶ a route? ──▶ mux
//	                                                       └── 400         └── 404, 405
type Gate struct {
	Mux *http.ServeMux
	// Logger is told of every write, with who made it and where the log has it, and of what broke.
	Logger *slog.Logger
	// Metrics get tributary_http_request_seconds; nil means nobody counts.
	Metrics prometheus.Registerer
	// Origins are those whose scripts may call the API from a browser, such as https://shop.example; * is any.
	Origins []string
	// Proxies are those whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// Secure is whether callers come over TLS, and should never come otherwise.
	Secure bool
}

// exchange is what is found out about a request on its way, for those who stand before the handler.
type exchange struct {
	id        string
	address   string // whom unknown callers are counted by
	principal *Principal
	err       error // what broke inside
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// Handler is the API behind its gate.
func (g Gate) Handler() http.Handler {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tributary_http_request_seconds", Help: "How long requests to the HTTP API took.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})
	if g.Metrics != nil {
		g.Metrics.MustRegister(seconds)
	}
	if g.Logger == nil {
		g.Logger = slog.New(slog.DiscardHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		x := &exchange{id: requestID(r), address: g.address(r)}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		answer := &answering{ResponseWriter: w}
		g.headers(answer.Header(), x)
		g.guarded(answer, r, x)
		took := time.Since(began)
		seconds.WithLabelValues(routeOf(r), methodOf(r), strconv.Itoa(answer.status())).Observe(took.Seconds())
		g.log(r, x, answer, took)
	})
}

// guarded answers, also where a handler panics.
func (g Gate) guarded(w *answering, r *http.Request, x *exchange) {
	defer func() {
		bug := recover()
		if bug == nil {
			return
		}
		if bug == http.ErrAbortHandler { //nolint:errorlint,err113 // it is a value to compare with, by its documentation
			panic(bug)
		}
		x.err = fmt.Errorf("panic: %v\n%s", bug, debug.Stack())
		if w.code != 0 {
			panic(http.ErrAbortHandler) // half an answer must not look like one
		}
		answerProblem(w, NewProblem(http.StatusInternalServerError, CodeInternal, "this is our bug; its trace is "+x.id))
	}()
	if g.crossOrigin(w, r) {
		return
	}
	if problem := unreadable(r.URL); problem != nil {
		answerProblem(w, problem)
		return
	}
	handler, pattern := g.Mux.Handler(r)
	if pattern == "" {
		answerProblem(w, noRoute(handler, r))
		return
	}
	g.Mux.ServeHTTP(w, r)
}

// headers are on every answer. What may be kept the handlers say.
func (g Gate) headers(h http.Header, x *exchange) {
	h.Set("X-Request-ID", x.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if g.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// crossOrigin answers browsers that ask whether a page of another origin may call, and tells them with every answer that it may.
func (g Gate) crossOrigin(w http.ResponseWriter, r *http.Request) (answered bool) {
	if len(g.Origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(g.Origins, origin) && !slices.Contains(g.Origins, "*") {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Tributary-Position, ETag, Link, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "*, Authorization") // the star stands for all but that one
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// unreadable is what is wrong with an address whose texts no store could hold, or that means another one: nothing here has two names.
func unreadable(u *url.URL) *Problem {
	query, err := url.QueryUnescape(u.RawQuery)
	if err == nil {
		_, err = url.ParseQuery(u.RawQuery)
	}
	if err != nil || !utf8.ValidString(u.Path+query) || strings.ContainsRune(u.Path+query, 0) {
		return NewProblem(http.StatusBadRequest, CodeBadRequest,
			"the address holds what is no text: want UTF-8 without NUL, escaped where it has to be")
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(u.EscapedPath(), "/"), "/") {
		if segment == "." || segment == ".." || segment == "" && u.Path != "/" {
			return notFound()
		}
	}
	return nil
}

func notFound() *Problem {
	return NewProblem(http.StatusNotFound, CodeNotFound, "there is nothing here; /docs has what there is")
}

// noRoute is the problem that the mux would tell in plain text.
func noRoute(handler http.Handler, r *http.Request) *Problem {
	said := &answering{ResponseWriter: discard{http.Header{}}}
	handler.ServeHTTP(said, r)
	if said.status() != http.StatusMethodNotAllowed {
		return notFound()
	}
	allowed := said.Header().Get("Allow")
	p := NewProblem(http.StatusMethodNotAllowed, CodeNotAllowed, "this address takes "+allowed+" alone")
	p.headers = http.Header{"Allow": {allowed}}
	return p
}

// discard keeps headers alone.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// answerProblem is for those who have no API at hand.
func answerProblem(w http.ResponseWriter, p *Problem) {
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte("{}") // it cannot be: a problem is made of texts and numbers
	}
	maps.Copy(w.Header(), p.headers)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // whoever asked is gone
}

// answering is an answer whose status is known afterwards.
type answering struct {
	http.ResponseWriter

	code int
}

// Unwrap is for http.ResponseController.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader notes the first status that is final.
func (a *answering) WriteHeader(code int) {
	if a.code == 0 && code >= http.StatusOK {
		a.code = code
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write see http.ResponseWriter.
func (a *answering) Write(b []byte) (int, error) {
	if a.code == 0 {
		a.code = http.StatusOK
	}
	return a.ResponseWriter.Write(b) //nolint:wrapcheck // it stands in for that writer
}

func (a *answering) status() int {
	if a.code == 0 {
		return http.StatusOK
	}
	return a.code
}

const maxRequestID = 64

// requestID is the caller's own name for the request, where it is one, or else ours.
func requestID(r *http.Request) string {
	given := r.Header.Get("X-Request-ID")
	plain := given != "" && len(given) <= maxRequestID && !strings.ContainsFunc(given, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	})
	if plain {
		return given
	}
	return rand.Text()
}

// routeOf is a bounded set of names: what a caller made up is no label.
func routeOf(r *http.Request) string {
	if _, path, ok := strings.Cut(r.Pattern, " "); ok {
		return path
	}
	return "none"
}

func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// log keeps the record of who wrote what: each write of a known caller, with what it was answered. Neither queries nor bodies nor keys
// are in it: they hold what is nobody else's.
func (g Gate) log(r *http.Request, x *exchange, answer *answering, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("request_id", x.id), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("route", routeOf(r)),
		slog.Int("status", answer.status()), slog.Float64("seconds", took.Seconds()), slog.String("remote", r.RemoteAddr),
	}
	if g.trusts(peerOf(r)) {
		attrs = append(attrs, slog.String("caller", x.address))
	}
	if x.principal != nil {
		attrs = append(attrs, slog.String("key", x.principal.ID), slog.String("ledger", x.principal.Ledger))
	}
	if at := answer.Header().Get("Tributary-Position"); at != "" {
		attrs = append(attrs, slog.String("position", at))
	}
	if x.err != nil {
		attrs = append(attrs, slog.Any("err", x.err))
	}
	write := r.Method != http.MethodGet && r.Method != http.MethodHead
	switch {
	case answer.status() == http.StatusInternalServerError:
		g.Logger.LogAttrs(r.Context(), slog.LevelError, "request failed", attrs...)
	case write && x.principal != nil:
		g.Logger.LogAttrs(r.Context(), slog.LevelInfo, "write", attrs...)
	default:
		g.Logger.LogAttrs(r.Context(), slog.LevelDebug, "request", attrs...)
	}
}
