package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

const (
	// reportEvery is how far apart a process says how its projectors are.
	reportEvery = 3 * time.Second
	// reportPatience is how long Postgres may take to take that.
	reportPatience = 5 * time.Second
)

// reporter tells Postgres how the projectors of this process are, and its gateway, for `tributary status`. It has a connection of its
// own, and commits wait for it nowhere.
type reporter struct {
	all     []projector
	gateway *gateway // nil where there is none
	config  *pgx.ConnConfig
	logger  *slog.Logger
	process uuid.UUID
	host    string
	began   time.Time

	conn  *pgx.Conn
	first bool
	ready map[string]time.Time // since when each is
}

func newReporter(all []projector, pool *pgxpool.Pool, logger *slog.Logger) *reporter {
	config := pool.Config().ConnConfig.Copy()
	config.ConnectTimeout = reportPatience
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &reporter{
		all: all, config: config, logger: logger, process: uuid.New(), host: host, began: time.Now(), first: true,
		ready: map[string]time.Time{},
	}
}

// start reports until the end is called, which returns after the last report: what runs is to end before.
func (r *reporter) start(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var reporting sync.WaitGroup
	reporting.Go(func() { r.run(ctx) })
	return func() { cancel(); reporting.Wait() }
}

// run reports until the context ends, and then for the last time.
func (r *reporter) run(ctx context.Context) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		r.try(ctx, r.report)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	ctx = context.WithoutCancel(ctx)
	r.try(ctx, func(ctx context.Context) error {
		return errors.Join(r.report(ctx), postgres.WithdrawReports(ctx, r.conn, r.process))
	})
	r.hangUp(ctx)
}

// try does it on a connection that is open. What fails is tried again in time: that Postgres is away the projectors say themselves.
func (r *reporter) try(ctx context.Context, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, reportPatience)
	defer cancel()
	var err error
	if r.conn == nil {
		r.conn, err = pgx.ConnectConfig(ctx, r.config)
	}
	if err == nil {
		err = do(ctx)
	}
	if err != nil {
		r.logger.Debug("cannot report to Postgres; trying again", "err", err)
		r.hangUp(ctx)
	}
}

func (r *reporter) hangUp(ctx context.Context) {
	if r.conn != nil {
		_ = r.conn.Close(ctx) // it is done with, in order or not
		r.conn = nil
	}
}

func (r *reporter) report(ctx context.Context) error {
	reports := make([]postgres.Report, 0, len(r.all)+1)
	if r.gateway != nil {
		reports = append(reports, r.ofGateway())
	}
	for _, one := range r.all {
		reports = append(reports, r.of(one))
	}
	err := postgres.WriteReports(ctx, r.conn, reports, r.first)
	r.first = r.first && err != nil
	return err
}

// wellAs says of something in this process that it is well.
func (r *reporter) wellAs(name string) postgres.Report {
	report := postgres.Report{
		Projection: name, Process: r.process, Host: r.host, PID: os.Getpid(), State: postgres.ReportReady, Version: version,
		Running: time.Since(r.began),
	}
	if r.gateway != nil {
		report.Address = r.gateway.address(r.host)
	}
	return report
}

// ofGateway is how the gateway is.
func (r *reporter) ofGateway() postgres.Report {
	report := r.wellAs(postgres.Gateway)
	since, trouble := r.gateway.troubled()
	report.Lasted = time.Since(since)
	switch {
	case errors.Is(trouble, errStarting):
		report.State, report.Reason = postgres.ReportJoining, trouble.Error()
	case trouble != nil:
		report.State, report.Reason = postgres.ReportStuck, tellable(strings.ReplaceAll(trouble.Error(), "\n", "; "))
	}
	return report
}

// of is how one projector is.
func (r *reporter) of(one projector) postgres.Report {
	health := one.runner.Health()
	report := r.wellAs(one.name)
	report.Partitions = health.Partitions()
	troubles := health.Troubles()
	if len(troubles) == 0 {
		if _, since := r.ready[one.name]; !since {
			r.ready[one.name] = time.Now()
		}
		report.Lasted = time.Since(r.ready[one.name])
		return report
	}
	delete(r.ready, one.name)
	report.State = stateOf(troubles)
	reasons := make([]string, len(troubles))
	for i, trouble := range troubles {
		reasons[i] = trouble.Err.Error()
		if trouble.Kind != projections.TroubleJoining && trouble.Kind != projections.TroubleBehind {
			reasons[i] = trouble.Kind + ": " + reasons[i]
		}
		report.Lasted = max(report.Lasted, time.Since(trouble.Since))
	}
	report.Reason = tellable(strings.Join(reasons, "; "))
	return report
}

// tellable is a text as Postgres takes it, and as a person reads it.
func tellable(text string) string {
	const most = 2_000
	runes := []rune(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD"))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}

// stateOf troubles is the worst of them.
func stateOf(troubles []projections.Trouble) string {
	state := postgres.ReportJoining
	for _, trouble := range troubles {
		if _, refused := errors.AsType[*projections.RefusedError](trouble.Err); refused {
			return postgres.ReportStopped
		}
		if trouble.Kind != projections.TroubleJoining {
			state = postgres.ReportStuck
		}
	}
	return state
}
