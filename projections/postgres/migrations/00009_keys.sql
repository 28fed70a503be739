-- +goose Up
-- Who may call the HTTP API. A secret is 256 random bits, so its SHA-256 cannot be turned back, and needs no salt.
CREATE TABLE tributary.api_keys (
    id                  text PRIMARY KEY,
    name                text NOT NULL,
    secret_sha256       bytea NOT NULL CHECK (length(secret_sha256) = 32),
    ledger              text NOT NULL,
    scopes              text[] NOT NULL,
    owners              text[] NOT NULL DEFAULT '{}',
    requests_per_second integer CHECK (requests_per_second > 0),
    created_at          timestamptz NOT NULL DEFAULT now(),
    expires_at          timestamptz,
    revoked_at          timestamptz,
    last_used_at        timestamptz
);
COMMENT ON TABLE tributary.api_keys IS 'API keys; the keys themselves are kept nowhere.';
COMMENT ON COLUMN tributary.api_keys.owners IS 'The merchants and sites of the ledger that the key is confined to; none means all of it.';
COMMENT ON COLUMN tributary.api_keys.requests_per_second IS 'How many requests a second each gateway takes of it; null means as many as of any key.';
COMMENT ON COLUMN tributary.api_keys.last_used_at IS 'To the minute or so.';
