package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/ledger/providers/sandbox"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// webhookPath is where a gateway hears from the sandbox.
const webhookPath = "/v1/providers/sandbox/webhooks"

func newSandboxCommand(a *app) *cobra.Command {
	var address, journal, webhook string
	command := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve a payment provider to try things with",
		Long: `Serves the payment provider "sandbox" until Ctrl-C or SIGTERM. It keeps a durable book of what it took and gave back, and
the last two digits of an amount choose what goes wrong: docs/payments.md has the table. GET /book is the book.

The gateway finds it by TRIBUTARY_PROVIDER_SANDBOX_URL. It tells the gateway of each outcome where --webhook-url says, signed
with TRIBUTARY_PROVIDER_SANDBOX_SECRET, which both must have. "tributary dev" has one of its own.`,
		Example: `  tributary sandbox --journal sandbox.journal
  TRIBUTARY_PROVIDER_SANDBOX_SECRET=s3cret tributary sandbox \
    --webhook-url http://127.0.0.1:8080/v1/providers/sandbox/webhooks`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, _ []string) error {
			secret := a.settings.get("provider.sandbox.secret")
			if webhook != "" && secret == "" {
				return usagef("--webhook-url needs a secret to sign with: set TRIBUTARY_PROVIDER_SANDBOX_SECRET, here and for the gateway")
			}
			logger := a.logger(slog.LevelInfo)
			s, err := newSandbox(command.Context(), address, sandbox.Config{
				Journal: journal, WebhookURL: webhook, Secret: secret, Logger: logger,
			})
			if err != nil {
				return err
			}
			logger.Info("serving the sandbox", "url", s.http.URL())
			return s.run(command.Context())
		},
	}
	command.Flags().StringVar(&address, "addr", "127.0.0.1:8090", "address to serve at")
	command.Flags().StringVar(&journal, "journal", "sandbox.journal", "file that holds the book")
	command.Flags().StringVar(&webhook, "webhook-url", "", "URL that is told of each outcome")
	return command
}

// sandboxServer is the sandbox and where it listens.
type sandboxServer struct {
	book   *sandbox.Server
	http   *web.Server
	secret string
}

func newSandbox(ctx context.Context, address string, config sandbox.Config) (*sandboxServer, error) {
	book, err := sandbox.Open(config)
	if err != nil {
		return nil, err
	}
	server, err := web.Listen(ctx, address, book, config.Logger)
	if err != nil {
		return nil, errors.Join(usagef("%w; choose another with --addr, 127.0.0.1:0 for any that is free", err), book.Close())
	}
	return &sandboxServer{book, server, config.Secret}, nil
}

// run serves until the context ends.
func (s *sandboxServer) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.http.Run(ctx) })
	group.Go(func() error { return s.book.Run(ctx) })
	return errors.Join(group.Wait(), s.book.Close())
}

// startSandbox gives dev a sandbox of its own, with its book in the data folder.
func (a *app) startSandbox(ctx context.Context, run *devRun, options devstack.Options) error {
	s, err := newSandbox(ctx, "127.0.0.1:0", sandbox.Config{
		Journal: filepath.Join(options.Data, "sandbox.journal"), Secret: uuid.NewString(), Logger: options.Logger,
	})
	if err != nil {
		return err
	}
	a.settings = a.settings.with("the sandbox", map[string]string{
		sandboxVariable: s.http.URL(), "TRIBUTARY_PROVIDER_SANDBOX_SECRET": s.secret,
	})
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	run.sandbox, run.stopSandbox, run.sandboxed = s, cancel, make(chan error, 1)
	go func() { run.sandboxed <- s.run(serving) }()
	return nil
}
