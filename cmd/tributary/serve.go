package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger/web"
)

func newServeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the HTTP API",
		Long: `Serves the HTTP API at TRIBUTARY_HTTP_ADDR until Ctrl-C or SIGTERM: what callers send becomes events in Kafka, what they ask
is answered from the projections in Postgres. Any number of copies may run. Callers need an API key ("tributary keys create").

The API is described at /openapi.json, and for people at /docs. /livez and /readyz are served there, too;
/metrics at TRIBUTARY_METRICS_ADDR alone.`,
		Example: `  tributary serve
  tributary serve --http-addr :8080 --metrics-addr 127.0.0.1:0
  curl -H "Authorization: Bearer $TRIBUTARY_API_KEY" localhost:8080/v1/caller`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.serve(command.Context()) },
	}
}

func (a *app) serve(ctx context.Context) error {
	const (
		complainEvery = 10 * time.Second
		memoryBytes   = 768 << 20 // twice what it keeps when its caches are full
	)
	a.lavish(memoryBytes)
	logger := quietly(a.logger(slog.LevelInfo), complainEvery)
	gateway, err := a.newGateway(ctx, logger)
	if err != nil {
		return err
	}
	defer gateway.close()
	health, err := web.Listen(ctx, a.settings.get("metrics.addr"), gateway.health.Handler(), logger)
	if err != nil {
		return usagef("%w; choose another with --metrics-addr, 127.0.0.1:0 for any that is free", err)
	}
	logger.Info("serving", "url", gateway.server.URL(), "health", health.URL())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return gateway.run(ctx) })
	group.Go(func() error { return health.Run(ctx) })
	return group.Wait()
}
