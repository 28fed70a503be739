package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

const (
	// freshFor is how long what is known of a token is believed: after it, a revoked key is refused.
	freshFor = 2 * time.Second
	// staleFor is how long it is believed while the place where keys are kept cannot be reached: writes need that place for nothing else.
	staleFor = 10 * time.Minute
	// knownTokens bounds how many callers are kept in memory; those beyond are looked up more often.
	knownTokens = 20_000
	// lookupPatience is how long a lookup may take.
	lookupPatience = 3 * time.Second
	retrySoon      = 2 * time.Second
)

// Callers knows who calls by the bearer token, and remembers it for a moment.
type Callers struct {
	// Keys knows API keys: AuthenticateKey.
	keys Authenticate
	// tokens knows all else; nil where nothing else is taken.
	tokens Authenticate
	now    func() time.Time

	// known are callers by SHA-256 of their token: a memory of this process holds no token, and how long a lookup takes tells nothing of it.
	known   *otter.Cache[[sha256.Size]byte, known]
	lookups singleflight.Group
	guesses guesses

	mu   sync.Mutex
	used map[string]struct{} // ids of keys since they were asked for
}

type known struct {
	principal *Principal
	at        time.Time // when it was found out
	asked     time.Time // when it was asked for last, with or without an answer
}

// NewCallers knows callers by API keys and, where tokens is not nil, by other tokens.
func NewCallers(keys, tokens Authenticate, now func() time.Time) *Callers {
	return &Callers{
		keys: keys, tokens: tokens, now: now, used: map[string]struct{}{},
		guesses: guesses{newBuckets()},
		known:   otter.Must(&otter.Options[[sha256.Size]byte, known]{MaximumSize: knownTokens}),
	}
}

// Recall is who calls if that was found out a moment ago: it costs nothing and asks nobody.
func (c *Callers) Recall(token string) (*Principal, bool) {
	was, ok := c.known.GetIfPresent(sha256.Sum256([]byte(token)))
	if now := c.now(); !ok || now.Sub(was.asked) > freshFor || was.principal.expired(now) {
		return nil, false
	}
	return was.principal, true
}

// Authenticate is who calls. An address from which too many wrong tokens come is not listened to for a while, except to callers that are
// known: others behind the same address go on. Errors: a Problem of status 401 or 429, or of 503 where it cannot be found out now.
func (c *Callers) Authenticate(ctx context.Context, token string) (*Principal, error) {
	if principal, ok := c.Recall(token); ok {
		return principal, nil
	}
	address := exchangeOf(ctx).address
	if problem := c.guesses.tooMany(address); problem != nil {
		return nil, problem
	}
	hash := sha256.Sum256([]byte(token))
	found, err, _ := c.lookups.Do(string(hash[:]), func() (any, error) { return c.lookUp(ctx, hash, token) })
	if refused, ok := errors.AsType[*Problem](err); ok && refused.Status == http.StatusUnauthorized {
		c.guesses.failed(address)
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // it is lookUp's
	}
	return found.(*Principal), nil //nolint:forcetypeassert // it is lookUp's
}

// lookUp must not end with the caller who came first: others wait for it.
func (c *Callers) lookUp(ctx context.Context, hash [sha256.Size]byte, token string) (*Principal, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupPatience)
	defer cancel()
	principal, err := c.source(token)(ctx, token)
	now := c.now()
	if err == nil && principal.expired(now) {
		err = unauthenticated("this key or token has expired")
	}
	if err == nil {
		c.known.Set(hash, known{principal, now, now})
		c.use(principal.ID)
		return principal, nil
	}
	if refused, ok := errors.AsType[*Problem](err); ok {
		c.known.Invalidate(hash)
		return nil, refused
	}
	if was, ok := c.known.GetIfPresent(hash); ok && now.Sub(was.at) <= staleFor && !was.principal.expired(now) {
		c.known.Set(hash, known{was.principal, was.at, now})
		return was.principal, nil
	}
	p := NewProblem(http.StatusServiceUnavailable, CodeUnavailable, "who calls cannot be found out now; send it again").After(retrySoon)
	return nil, p.because(err)
}

func (c *Callers) source(token string) Authenticate {
	if c.tokens == nil || strings.HasPrefix(token, KeyPrefix) {
		return c.keys
	}
	return c.tokens
}

func (c *Callers) use(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used[id] = struct{}{}
}

// Used are the ids of those who were let in since it was asked last; it is to be asked now and then.
func (c *Callers) Used() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make([]string, 0, len(c.used))
	for id := range c.used {
		ids = append(ids, id)
	}
	clear(c.used)
	return ids
}
