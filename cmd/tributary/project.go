package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections"
)

func newProjectCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "project [NAME…]",
		Short: "Run projectors in the foreground (all, when none is named)",
		Long: `Runs projectors until Ctrl-C or SIGTERM. Any number of copies may run, here and elsewhere: they share the partitions.
Without names, those for which no server is configured are left out, with a warning. Servers that are away are waited for, visibly:
/readyz turns red and says why, /livez stays. A projector that meets a bug
stops with the position in its message, and exit code 1; it never skips an event.

/livez, /readyz and /metrics are served at TRIBUTARY_METRICS_ADDR.`,
		Example: `  tributary project balances
  tributary project balances receipts --metrics-addr 127.0.0.1:0
  curl -H 'Accept: application/json' localhost:9464/readyz | jq .`,
		ValidArgsFunction: completeProjections,
		RunE: func(command *cobra.Command, args []string) error {
			names, err := chosenProjections(args)
			if err != nil {
				return err
			}
			left := a.leftOut(names)
			if len(args) == 0 && len(left) > 0 {
				names = slices.DeleteFunc(names, inClickHouse)
			}
			return a.project(command.Context(), names, left)
		},
	}
}

// projectorBytes is what a projector may take of memory, however far it is behind.
const projectorBytes = 200 << 20

func (a *app) project(ctx context.Context, names, left []string) (err error) {
	logger := a.logger(slog.LevelInfo)
	const complainEvery = 10 * time.Second
	on, err := a.servers(ctx, names, quietly(logger, complainEvery))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.close()) }()
	a.lavish(projectorBytes * int64(len(names)))
	running := newProjectors(on, names, a.tuning(logger))
	server, err := a.serveHealth(ctx, a.settings.get("metrics.addr"), running)
	if err != nil {
		return err
	}
	for _, name := range left {
		logger.Warn("left out: "+leftOutReason, "projection", name)
	}
	logger.Info("projecting", "projections", names, "health", server.URL())
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error {
		defer cancel()
		return running.run(ctx, func(string, error) bool { return false })
	})
	return group.Wait()
}

// tuning is what the settings say of runners.
func (a *app) tuning(logger *slog.Logger) projections.Settings {
	return projections.Settings{SessionTimeout: a.settings.sessionTimeout(), Logger: logger}
}

// serveHealth listens for those who ask how these projectors are.
func (a *app) serveHealth(ctx context.Context, address string, running *projectors) (*web.Server, error) {
	handler := web.Health{Ready: running.ready, Metrics: running.registry, Logger: running.logger}.Handler()
	server, err := web.Listen(ctx, address, handler, running.logger)
	if err != nil {
		return nil, usagef("%w; choose another with --metrics-addr, 127.0.0.1:0 for any that is free", err)
	}
	return server, nil
}
