package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

type callerOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         CallerDetails
}

// CallerDetails is what a key is good for.
type CallerDetails struct {
	ID        string     `json:"id" example:"kz3lq7w2a5xgi" doc:"The key's id, or issuer and subject of a token."`
	Ledger    string     `json:"ledger" example:"main" doc:"The one set of books that this key opens."`
	Scopes    []string   `json:"scopes" example:"[\"payments:write\",\"payments:read\"]" doc:"What it may do there."`
	Owners    []string   `json:"owners" example:"[\"acme\"]" doc:"The merchants and sites that it is confined to; none means all of the ledger."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it ends, where it does."`
}

// registerCaller lets a caller see what its key is good for.
func registerCaller(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-caller", Method: http.MethodGet, Path: "/v1/caller", Tags: []string{"Access"}, Security: Needs(),
		Summary:     "What this key is good for",
		Description: "Says which key or token a request is made with, which ledger it opens, and what it may do there. It needs no scope.",
	}, func(ctx context.Context, _ *struct{}) (*callerOutput, error) {
		p := Caller(ctx)
		body := CallerDetails{ID: p.ID, Ledger: p.Ledger, Scopes: make([]string, len(p.Scopes)), Owners: append([]string{}, p.Owners...)}
		for i, scope := range p.Scopes {
			body.Scopes[i] = string(scope)
		}
		if !p.Expires.IsZero() {
			body.ExpiresAt = &p.Expires
		}
		return &callerOutput{CacheControl: "no-store", Body: body}, nil
	})
}
