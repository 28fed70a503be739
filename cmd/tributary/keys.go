package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// allScopes stands for every scope there is.
const allScopes = "all"

func newKeysCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "keys",
		Short: "Create, list and revoke API keys",
		Long: `An API key lets a program call the HTTP API: it is bound to one ledger, has scopes, and may be confined to some merchants
or sites. A key is shown once, when it is created; what is kept, in Postgres, is a hash of it.`,
		Example: `  tributary keys create --name shop --scope payments:write,payments:read
  tributary keys list
  tributary keys revoke kz3lq7w2a5xgi`,
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newKeysCreateCommand(a), newKeysListCommand(a), newKeysRevokeCommand(a))
	return command
}

// newKey is what keys create is asked for.
type newKey struct {
	name, ledger   string
	scopes, owners []string
	expiresIn      time.Duration
	perSecond      int
}

func newKeysCreateCommand(a *app) *cobra.Command {
	var wanted newKey
	command := &cobra.Command{
		Use:   "create",
		Short: "Create an API key, and show it this once",
		Long: `Creates an API key and prints it: that is the only time it can be seen.

Scopes: ` + strings.Join(scopeNames(), ", ") + `.`,
		Example: `  tributary keys create --name shop --scope payments:write,payments:read --owner acme
  tributary keys create --name reports --scope revenue:read --expires-in 2160h
  export TRIBUTARY_API_KEY=$(tributary keys create --name ci --scope all --json | jq -r .key)`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := wanted.check(); err != nil {
				return err
			}
			return a.createKey(command.Context(), wanted)
		},
	}
	flags := command.Flags()
	flags.StringVar(&wanted.name, "name", "", "what it is for, so that a list of keys can be understood")
	flags.StringVar(&wanted.ledger, "ledger", ledger.DefaultLedger, "the books that it opens")
	flags.StringSliceVar(&wanted.scopes, "scope", nil, "what it may do there, or all")
	flags.StringSliceVar(&wanted.owners, "owner", nil, "confine it to these merchants and sites")
	flags.DurationVar(&wanted.expiresIn, "expires-in", 0, "end it after so long (default never)")
	flags.IntVar(&wanted.perSecond, "rate", 0, "requests a second at each gateway (default http.rate)")
	_ = command.RegisterFlagCompletionFunc("scope",
		cobra.FixedCompletions(append(scopeNames(), allScopes), cobra.ShellCompDirectiveNoFileComp))
	a.jsonFlag(command, "an object of key (the secret), id, name, ledger, scopes, owners, expires_at")
	return command
}

func scopeNames() []string {
	names := make([]string, len(web.Scopes()))
	for i, scope := range web.Scopes() {
		names[i] = string(scope)
	}
	return names
}

// check refuses what cannot be a key, and makes all scopes of "all".
func (k *newKey) check() error {
	switch {
	case !ledger.IsLedger(k.ledger):
		return usagef("--ledger %q is no ledger: a-z, 0-9 and -, 40 at most", k.ledger)
	case len(k.scopes) == 0:
		return usagef("a key without scopes may do nothing: --scope %s, or --scope %s", strings.Join(scopeNames()[:2], ","), allScopes)
	case k.expiresIn < 0:
		return usagef("--expires-in is over already")
	case k.perSecond < 0:
		return usagef("--rate counts from 1")
	}
	known := map[string]bool{}
	for _, name := range scopeNames() {
		known[name] = true
	}
	for _, scope := range k.scopes {
		if scope == allScopes {
			k.scopes = scopeNames()
			return nil
		}
		if !known[scope] {
			return usagef("there is no scope %q, only %s", scope, strings.Join(scopeNames(), ", "))
		}
	}
	return nil
}

// keyLine is a key as --json prints it.
type keyLine struct {
	Key               string     `json:"key,omitempty"`
	ID                string     `json:"id"`
	Name              string     `json:"name"`
	Ledger            string     `json:"ledger"`
	Scopes            []string   `json:"scopes"`
	Owners            []string   `json:"owners"`
	RequestsPerSecond int        `json:"requests_per_second,omitempty"`
	State             string     `json:"state"`
	CreatedAt         *time.Time `json:"created_at,omitempty"`
	ExpiresAt         *time.Time `json:"expires_at,omitempty"`
	RevokedAt         *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt        *time.Time `json:"last_used_at,omitempty"`
}

func keyLineOf(k postgres.APIKey) keyLine {
	line := keyLine{
		ID: k.ID, Name: k.Name, Ledger: k.Ledger, Scopes: notNil(k.Scopes), Owners: notNil(k.Owners),
		RequestsPerSecond: k.RequestsPerSecond, State: "active", CreatedAt: &k.CreatedAt, ExpiresAt: k.ExpiresAt,
		RevokedAt: k.RevokedAt, LastUsedAt: k.LastUsedAt,
	}
	switch {
	case k.RevokedAt != nil:
		line.State = "revoked"
	case k.ExpiresAt != nil && !time.Now().Before(*k.ExpiresAt):
		line.State = "expired"
	}
	return line
}

func (a *app) createKey(ctx context.Context, wanted newKey) error {
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		text, key, err := keepKey(ctx, pool, wanted)
		if err != nil {
			return err
		}
		if a.asJSON {
			line := keyLineOf(key)
			line.Key, line.CreatedAt = text, nil
			return a.printJSON(line)
		}
		a.notef("this is the only time that the key is shown; its id is %s", key.ID)
		return a.printf("%s\n", text)
	})
}

// keepKey makes a key up and keeps what is kept of it. The text is the key itself.
func keepKey(ctx context.Context, pool *pgxpool.Pool, wanted newKey) (text string, key postgres.APIKey, err error) {
	id, text, hash := web.NewKey()
	key = postgres.APIKey{
		ID: id, Name: wanted.name, Hash: hash, Ledger: wanted.ledger, Scopes: wanted.scopes, Owners: wanted.owners,
		RequestsPerSecond: wanted.perSecond,
	}
	if wanted.expiresIn > 0 {
		until := time.Now().Add(wanted.expiresIn).UTC()
		key.ExpiresAt = &until
	}
	return text, key, postgres.CreateAPIKey(ctx, pool, key)
}

func newKeysListCommand(a *app) *cobra.Command {
	var books string
	command := &cobra.Command{
		Use:   "list",
		Short: "List API keys: what each may do, and when it was used",
		Example: `  tributary keys list
  tributary keys list --json | jq -r 'select(.state == "active" and .last_used_at == null) | .id'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.listKeys(command.Context(), books) },
	}
	ledgerFlag(command, &books, "")
	a.jsonFlag(command, `an object a line: id, name, ledger, scopes, owners, requests_per_second, state (active,
revoked, expired), created_at, expires_at, revoked_at, last_used_at`)
	return command
}

func (a *app) listKeys(ctx context.Context, books string) error {
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		keys, err := postgres.ListAPIKeys(ctx, pool, books)
		if err != nil {
			return err
		}
		listed := newTable("ID", "NAME", "LEDGER", "STATE", "SCOPES", "OWNERS", "CREATED", "LAST USED")
		for _, key := range keys {
			line := keyLineOf(key)
			if a.asJSON {
				if err := a.printJSON(line); err != nil {
					return err
				}
				continue
			}
			scopes := strings.Join(line.Scopes, " ")
			if len(line.Scopes) == len(web.Scopes()) {
				scopes = allScopes
			}
			listed.row(line.ID, line.Name, line.Ledger, line.State, scopes, strings.Join(line.Owners, " "),
				when(line.CreatedAt), when(line.LastUsedAt))
		}
		if a.asJSON {
			return nil
		}
		if len(keys) == 0 {
			return a.printf("there are no API keys; \"tributary keys create\" makes one\n")
		}
		return a.printTable(listed)
	})
}

func newKeysRevokeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "Revoke an API key: within seconds no gateway takes it any more",
		Long: `Revokes an API key by its id, for ever. Gateways that have let it in a moment ago ask again after two seconds; one that
cannot reach Postgres goes on with what it knows for ten minutes at most.`,
		Example:           `  tributary keys revoke kz3lq7w2a5xgi`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, args []string) error { return a.revokeKey(command.Context(), args[0]) },
	}
}

func (a *app) revokeKey(ctx context.Context, id string) error {
	if whole, is := strings.CutPrefix(id, web.KeyPrefix); is {
		id, _, _ = strings.Cut(whole, "_")
	}
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		key, err := postgres.RevokeAPIKey(ctx, pool, id)
		switch {
		case errors.Is(err, postgres.ErrNotFound):
			return fmt.Errorf("there is no API key %q; \"tributary keys list\" shows them", id)
		case errors.Is(err, postgres.ErrKeyRevoked):
			return a.printf("%s was revoked at %s\n", id, when(key.RevokedAt))
		case err != nil:
			return err
		}
		return a.printf("%s is revoked\n", id)
	})
}
