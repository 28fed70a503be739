package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// devKeyFile keeps, in a stack's data folder, the key that `tributary dev` made: what uses it goes on after the next start.
const devKeyFile = "api-key"

// startGateway serves the HTTP API, and has a key to it.
func (a *app) startGateway(ctx context.Context, run *devRun, options devstack.Options) error {
	if options.Ports == devstack.PortsAuto && a.settings.source("http.addr") == sourceDefault {
		a.settings = a.settings.with("the embedded servers", map[string]string{"TRIBUTARY_HTTP_ADDR": "127.0.0.1:0"})
	}
	var err error
	if run.gateway, err = a.newGateway(ctx, options.Logger); err != nil {
		return err
	}
	if run.sandbox != nil {
		run.sandbox.book.WebhookTo(run.gateway.server.URL() + webhookPath)
	}
	// It lives until stop, not until ctx ends.
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	run.stopGateway, run.served = cancel, make(chan error, 1)
	go func() { run.served <- run.gateway.run(serving) }()
	if err := awaitReady(ctx, "the HTTP API is not ready", run.gateway.ready); err != nil {
		return err
	}
	run.key, err = devKey(ctx, run.gateway, options.Data)
	return err
}

// devKey is the key of the data folder; where there is none, or it opens nothing any more, a new one.
func devKey(ctx context.Context, g *gateway, data string) (string, error) {
	path := filepath.Join(data, devKeyFile)
	kept, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the API key of this data folder: %w", err)
	}
	text := strings.TrimSpace(string(kept))
	if caller, err := g.callers.Authenticate(ctx, text); err == nil {
		if len(caller.Scopes) == len(web.Scopes()) { // else it is of a version that had fewer
			return text, nil
		}
	} else if refused, ok := errors.AsType[*web.Problem](err); !ok || refused.Code != string(web.CodeUnauthenticated) {
		return "", fmt.Errorf("try the API key of this data folder: %w", err)
	}
	text, _, err = keepKey(ctx, g.pool, newKey{name: "dev", ledger: ledger.DefaultLedger, scopes: scopeNames()})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the API key of this data folder: %w", err)
	}
	return text, nil
}
