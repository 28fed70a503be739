package queries

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// Config is what the read half needs of its process.
type Config struct {
	// Postgres is the primary, Replicas are its standbys, if there are any.
	Postgres *pgxpool.Pool
	Replicas []*pgxpool.Pool
	// ClickHouse has the revenue; nil where none is configured.
	ClickHouse driver.Conn
	// Log may be nil.
	Log *slog.Logger
}

// Queries are the read half's handlers. Run must be running while they serve.
type Queries struct {
	primary    *store
	replicas   []*store
	turn       atomic.Uint64 // whose of the replicas it is
	clickhouse driver.Conn
	log        *slog.Logger

	mu      sync.Mutex
	waiting map[*waiter]struct{}

	receipts *answers
	balances *answers
}

// New makes the handlers. It dials nothing.
func New(config Config) *Queries {
	q := &Queries{
		primary: newStore(config.Postgres, false), clickhouse: config.ClickHouse, log: config.Log, waiting: map[*waiter]struct{}{},
	}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	for _, pool := range config.Replicas {
		q.replicas = append(q.replicas, newStore(pool, true))
	}
	q.receipts = newReceipts(q)
	q.balances = newBalances(q)
	return q
}

// Run looks at the stores until the context ends: it knows which of them are up, and how far.
func (q *Queries) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, s := range append([]*store{q.primary}, q.replicas...) {
		all.Go(func() { s.watch(ctx, q.log, q.lookedFor, q.serveWaiting) })
	}
	all.Wait()
	return nil
}

// Register adds the operations to an API.
func (q *Queries) Register(api huma.API) {
	q.registerReceipts(api)
	q.registerPayments(api)
	q.registerReceivers(api)
	q.registerBalances(api)
	q.registerRevenue(api)
	q.registerQuarantine(api)
}

// projection is one that reads come from.
type projection struct {
	name   string
	topics map[string]bool // full names
}

func of(definition projections.Definition) projection {
	p := projection{definition.Name, map[string]bool{}}
	for _, topic := range definition.Topics {
		p.topics[topic] = true
	}
	return p
}

// The projections that reads come from.
//
//nolint:gochecknoglobals // constants that the language has no constants for
var (
	ofBalances   = of(new(balances.Projection).Definition())
	ofQuarantine = of(quarantine.New().Definition())
	ofReceipts   = of(receipts.New().Definition())
	ofReceivers  = of(receivers.New().Definition())
	ofRevenue    = of(revenue.New().Definition())
)

// operation is one of ours: a GET that needs a scope.
func operation(id, path string, scope web.Scope, summary, description string, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: description, Tags: []string{"Reads"},
		Security: web.Needs(scope),
		Errors: slices.Concat([]int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable,
		}, errors),
	}
}
