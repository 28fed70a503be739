package main

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/payments"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/ledger/providers/sandbox"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/reactors"
	"github.com/tributary-ledger/tributary/projections/subjects"
)

// paying takes payments in a gateway, and finishes those that others left open.
type paying struct {
	engine   *payments.Engine
	history  *subjects.History
	sandbox  *sandbox.Client
	tasks    *projections.Runner
	recovery *reactors.Recovery
	logger   *slog.Logger
}

// newPaying dials nothing yet.
func (a *app) newPaying(g *gateway, kafka eventlog.Config) (*paying, error) {
	kafka.Metrics = nil // the writer has them
	history, err := subjects.NewHistory(g.pool, kafka)
	if err != nil {
		return nil, err
	}
	fee, _ := strconv.ParseInt(a.settings.get("payments.fee"), 10, 64) // it was checked
	p := &paying{history: history, logger: g.logger}
	p.engine = &payments.Engine{ // its log is the gateway's
		History: history, Providers: map[string]providers.Provider{}, Fee: fee, Now: time.Now, Step: a.step, Logger: g.logger,
	}
	if url := a.settings.get("provider.sandbox.url"); url != "" {
		p.sandbox = sandbox.NewClient(url, a.settings.get("provider.sandbox.secret"))
		p.engine.Providers["sandbox"] = providers.Guarded(p.sandbox, providers.Settings{})
	}
	store := postgres.NewStore(g.pool, reactors.NewTasks(0), postgres.Options{Logger: g.logger})
	tuning := a.tuning(g.logger)
	tuning.Registerer = g.registry
	p.tasks = projections.NewRunner(store, kafka, tuning)
	p.recovery = reactors.NewRecovery(g.pool, p.engine, reactors.RecoverySettings{Logger: g.logger})
	return p, nil
}

// projectors are those of the recovery, where it runs.
func (p *paying) projectors() []projector {
	if len(p.engine.Providers) == 0 {
		return nil
	}
	return []projector{{reactors.Name, p.tasks}}
}

// run finishes what is open until the context ends. Without a provider nothing of ours can be. Its trouble is told, and no reason for
// the gateway to stop.
func (p *paying) run(ctx context.Context) {
	if len(p.engine.Providers) == 0 {
		return
	}
	var group sync.WaitGroup
	group.Go(func() {
		if err := p.tasks.Run(ctx); err != nil {
			p.logger.Error("payments under way are not looked after any more: this is a bug; start again", "err", err)
		}
	})
	group.Go(func() { p.recovery.Run(ctx) })
	group.Wait()
}

// close ends the connections.
func (p *paying) close() {
	p.history.Close()
	if p.sandbox != nil {
		p.sandbox.Close()
	}
}
