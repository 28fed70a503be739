package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/tributary-ledger/tributary/ledger"
)

// OIDC says which JWTs are taken, and what of their claims means what here.
type OIDC struct {
	// Issuer is the URL that tokens name and below which its keys are found (/.well-known/openid-configuration).
	Issuer string
	// Audience is what tokens must be meant for.
	Audience string
	// Ledger is the books of every token; where it is empty, LedgerClaim is the claim that says it.
	Ledger, LedgerClaim string
	// ScopesClaim is a text of words, or a list; those that are no scopes of ours mean nothing here.
	ScopesClaim string
	// OwnersClaim, where it is named, must be there, and holds the merchants and sites that the token is confined to.
	OwnersClaim string
	// Client fetches the issuer's keys.
	Client *http.Client
	Now    func() time.Time
}

// AuthenticateOIDC knows callers by JWTs of one issuer. It asks the issuer for its keys when the first token comes, and again when one
// is signed with a key that is new.
func AuthenticateOIDC(config OIDC) Authenticate {
	o := &oidcCallers{OIDC: config}
	return o.authenticate
}

type oidcCallers struct {
	OIDC

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
}

// errIssuerAway means that nothing can be said of a token now.
var errIssuerAway = errors.New("the issuer's keys cannot be had")

func (o *oidcCallers) authenticate(ctx context.Context, token string) (*Principal, error) {
	if strings.Count(token, ".") != 2 { // header, claims, signature: all else needs no issuer to be refused
		return nil, unauthenticated("this is neither an API key (trb_…) nor a JWT")
	}
	verifier, err := o.discovered(ctx)
	if err != nil {
		return nil, err
	}
	keys := &watchedKeys{}
	verified, err := verifier.Verify(context.WithValue(ctx, watchedKeysKey{}, keys), token)
	switch {
	case keys.away != nil:
		return nil, fmt.Errorf("%w: %w", errIssuerAway, keys.away)
	case err != nil:
		return nil, unauthenticated("the token is refused: " + strings.TrimPrefix(err.Error(), "oidc: "))
	}
	return o.principal(verified)
}

// discovered asks the issuer where its keys are, until it has said so once.
func (o *oidcCallers) discovered(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verifier != nil {
		return o.verifier, nil
	}
	ctx = oidc.ClientContext(ctx, o.Client)
	provider, err := oidc.NewProvider(ctx, o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIssuerAway, err)
	}
	var said struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&said); err != nil {
		return nil, fmt.Errorf("%w: %w", errIssuerAway, err)
	}
	keys := oidc.NewRemoteKeySet(context.WithoutCancel(ctx), said.Keys)
	o.verifier = oidc.NewVerifier(o.Issuer, fetched{keys}, &oidc.Config{
		ClientID: o.Audience, Now: o.Now,
		// Never a symmetric one, with which the issuer's public key would be the secret, and never none.
		SupportedSigningAlgs: []string{
			oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
		},
	})
	return o.verifier, nil
}

// fetched tells a signature that is wrong from keys that could not be fetched, which the verifier's own error does not.
type fetched struct{ *oidc.RemoteKeySet }

type watchedKeysKey struct{}

type watchedKeys struct{ away error }

// VerifySignature see oidc.KeySet.
func (f fetched) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := f.RemoteKeySet.VerifySignature(ctx, token)
	if err != nil && strings.HasPrefix(err.Error(), "fetching keys") {
		if watched, ok := ctx.Value(watchedKeysKey{}).(*watchedKeys); ok {
			watched.away = err
		}
	}
	return payload, err //nolint:wrapcheck // it stands in for that key set
}

// principal is who a good token speaks for.
func (o *oidcCallers) principal(token *oidc.IDToken) (*Principal, error) {
	claims := map[string]json.RawMessage{}
	if err := token.Claims(&claims); err != nil {
		return nil, unauthenticated("the token's claims are no JSON object")
	}
	p := &Principal{ID: token.Issuer + "#" + token.Subject, Ledger: o.Ledger, Expires: token.Expiry}
	if token.Subject == "" {
		return nil, unauthenticated("the token names no subject (sub)")
	}
	if p.Ledger == "" {
		if json.Unmarshal(claims[o.LedgerClaim], &p.Ledger) != nil || !ledger.IsLedger(p.Ledger) {
			return nil, NewProblem(http.StatusForbidden, CodeForbidden, "the token's claim "+o.LedgerClaim+" names no ledger")
		}
	}
	for _, word := range wordsOf(claims[o.ScopesClaim]) {
		if scope := Scope(word); slices.Contains(Scopes(), scope) {
			p.Scopes = append(p.Scopes, scope)
		}
	}
	if o.OwnersClaim != "" {
		if p.Owners = wordsOf(claims[o.OwnersClaim]); len(p.Owners) == 0 {
			return nil, NewProblem(http.StatusForbidden, CodeForbidden, "the token's claim "+o.OwnersClaim+" names no merchant or site")
		}
	}
	return p, nil
}

// wordsOf is a claim that is a list of texts, or a text of words between spaces.
func wordsOf(claim json.RawMessage) []string {
	var list []string
	if json.Unmarshal(claim, &list) == nil {
		return list
	}
	var text string
	if json.Unmarshal(claim, &text) == nil {
		return strings.Fields(text)
	}
	return nil
}
