package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// KeyPrefix begins every API key, so that whoever finds one, or scans for it, knows what it is.
const KeyPrefix = "trb_"

const (
	keyIDBytes     = 8  // many enough that none comes twice
	keySecretBytes = 32 // 256 bits: nobody guesses it, so a fast hash keeps it as well as a slow one would
)

// Key is what is kept of an API key.
type Key struct {
	Principal

	// Hash is SHA-256 of the secret. A slow hash (bcrypt, argon2) protects what people choose, because that can be guessed; it would
	// cost each request a quarter of a second, or let anybody cost us that.
	Hash    []byte
	Revoked bool
}

// FindKey is a key by its id; ErrNoKey where there is none. Any other error means that it cannot be known now.
type FindKey func(ctx context.Context, id string) (*Key, error)

// ErrNoKey says that no key has an id.
var ErrNoKey = errors.New("there is no such key")

// NewKey makes up an API key, trb_<id>_<secret>: its id and hash are kept, its text is shown once.
func NewKey() (id, text string, hash []byte) {
	encoding := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	random := make([]byte, keyIDBytes+keySecretBytes)
	_, _ = rand.Read(random) // never fails: see crypto/rand
	id, secret := encoding.EncodeToString(random[:keyIDBytes]), encoding.EncodeToString(random[keyIDBytes:])
	return id, KeyPrefix + id + "_" + secret, hashOf(secret)
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// AuthenticateKey knows callers by API keys.
func AuthenticateKey(find FindKey) Authenticate {
	return func(ctx context.Context, token string) (*Principal, error) {
		id, secret, complete := strings.Cut(strings.TrimPrefix(token, KeyPrefix), "_")
		if !complete || !strings.HasPrefix(token, KeyPrefix) || !plainID(id) {
			return nil, unauthenticated("this is no API key: one looks like trb_<id>_<secret>")
		}
		key, err := find(ctx, id)
		hash := hashOf(secret)
		switch {
		case errors.Is(err, ErrNoKey):
			return nil, unauthenticated("no such API key") // as for a wrong secret: which ids there are is nobody's business
		case err != nil:
			return nil, fmt.Errorf("look up an API key: %w", err)
		case subtle.ConstantTimeCompare(hash, key.Hash) != 1:
			return nil, unauthenticated("no such API key")
		case key.Revoked:
			return nil, unauthenticated("this API key is revoked; `tributary keys create` makes another")
		}
		return &key.Principal, nil
	}
}

// plainID keeps what cannot be an id away from the store.
func plainID(id string) bool {
	const most = 64
	return id != "" && len(id) <= most && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

func unauthenticated(detail string) *Problem {
	p := NewProblem(http.StatusUnauthorized, CodeUnauthenticated, detail)
	p.headers = http.Header{"Www-Authenticate": {`Bearer realm="tributary"`}}
	return p
}

// expired tells whether a caller may be let in no more.
func (p *Principal) expired(now time.Time) bool { return !p.Expires.IsZero() && !now.Before(p.Expires) }
