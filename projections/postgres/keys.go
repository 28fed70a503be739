package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// APIKey is a key to the HTTP API as it is kept: who has it can use it for what is said here, and it cannot be found out from here.
type APIKey struct {
	ID   string
	Name string
	// Hash is SHA-256 of the secret, 32 bytes.
	Hash   []byte
	Ledger string
	Scopes []string
	// Owners are the merchants and sites that the key is confined to; none means all of the ledger.
	Owners []string
	// RequestsPerSecond bounds its use at each gateway; 0 means as for any key.
	RequestsPerSecond int
	CreatedAt         time.Time
	// ExpiresAt, RevokedAt and LastUsedAt are nil where that is never.
	ExpiresAt, RevokedAt, LastUsedAt *time.Time
}

// ErrKeyRevoked says that a key is revoked already.
var ErrKeyRevoked = errors.New("the key is revoked already")

const apiKeyColumns = `id, name, secret_sha256, ledger, scopes, owners, coalesce(requests_per_second, 0), created_at,
	expires_at, revoked_at, last_used_at`

// CreateAPIKey keeps a new key; its CreatedAt is the server's time.
func CreateAPIKey(ctx context.Context, pool *pgxpool.Pool, key APIKey) error {
	_, err := pool.Exec(ctx, `
		INSERT INTO tributary.api_keys (id, name, secret_sha256, ledger, scopes, owners, requests_per_second, expires_at)
		VALUES ($1, $2, $3, $4, $5, coalesce($6::text[], '{}'), nullif($7, 0), $8)`,
		key.ID, key.Name, key.Hash, key.Ledger, key.Scopes, key.Owners, key.RequestsPerSecond, key.ExpiresAt)
	if err != nil {
		return fmt.Errorf("keep the API key %s: %w", key.ID, explain(err))
	}
	return nil
}

// FindAPIKey is a key by its id, also one that is revoked or has expired. Where there is none the error is ErrNotFound.
func FindAPIKey(ctx context.Context, pool *pgxpool.Pool, id string) (APIKey, error) {
	return One[APIKey](ctx, pool, "the API key "+id, `SELECT `+apiKeyColumns+` FROM tributary.api_keys WHERE id = $1`, id)
}

// ListAPIKeys are all keys, or those of one ledger, the oldest first.
func ListAPIKeys(ctx context.Context, pool *pgxpool.Pool, ledger string) ([]APIKey, error) {
	return List[APIKey](ctx, pool, "the API keys",
		`SELECT `+apiKeyColumns+` FROM tributary.api_keys WHERE $1 = '' OR ledger = $1 ORDER BY created_at, id`, ledger)
}

// RevokeAPIKey ends a key for ever. Errors: ErrNotFound, ErrKeyRevoked.
func RevokeAPIKey(ctx context.Context, pool *pgxpool.Pool, id string) (APIKey, error) {
	done, err := pool.Exec(ctx, `UPDATE tributary.api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL`, id)
	if err != nil {
		return APIKey{}, fmt.Errorf("revoke the API key %s: %w", id, explain(err))
	}
	key, err := FindAPIKey(ctx, pool, id)
	if err == nil && done.RowsAffected() == 0 {
		err = ErrKeyRevoked
	}
	return key, err
}

// UsedAPIKeys notes that these keys were used now.
func UsedAPIKeys(ctx context.Context, pool *pgxpool.Pool, ids []string) error {
	if _, err := pool.Exec(ctx, `UPDATE tributary.api_keys SET last_used_at = now() WHERE id = ANY($1)`, ids); err != nil {
		return fmt.Errorf("note which API keys were used: %w", explain(err))
	}
	return nil
}
