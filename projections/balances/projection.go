package balances

import (
	"context"
	"embed"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Name is the projection's.
const Name = "balances"

const version = 1

//go:embed migrations/*.sql
var migrations embed.FS

// Lookup reads an event that is in the log, for the list of conflicts.
type Lookup func(ctx context.Context, at eventlog.Position) (*ledger.Event, error)

// Projection is the balances.
type Projection struct {
	accounts *postgres.Dictionary[account]
	labels   *postgres.Dictionary[string]
	lookup   Lookup
}

// account is what has a number in balances.accounts.
type account struct {
	ledger.Account

	ledger, asset string
}

// New makes the projection. A nil lookup leaves the kept content of conflicts empty.
func New(pool *pgxpool.Pool, lookup Lookup) *Projection {
	accounts := postgres.NewDictionary(pool, "balances.accounts", []string{"account", "ledger", "asset_code"},
		func(a account) []string { return []string{a.String(), a.ledger, a.asset} },
		func(a account) account {
			return account{
				ledger.Account{Kind: strings.Clone(a.Kind), Name: strings.Clone(a.Name), Leaf: strings.Clone(a.Leaf)},
				strings.Clone(a.ledger), strings.Clone(a.asset),
			}
		})
	return &Projection{accounts, postgres.Labels(pool), lookup}
}

// Forget empties what is cached of the database.
func (p *Projection) Forget() {
	p.accounts.Forget()
	p.labels.Forget()
}

// Definition names it; it reads all topics.
func (p *Projection) Definition() projections.Definition {
	return projections.Definition{Name: Name, Version: version, Topics: eventlog.Topics()}
}

// Migrations are its tables and views.
func (p *Projection) Migrations() fs.FS { return migrations }

// Tables are its tables. Identity's is the only unique index that a new row must pass; the entries are found by account.
func (p *Projection) Tables() []postgres.Table {
	const eager = ", autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0"
	return []postgres.Table{
		{Name: "identity", Keys: []string{"PRIMARY KEY (event_id)"}},
		{Name: "entries", Indexes: []string{"(account, occurred_at)"}},
		{Name: "totals", With: "fillfactor = 60" + eager, Keys: []string{`PRIMARY KEY (account, topic, "partition")`}},
		{Name: "copies", Indexes: []string{"(event_id)"}},
		{Name: "conflicts", Keys: []string{`PRIMARY KEY (topic, "partition", kafka_offset)`}},
	}
}

// Wants every valid event: those that post nothing have an identity, too, so that verify can count them.
func (p *Projection) Wants(record *eventlog.Record) bool { return record.Event != nil }
