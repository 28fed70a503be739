package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Authenticate finds out who calls by the bearer token of the request: an API key, or a JWT. A token that is nobody's is a
// *Problem of status 401.
type Authenticate func(ctx context.Context, token string) (*Principal, error)

// APIConfig is what an API needs of its process.
type APIConfig struct {
	Version      string
	Authenticate Authenticate
	// MaxRequests bounds how many are under way of callers that are known; 0 bounds none. Past it a request is refused at once.
	MaxRequests int
	// RequestsPerSecond bounds each caller at this process, unless its key says otherwise; 0 bounds nobody.
	RequestsPerSecond int
}

const securityScheme = "key"

//nolint:gochecknoglobals // huma knows one way to make errors for a whole process, in a variable of its own
var setErrors = sync.OnceFunc(func() {
	huma.NewError = newError
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		if err := errors.Join(errs...); err != nil && status >= http.StatusInternalServerError {
			exchangeOf(ctx.Context()).err = err // for the log
		}
		return newError(status, message, errs...)
	}
})

// NewAPI is an API on a mux. An operation says which scope it needs with Needs; then its handler has a Caller.
func NewAPI(mux *http.ServeMux, config APIConfig) huma.API {
	setErrors()
	settings := huma.DefaultConfig("Tributary", config.Version)
	settings.CreateHooks = nil // no $schema in answers
	settings.DocsPath, settings.SchemasPath, settings.OpenAPIPath = "", "", ""
	settings.Info.Description = "Payments, receivers, monetization, balances, receipts and revenue of an event-sourced ledger. " +
		"Each error has a code; /docs/errors explains them."
	settings.RejectUnknownQueryParameters = true
	settings.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		securityScheme: {Type: "http", Scheme: "bearer", Description: "An API key (`tributary keys create`), or a JWT of the configured issuer."},
	}
	api := humago.New(mux, settings)
	api.OpenAPI().OnAddOperation = append(api.OpenAPI().OnAddOperation, describe)
	api.UseMiddleware(access(api, config))
	serveDocument(mux, api)
	registerCaller(api)
	return api
}

// Needs is an operation's security: a caller with these scopes; without any, just a caller.
func Needs(scopes ...Scope) []map[string][]string {
	names := make([]string, len(scopes))
	for i, scope := range scopes {
		names[i] = string(scope)
	}
	return []map[string][]string{{securityScheme: names}}
}

// access lets a request pass whose caller has the operation's scope.
func access(api huma.API, config APIConfig) func(huma.Context, func(huma.Context)) {
	limits, places := newBuckets(), make(places, config.MaxRequests)
	return func(ctx huma.Context, next func(huma.Context)) {
		if len(ctx.Operation().Security) == 0 {
			next(ctx)
			return
		}
		principal, err := authenticated(ctx, config.Authenticate)
		if err == nil {
			exchangeOf(ctx.Context()).principal = principal
			if problem := limits.limited(ctx, principal, config.RequestsPerSecond); problem != nil {
				Refuse(api, ctx, problem)
				return
			}
			err = principal.needs(scopesOf(ctx.Operation()))
		}
		if err != nil {
			Refuse(api, ctx, err)
			return
		}
		if !places.take() {
			Refuse(api, ctx, NewProblem(http.StatusServiceUnavailable, CodeUnavailable,
				"this gateway has as many requests under way as it takes; send it again").After(time.Second))
			return
		}
		defer places.leave()
		next(huma.WithContext(ctx, WithPrincipal(ctx.Context(), principal)))
	}
}

// Refuse answers with a problem and its headers.
func Refuse(api huma.API, ctx huma.Context, err error) {
	problem := newError(http.StatusInternalServerError, "who calls cannot be found out", err)
	if with, ok := problem.(huma.HeadersError); ok {
		for name, values := range with.GetHeaders() {
			for _, value := range values {
				ctx.SetHeader(name, value)
			}
		}
	}
	_ = huma.WriteErr(api, ctx, http.StatusInternalServerError, "", problem) // whoever asked is gone
}

func authenticated(ctx huma.Context, authenticate Authenticate) (*Principal, error) {
	scheme, token, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || authenticate == nil {
		return nil, unauthenticated("send a key: Authorization: Bearer <API key>")
	}
	return authenticate(ctx.Context(), strings.TrimSpace(token))
}

func (p *Principal) needs(scopes []string) error {
	for _, scope := range scopes {
		if !p.May(Scope(scope)) {
			return NewProblem(http.StatusForbidden, CodeForbidden, "this key lacks the scope "+scope)
		}
	}
	return nil
}

func scopesOf(op *huma.Operation) []string {
	var scopes []string
	for _, one := range op.Security {
		scopes = append(scopes, one[securityScheme]...)
	}
	return scopes
}
