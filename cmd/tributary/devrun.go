package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// devRun is everything in one process tree: embedded servers, and all projectors in this process.
type devRun struct {
	stack   *devstack.Stack
	on      servers
	server  *web.Server
	running *projectors
	gateway *gateway
	sandbox *sandboxServer
	key     string // an API key with all scopes

	stopProjectors, stopGateway, stopSandbox context.CancelFunc
	// ended gets the error, or nil, of the projectors and of the health server when they have stopped.
	ended chan error
	// served gets the gateway's.
	served chan error
	// sandboxed gets the sandbox's.
	sandboxed chan error
}

// stackStopPatience is how long the servers may take to stop in order.
const stackStopPatience = 30 * time.Second

// startDev starts the servers, brings topics and tables up to date, runs all projectors, and returns when they are ready. From
// then on this app's settings are those of the servers. If anything fails nothing is left running.
func (a *app) startDev(ctx context.Context, options devstack.Options, healthAddress string) (*devRun, error) {
	stack, err := devstack.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	run := &devRun{stack: stack}
	err = a.startProjecting(ctx, run, options.Logger, healthAddress)
	if err == nil {
		err = a.startSandbox(ctx, run, options)
	}
	if err == nil {
		err = a.startGateway(ctx, run, options)
	}
	if err != nil {
		return nil, errors.Join(err, run.stop(ctx))
	}
	return run, nil
}

// useEndpoints points the settings at the servers of a stack.
func (a *app) useEndpoints(stack *devstack.Stack) {
	a.settings = a.settings.with("the embedded servers", stack.Endpoints().Env())
	plain := map[string]string{"TRIBUTARY_KAFKA_TLS": "false"}
	if stack.ClickHouse() != nil { // else it may be a server of the user's own
		for _, name := range []string{"CA_FILE", "CERT_FILE", "KEY_FILE"} {
			plain["TRIBUTARY_CLICKHOUSE_"+name] = ""
		}
	}
	for _, name := range []string{"CA_FILE", "CERT_FILE", "KEY_FILE", "SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD"} {
		plain["TRIBUTARY_KAFKA_"+name] = ""
	}
	a.settings = a.settings.with("the embedded servers", plain)
}

func (a *app) startProjecting(ctx context.Context, run *devRun, logger *slog.Logger, healthAddress string) error {
	a.useEndpoints(run.stack)
	if _, err := a.migrateAll(ctx, eventlog.TopicSettings{}); err != nil {
		return err
	}
	names := projectionNames()
	if left := a.leftOut(names); len(left) > 0 {
		a.notef("left out: %s: %s", strings.Join(left, ", "), leftOutReason)
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(left, name) })
	}
	var err error
	if run.on, err = a.servers(ctx, names, logger); err != nil {
		return err
	}
	run.running = newProjectors(run.on, names, a.tuning(logger))
	if run.server, err = a.serveHealth(ctx, healthAddress, run.running); err != nil {
		return err
	}
	// They live until stop, which stops them before the servers, not until ctx ends.
	projecting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	run.stopProjectors = cancel
	run.ended = make(chan error, 1)
	go func() { run.ended <- a.projectUntil(projecting, run) }()
	return awaitReady(ctx, "the projectors are not ready", run.running.ready)
}

// projectUntil runs projectors and health server until the context ends. One projector's bug does not stop the others.
func (a *app) projectUntil(ctx context.Context, run *devRun) error {
	served := make(chan error, 1)
	go func() { served <- run.server.Run(ctx) }()
	err := run.running.run(ctx, func(name string, err error) bool {
		a.notef("projector %s has stopped, the others go on: %v", name, err)
		return true
	})
	return errors.Join(err, <-served)
}

// awaitReady returns when that is nil; if it takes too long it says what is not ready.
func awaitReady(ctx context.Context, unready string, ready func() error) error {
	const patience, pause = time.Minute, 20 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", unready, err)
		case <-ticker.C:
		}
	}
}

// stop stops the gateway, then the sandbox, the projectors and the servers, in order; a second Ctrl-C ends this process, and the servers
// with it.
func (run *devRun) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stackStopPatience)
	defer cancel()
	var served, projected error
	if run.stopGateway != nil {
		run.stopGateway()
		served = <-run.served
		run.gateway.close()
	}
	if run.stopSandbox != nil {
		run.stopSandbox()
		served = errors.Join(served, <-run.sandboxed)
	}
	if run.stopProjectors != nil {
		run.stopProjectors()
		projected = <-run.ended
	}
	return errors.Join(served, projected, run.on.close(), run.stack.Stop(ctx))
}

// endpoints are where everything listens, by the name of its variable.
func (run *devRun) endpoints() map[string]string {
	env := maps.Clone(run.stack.Endpoints().Env())
	if run.server != nil {
		env[healthVariable] = run.server.URL()
	}
	if run.gateway != nil {
		env[httpVariable], env[keyVariable] = run.gateway.server.URL(), run.key
	}
	if run.sandbox != nil {
		env[sandboxVariable] = run.sandbox.http.URL()
	}
	return env
}
