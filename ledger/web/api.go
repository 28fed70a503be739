package web

import (
	"context"
	"net/http"
	"strings"
	"sync"

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
}

const securityScheme = "key"

//nolint:gochecknoglobals // huma knows one way to make errors for a whole process, in a variable of its own
var setErrors = sync.OnceFunc(func() { huma.NewError = newError })

// NewAPI is an API on a mux. An operation says which scope it needs with Needs; then its handler has a Caller.
func NewAPI(mux *http.ServeMux, config APIConfig) huma.API {
	setErrors()
	settings := huma.DefaultConfig("Tributary", config.Version)
	settings.CreateHooks = nil // no $schema in answers
	settings.DocsPath, settings.SchemasPath = "", ""
	settings.RejectUnknownQueryParameters = true
	settings.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		securityScheme: {Type: "http", Scheme: "bearer", Description: "An API key (`tributary keys create`), or a JWT of the configured issuer."},
	}
	api := humago.New(mux, settings)
	api.UseMiddleware(access(api, config.Authenticate))
	return api
}

// Needs is an operation's security: a caller with this scope.
func Needs(scope Scope) []map[string][]string {
	return []map[string][]string{{securityScheme: {string(scope)}}}
}

// access lets a request pass whose caller has the operation's scope.
func access(api huma.API, authenticate Authenticate) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		scopes := scopesOf(ctx.Operation())
		if len(scopes) == 0 {
			next(ctx)
			return
		}
		principal, err := authenticated(ctx, authenticate)
		if err == nil {
			err = principal.needs(scopes)
		}
		if err != nil {
			_ = huma.WriteErr(api, ctx, http.StatusInternalServerError, "who calls cannot be found out", err)
			return
		}
		next(huma.WithContext(ctx, WithPrincipal(ctx.Context(), principal)))
	}
}

func authenticated(ctx huma.Context, authenticate Authenticate) (*Principal, error) {
	scheme, token, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || authenticate == nil {
		p := NewProblem(http.StatusUnauthorized, CodeUnauthenticated, "send a key: Authorization: Bearer <API key>")
		p.headers = http.Header{"Www-Authenticate": {"Bearer"}}
		return nil, p
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
