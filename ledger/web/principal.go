package web

import (
	"context"
	"slices"
	"time"
)

// Scope is what a caller may do.
type Scope string

// The scopes.
const (
	ScopeEventsWrite       Scope = "events:write"
	ScopePaymentsWrite     Scope = "payments:write"
	ScopePaymentsRead      Scope = "payments:read"
	ScopeReceiptsRead      Scope = "receipts:read"
	ScopeReceiversWrite    Scope = "receivers:write"
	ScopeReceiversRead     Scope = "receivers:read"
	ScopeMonetizationWrite Scope = "monetization:write"
	ScopeBalancesRead      Scope = "balances:read"
	ScopeRevenueRead       Scope = "revenue:read"
	ScopeQuarantineRead    Scope = "quarantine:read"
)

// Scopes are all scopes.
func Scopes() []Scope {
	return []Scope{
		ScopeEventsWrite, ScopePaymentsWrite, ScopePaymentsRead, ScopeReceiptsRead, ScopeReceiversWrite, ScopeReceiversRead,
		ScopeMonetizationWrite, ScopeBalancesRead, ScopeRevenueRead, ScopeQuarantineRead,
	}
}

// Principal is who calls, and what of which books is theirs.
type Principal struct {
	// ID names the caller for ever: an API key's id, or issuer and subject of a token. It is part of derived event ids.
	ID string
	// Ledger is the one set of books that the caller knows of.
	Ledger string
	// Scopes are what the caller may do there.
	Scopes []Scope
	// Owners are the merchants and sites that the caller is confined to; none means all of the ledger.
	Owners []string
	// Expires is when the caller is let in no more; zero means never.
	Expires time.Time
	// RequestsPerSecond bounds the caller's use of this process; 0 means as for all.
	RequestsPerSecond int
}

// May tells whether the caller has a scope.
func (p *Principal) May(scope Scope) bool { return slices.Contains(p.Scopes, scope) }

// Owns tells whether a merchant or site is the caller's to see and write for.
func (p *Principal) Owns(owner string) bool {
	return len(p.Owners) == 0 || slices.Contains(p.Owners, owner)
}

type principalKey struct{}

// WithPrincipal is the context of a request whose caller is known.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// Caller is who calls. Behind NewAPI there always is one, for operations that name a scope; without, it may do nothing.
func Caller(ctx context.Context) *Principal {
	if p, ok := ctx.Value(principalKey{}).(*Principal); ok {
		return p
	}
	return &Principal{}
}
