package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/quarantine"
)

// sample is a small shop's week: every family of events, one of them published twice.
//
//go:embed sample.ndjson
var sample string

func newDemoCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See it work: servers, sample events, balances, revenue, proof; ends by itself",
		Long: `Starts everything on free ports in a temporary folder, publishes a small shop's week, shows what became of it, proves it
from the log, and cleans up.`,
		Example:           `  tributary demo`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.demo(command.Context()) },
	}
}

func (a *app) demo(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp(a.tempDir(), "tributary-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // Postgres, run by root, is another user, and must get in
		return fmt.Errorf("open the demo's folder: %w", err)
	}
	a.notef("starting %s and all projectors (the first time installs the servers: a minute or so)", serversHere())
	// Where there is no engine for this machine the demo does without: a server of the user's has tables of his own.
	a.settings = a.settings.with("the demo", map[string]string{clickhouseVariable: ""})
	started := time.Now()
	run, err := a.startDev(ctx, devstack.Options{
		Data: filepath.Join(folder, "data"), Ports: devstack.PortsAuto, Small: true, Logger: a.logger(slog.LevelError),
	}, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.stop(ctx)) }()
	took := time.Since(started).Seconds()
	if err := a.printf("%s and %d projectors run: %.1f s\n", serversHere(), len(run.running.all), took); err != nil {
		return err
	}
	return a.demoSteps(ctx, folder)
}

// step is one thing that the demo shows.
type step struct {
	title string
	do    func(ctx context.Context) error
}

func (a *app) demoSteps(ctx context.Context, folder string) error {
	steps := []step{
		{"publish a shop's week: payments, a refund, disputes, payouts, coins, a blog's revenue", func(ctx context.Context) error {
			return a.demoPublish(ctx, folder, "week.ndjson", sample)
		}},
		{"publish all of it again: nothing counts twice", func(ctx context.Context) error {
			return a.demoPublish(ctx, folder, "week.ndjson", sample)
		}},
		{"a bad event is refused at the door, with its line and field", func(ctx context.Context) error {
			return a.demoRefused(ctx, folder)
		}},
		{"and kept aside where a producer writes it to Kafka itself; no book changes", a.demoQuarantine},
		{"balances: for every asset debits equal credits", func(ctx context.Context) error {
			return a.getBalance(ctx, "", balanceFlags{limit: demoRows})
		}},
		{"payments: one row each, whatever the order in which their events came", func(ctx context.Context) error {
			return a.getPayment(ctx, chosen{ledger: ledger.DefaultLedger, merchant: "acme", limit: demoRows})
		}},
		{"a receipt", func(ctx context.Context) error {
			return a.getReceipt(ctx, "rcpt-1007", receiptFlags{ledger: ledger.DefaultLedger, limit: 1})
		}},
	}
	if a.hasClickHouse() {
		steps = append(steps, step{"revenue by day, as days are in Kathmandu", func(ctx context.Context) error {
			return a.getRevenueOf(ctx, revenueFlags{by: byDay, tz: "Asia/Kathmandu", ledger: ledger.DefaultLedger})
		}})
	}
	steps = append(steps,
		step{"proof: every row, recomputed from the log", func(ctx context.Context) error { return a.verify(ctx, nil) }})
	for _, s := range steps {
		if err := a.printf("\n── %s\n", s.title); err != nil {
			return err
		}
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return a.printf("\nThat was all of it, and it is cleaned up. To keep one running: make dev\n")
}

const demoRows = 50

func (a *app) demoPublish(ctx context.Context, folder, name, lines string) error {
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		return fmt.Errorf("write the demo's events: %w", err)
	}
	return a.publish(ctx, path, publishFlags{wait: true, timeout: time.Minute, brief: true})
}

// badSample is the sample's first posted payment, with a negative amount.
func badSample() string {
	for line := range strings.Lines(sample) {
		if strings.Contains(line, "payment.posted") {
			return strings.Replace(line, `"value":"`, `"value":"-`, 1)
		}
	}
	return ""
}

func (a *app) demoRefused(ctx context.Context, folder string) error {
	err := a.demoPublish(ctx, folder, "bad.ndjson", badSample())
	if errors.Is(err, errNo) {
		return nil
	}
	return errors.Join(err, errors.New("a bad event was not refused"))
}

// demoQuarantine writes the bad event as any Kafka client could, and shows what became of it.
func (a *app) demoQuarantine(ctx context.Context) error {
	kafka, err := a.kafka(a.logger(slog.LevelError))
	if err != nil {
		return err
	}
	client, err := eventlog.NewClient(kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	record, err := client.ProduceSync(ctx, &kgo.Record{Topic: eventlog.TopicPayments, Value: []byte(badSample())}).First()
	if err != nil {
		return fmt.Errorf("write a record as another producer would: %w", err)
	}
	place := eventlog.TopicPartition{Topic: record.Topic, Partition: record.Partition}
	ends := map[eventlog.TopicPartition]int64{place: record.Offset + 1}
	if err := a.awaitProjections(ctx, ends, time.Minute); err != nil {
		return err
	}
	return a.listQuarantine(ctx, quarantine.Filter{Limit: demoRows})
}
