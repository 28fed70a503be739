package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/commands"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/queries"
)

// gateway is the HTTP API and what it needs: where the write half and the read half meet.
type gateway struct {
	logger   *slog.Logger
	pool     *pgxpool.Pool
	admin    *eventlog.Admin
	writer   *eventlog.Writer
	atomic   *eventlog.AtomicWriter
	paying   *paying
	callers  *web.Callers
	registry *prometheus.Registry
	health   web.Health
	server   *web.Server
	queries  *queries.Queries
	reads    readStores
	reporter *reporter

	mu      sync.Mutex
	trouble error     // why it is not ready
	since   time.Time // when it last became ready, or ceased to be
}

var errStarting = errors.New("the gateway is starting")

// newGateway listens at http.addr, and serves from when it runs. It dials nothing yet.
func (a *app) newGateway(ctx context.Context, logger *slog.Logger) (_ *gateway, err error) {
	g := &gateway{logger: logger, registry: prometheus.NewRegistry(), trouble: errStarting, since: time.Now()}
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if err := a.connectGateway(ctx, g); err != nil {
		return nil, err
	}
	g.health = web.Health{Ready: g.ready, Metrics: g.registry, Logger: logger}
	if err := a.connectReads(ctx, g); err != nil {
		return nil, err
	}
	tokens, err := a.tokens()
	if err != nil {
		return nil, err
	}
	g.callers = web.NewCallers(web.AuthenticateKey(findKeyIn(g.pool)), tokens, time.Now)
	handler, err := a.gatewayHandler(g) //nolint:contextcheck // each request has its own
	if err != nil {
		return nil, err
	}
	if g.server, err = a.listenHTTP(ctx, handler, logger); err != nil {
		return nil, err
	}
	g.reporter = newReporter(g.paying.projectors(), g.pool, logger)
	g.reporter.gateway = g
	return g, nil
}

// connectGateway makes the clients of Kafka and Postgres.
func (a *app) connectGateway(ctx context.Context, g *gateway) error {
	kafka, err := a.kafka(g.logger)
	if err != nil {
		return err
	}
	kafka.ClientID = "tributary-gateway"
	kafka.Metrics = renewing{g.registry}
	if g.pool, err = a.postgres(ctx); err != nil {
		return err
	}
	if g.admin, err = eventlog.NewAdmin(kafka); err != nil {
		return err
	}
	if g.writer, err = eventlog.NewWriter(kafka); err != nil {
		return err
	}
	// An id of this process alone: with one of another's it would take that one's transactions over.
	if g.atomic, err = eventlog.NewAtomicWriter(kafka, "tributary-gateway-"+uuid.NewString()); err != nil {
		return err
	}
	g.paying, err = a.newPaying(g, kafka)
	return err
}

// gatewayHandler is both halves on one mux, behind the gate.
func (a *app) gatewayHandler(g *gateway) (http.Handler, error) {
	origins, err := a.corsOrigins()
	if err != nil {
		return nil, err
	}
	perSecond, err := a.wholeNumber("http.rate", 0)
	if err != nil {
		return nil, err
	}
	most, err := a.wholeNumber("http.max_requests", 0)
	if err != nil {
		return nil, err
	}
	proxies, err := a.trustedProxies()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	probes := web.Health{Ready: g.ready}.Handler()
	mux.Handle("GET /livez", probes)
	mux.Handle("GET /readyz", probes)
	api := web.NewAPI(mux, web.APIConfig{
		Version: version, Authenticate: g.callers.Authenticate, RequestsPerSecond: perSecond, MaxRequests: most,
	})
	log := countedLog{g.writer, g.atomic, publishedCounter(g.registry)}
	g.paying.engine.Log = log
	(&commands.Commands{Log: log, Atomic: log, Payments: g.paying.engine, Now: time.Now}).Register(api)
	g.queries.Register(api)
	return web.Gate{
		Mux: mux, Logger: g.logger, Metrics: g.registry, Origins: origins, Proxies: proxies, Secure: a.secure(),
	}.Handler(), nil
}

// countedLog counts what is published.
type countedLog struct {
	writer    *eventlog.Writer
	atomic    *eventlog.AtomicWriter
	published *prometheus.CounterVec
}

func publishedCounter(registry prometheus.Registerer) *prometheus.CounterVec {
	published := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tributary_published_total", Help: "Events that the log has acknowledged to this gateway.",
	}, []string{"topic"})
	registry.MustRegister(published)
	return published
}

// Buffered see eventlog.Writer.
func (l countedLog) Buffered() int64 { return l.writer.Buffered() }

// PublishAll see eventlog.Writer.
func (l countedLog) PublishAll(ctx context.Context, events []*ledger.Event) ([]eventlog.Position, error) {
	return l.counted(l.writer.PublishAll(ctx, events))
}

// PublishAtomic see eventlog.AtomicWriter.
func (l countedLog) PublishAtomic(ctx context.Context, events []*ledger.Event) ([]eventlog.Position, error) {
	return l.counted(l.atomic.PublishAtomic(ctx, events))
}

func (l countedLog) counted(positions []eventlog.Position, err error) ([]eventlog.Position, error) {
	for _, position := range positions {
		if position.Offset >= 0 {
			l.published.WithLabelValues(position.Topic).Inc()
		}
	}
	return positions, err
}

// findKeyIn looks keys up.
func findKeyIn(pool *pgxpool.Pool) web.FindKey {
	return func(ctx context.Context, id string) (*web.Key, error) {
		kept, err := postgres.FindAPIKey(ctx, pool, id)
		if errors.Is(err, postgres.ErrNotFound) {
			return nil, web.ErrNoKey
		}
		if err != nil {
			return nil, err
		}
		key := &web.Key{
			Principal: web.Principal{ID: kept.ID, Ledger: kept.Ledger, Owners: kept.Owners, RequestsPerSecond: kept.RequestsPerSecond},
			Hash:      kept.Hash, Revoked: kept.RevokedAt != nil,
		}
		for _, scope := range kept.Scopes {
			key.Scopes = append(key.Scopes, web.Scope(scope))
		}
		if kept.ExpiresAt != nil {
			key.Expires = *kept.ExpiresAt
		}
		return key, nil
	}
}

// run serves until the context ends, answers what is under way, and then waits for what is not acknowledged yet.
func (g *gateway) run(ctx context.Context) error {
	defer g.reporter.start(ctx)()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.server.Run(ctx) })
	group.Go(func() error { return g.queries.Run(ctx) })
	group.Go(func() error { g.paying.run(ctx); return nil })
	group.Go(func() error { every(ctx, probeEvery, g.probe); return nil })
	group.Go(func() error { every(ctx, noteUsedEvery, g.noteUsed); return nil })
	err := group.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushPatience)
	defer cancel()
	g.noteUsed(ctx)
	return errors.Join(err, g.writer.Flush(ctx))
}

const (
	probeEvery    = 2 * time.Second
	probePatience = 2 * time.Second
	noteUsedEvery = 20 * time.Second
	flushPatience = 10 * time.Second
)

// every does it at once and then again and again until the context ends.
func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// probe finds out whether the servers that it needs are there: /readyz must be quick, and asks none itself.
func (g *gateway) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	var problems [2]error
	var group sync.WaitGroup
	group.Go(func() {
		if err := g.admin.Ping(ctx); err != nil {
			problems[0] = fmt.Errorf("kafka: %w", rootCause(err))
		}
	})
	group.Go(func() {
		if err := g.pool.Ping(ctx); err != nil {
			problems[1] = fmt.Errorf("postgres: %w", rootCause(err))
		}
	})
	group.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.trouble
	if g.trouble = errors.Join(problems[:]...); (was == nil) != (g.trouble == nil) || errors.Is(was, errStarting) {
		g.since = time.Now()
	}
}

// troubled is why it is not ready, if it is not, and since when it is so.
func (g *gateway) troubled() (since time.Time, trouble error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.since, g.trouble
}

// address is where to find it from elsewhere, which may not be what it calls itself here.
func (g *gateway) address(host string) string {
	return strings.Replace(g.server.URL(), "://localhost:", "://"+host+":", 1)
}

func (g *gateway) ready() error {
	_, trouble := g.troubled()
	return trouble
}

// noteUsed keeps when keys were used last.
func (g *gateway) noteUsed(ctx context.Context) {
	ids := g.callers.Used()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	if err := postgres.UsedAPIKeys(ctx, g.pool, ids); err != nil {
		g.logger.Debug("when API keys were used is not noted", "err", err)
	}
}

// close ends the connections.
func (g *gateway) close() {
	g.reads.close()
	if g.paying != nil {
		g.paying.close()
	}
	if g.atomic != nil {
		g.atomic.Close()
	}
	if g.writer != nil {
		g.writer.Close()
	}
	if g.admin != nil {
		g.admin.Close()
	}
	if g.pool != nil {
		g.pool.Close()
	}
}
