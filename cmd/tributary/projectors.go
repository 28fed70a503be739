package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/reactors"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/projections/revenue"
	"github.com/tributary-ledger/tributary/projections/subjects"
)

// postgresProjections are all projections whose tables are in Postgres. Those that only need to be named take no pool.
func postgresProjections(pool *pgxpool.Pool, find balances.Lookup) []postgres.Projection {
	return []postgres.Projection{
		balances.New(pool, find),
		receipts.New(),
		receivers.New(),
		quarantine.New(),
		subjects.New(),
	}
}

// keptInPostgres is all that has tables there: the projections, and what gateways remind themselves of.
func keptInPostgres(pool *pgxpool.Pool) []postgres.Projection {
	return append(postgresProjections(pool, nil), reactors.NewTasks(0))
}

// clickhouseProjections are all projections whose rows are in ClickHouse, and the rest of them in Postgres.
func clickhouseProjections() []clickhouse.Projection { return []clickhouse.Projection{revenue.New()} }

func definitions() []projections.Definition {
	return append(definitionsOf(postgresProjections(nil, nil)), clickhouseDefinitions()...)
}

func clickhouseDefinitions() []projections.Definition { return definitionsOf(clickhouseProjections()) }

func definitionsOf[P interface{ Definition() projections.Definition }](known []P) []projections.Definition {
	all := make([]projections.Definition, len(known))
	for i, projection := range known {
		all[i] = projection.Definition()
	}
	return all
}

// inClickHouse tells whether a projection's rows are there.
func inClickHouse(name string) bool {
	return slices.ContainsFunc(clickhouseDefinitions(), func(d projections.Definition) bool { return d.Name == name })
}

// leftOut are those of the projections that cannot do without ClickHouse, where none is configured.
func (a *app) leftOut(names []string) []string {
	if a.hasClickHouse() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !inClickHouse(name) })
}

const leftOutReason = "no ClickHouse is configured (TRIBUTARY_CLICKHOUSE_URL)"

func projectionNames() []string {
	all := definitions()
	names := make([]string, len(all))
	for i, definition := range all {
		names[i] = definition.Name
	}
	return names
}

// chosenProjections are those of the names, or all when there are none.
func chosenProjections(names []string) ([]string, error) {
	all := projectionNames()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []string
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, usagef("there is no projection %q, only %s", name, strings.Join(all, ", "))
		}
		if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	return chosen, nil
}

// projector is one projection's runner.
type projector struct {
	name   string
	runner *projections.Runner
}

// projectors are those that run in this process.
type projectors struct {
	all      []projector
	registry *prometheus.Registry
	logger   *slog.Logger
	reporter *reporter
}

// servers are what projectors write to, and read from. ClickHouse is nil where no projection needs it.
type servers struct {
	kafka      eventlog.Config
	postgres   *pgxpool.Pool
	clickhouse driver.Conn
}

// close closes what was opened.
func (s *servers) close() error {
	if s.postgres != nil {
		s.postgres.Close()
	}
	if s.clickhouse != nil {
		return s.clickhouse.Close() //nolint:wrapcheck // there is nothing to add
	}
	return nil
}

// servers are what the projections with these names need. They are not dialled yet.
func (a *app) servers(ctx context.Context, names []string, logger *slog.Logger) (s servers, err error) {
	if s.kafka, err = a.kafka(logger); err != nil {
		return s, err
	}
	if slices.ContainsFunc(names, inClickHouse) {
		if s.clickhouse, err = a.clickhouse(ctx); err != nil {
			return s, err
		}
	}
	if s.postgres, err = a.postgres(ctx); err != nil {
		return servers{}, errors.Join(err, s.close())
	}
	return s, nil
}

// commitInterval is how far apart commits to Postgres are at least. Nobody sees a fortieth of a second; without it six projections, at a
// thousand events a second, commit 400 times a second, and take from those who read. What no program waits for, only people look up, is
// committed a tenth of a second apart.
func commitInterval(name string) time.Duration {
	const soon, shortly = 25 * time.Millisecond, 100 * time.Millisecond
	if name == quarantine.Name || name == subjects.Name {
		return shortly
	}
	return soon
}

// busyInterval is that where thousands of events come in a second: each commit costs Postgres a millisecond of a processor, which is then
// wanted for rows.
const busyInterval = 100 * time.Millisecond

// newProjectors makes the runners of the projections with these names, and a registry with their metrics, the Kafka
// clients', and the process's.
func newProjectors(on servers, names []string, tuning projections.Settings) *projectors {
	logger := tuning.Logger
	p := &projectors{registry: prometheus.NewRegistry(), logger: logger}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	consumer := on.kafka
	consumer.Metrics = renewing{p.registry}
	tuning.Registerer, tuning.Feed = p.registry, projections.NewFeed(consumer, 0)
	add := func(store projections.Store, tuning projections.Settings) {
		p.all = append(p.all, projector{store.Definition().Name, projections.NewRunner(store, consumer, tuning)})
	}
	for _, projection := range postgresProjections(on.postgres, findIn(on.kafka)) {
		if name := projection.Definition().Name; slices.Contains(names, name) {
			tuning.PollInterval, tuning.BusyInterval = commitInterval(name), busyInterval
			add(postgres.NewStore(on.postgres, projection, postgres.Options{Logger: logger.With("projection", name)}), tuning)
		}
	}
	spaced := tuning
	spaced.BusyInterval = clickhouse.BusyInterval
	spaced.BatchEvents, spaced.PollInterval = clickhouse.BatchEvents, clickhouse.Interval
	for _, projection := range clickhouseProjections() {
		if name := projection.Definition().Name; slices.Contains(names, name) {
			add(clickhouse.NewStore(on.postgres, on.clickhouse, projection, clickhouse.Options{Logger: logger.With("projection", name)}), spaced)
		}
	}
	p.reporter = newReporter(p.all, on.postgres, logger)
	return p
}

// findIn reads events of the log by their positions.
func findIn(kafka eventlog.Config) balances.Lookup {
	return func(ctx context.Context, at eventlog.Position) (*ledger.Event, error) {
		records, err := eventlog.ReadAt(ctx, kafka, []eventlog.Position{at})
		if err != nil {
			return nil, err
		}
		return records[0].Event, nil
	}
}

// run runs all until the context ends. A projector that stops because of a bug is told of at once, to stopped; the others go
// on if that says so. It returns the errors of those that stopped.
func (p *projectors) run(ctx context.Context, stopped func(name string, err error) (goOn bool)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, len(p.all))
	var group errgroup.Group
	defer p.reporter.start(ctx)()
	for i, one := range p.all {
		group.Go(func() error {
			err := one.runner.Run(ctx)
			if err == nil {
				return nil
			}
			failures[i] = fmt.Errorf("projector %s: %w", one.name, err)
			if !stopped(one.name, err) {
				cancel()
			}
			return nil
		})
	}
	_ = group.Wait() // its functions keep their errors
	return errors.Join(failures...)
}

// names are those of the projections.
func (p *projectors) names() []string {
	names := make([]string, len(p.all))
	for i, one := range p.all {
		names[i] = one.name
	}
	return names
}

// ready is nil when every projector does its work; else it says which do not, and why.
func (p *projectors) ready() error {
	var problems []error
	for _, one := range p.all {
		if err := one.runner.Health().Ready(); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", one.name, err))
		}
	}
	return errors.Join(problems...)
}

// renewing lets a Kafka client register its metrics again after the client before it was closed, as a runner's are, session
// after session.
type renewing struct{ prometheus.Registerer }

func (r renewing) Register(c prometheus.Collector) error {
	r.Unregister(c)
	return r.Registerer.Register(c) //nolint:wrapcheck // it is the same interface
}

func (r renewing) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		r.Unregister(c)
	}
	r.Registerer.MustRegister(all...)
}
