package measure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// Options say what a run has.
type Options struct {
	// Dir is the folder for all data; made when missing, and emptied by Close. Postgres's user must be able to reach it.
	Dir string
	// Apache runs a broker of Apache Kafka in place of the embedded one.
	Apache bool
	// Fill is the default log.
	Fill Fill
	// Say is told what is being prepared, a line each; may be nil.
	Say func(format string, args ...any)
}

// Bed is what a run's measures share: servers, and the logs that were filled.
type Bed struct {
	Options

	// PostgresURL is of the server's own database; fresh ones are made by Stores. fsync is on, as users have it.
	PostgresURL string
	// ClickHouseURL is empty where there is no engine for this machine.
	ClickHouseURL string

	stack *devstack.Stack

	mu      sync.Mutex
	logs    map[Fill]*Log
	brokers []*cluster
	dirs    int
	program string
	stores  int
	kept    *Stores
}

// kafkaServer is a cluster, of either kind.
type kafkaServer interface {
	Brokers() []string
	Kill() error
	Stop(ctx context.Context) error
}

// cluster is one of a log's own.
type cluster struct {
	kafkaServer

	dir   string
	ended bool
}

// end ends it and removes its data, which nobody wants any more.
func (c *cluster) end(ctx context.Context) error {
	if c.ended {
		return nil
	}
	c.ended = true
	ctx = context.WithoutCancel(ctx) // a measure that was given up has to leave nothing, too
	return errors.Join(c.Kill(), c.Stop(ctx), os.RemoveAll(c.dir))
}

// Open starts the stores. Kafka is started with each log.
func Open(ctx context.Context, options Options) (*Bed, error) {
	if options.Say == nil {
		options.Say = func(string, ...any) {}
	}
	if options.Apache {
		if err := devstack.ApacheKafkaHere(ctx); err != nil {
			return nil, fmt.Errorf("apache Kafka: %w", err)
		}
	}
	var stores []string
	for _, name := range devstack.ServersHere() {
		if name != devstack.ServerKafka {
			stores = append(stores, name)
		}
	}
	options.Say("starting %s", strings.Join(stores, " and "))
	stack, err := devstack.Start(ctx, devstack.Options{
		Data: filepath.Join(options.Dir, "stores"), Ports: devstack.PortsAuto, Only: stores, Logger: quiet(),
	})
	if err != nil {
		return nil, fmt.Errorf("start the stores: %w", err)
	}
	at := stack.Endpoints()
	return &Bed{
		Options: options, PostgresURL: at.PostgresURL, ClickHouseURL: at.ClickHouseURL, stack: stack, logs: map[Fill]*Log{},
	}, nil
}

// Close stops all servers and removes their data.
func (b *Bed) Close(ctx context.Context) error {
	dropped := b.dropKept(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	failed := make([]error, 0, len(b.brokers)+3)
	for _, server := range b.brokers {
		failed = append(failed, server.end(ctx))
	}
	failed = append(failed, dropped, b.stack.Stop(ctx), os.RemoveAll(b.Dir))
	return errors.Join(failed...)
}

// FreshDir is an empty folder of this run.
func (b *Bed) FreshDir(name string) (string, error) {
	b.mu.Lock()
	b.dirs++
	dir := filepath.Join(b.Dir, fmt.Sprintf("%s-%d", name, b.dirs))
	b.mu.Unlock()
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Postgres's user passes through it
		return "", fmt.Errorf("make a folder for %s: %w", name, err)
	}
	return dir, nil
}

// startKafka starts a cluster of one broker without topics.
func (b *Bed) startKafka(ctx context.Context) (*cluster, error) {
	dir, err := b.FreshDir("kafka")
	if err != nil {
		return nil, err
	}
	var server kafkaServer
	if b.Apache {
		server, err = devstack.StartApacheKafka(ctx, devstack.ApacheKafkaConfig{Dir: dir, HeapMB: 1024, Steady: true, Logger: quiet()})
	} else {
		server, err = devstack.StartKafka(ctx, devstack.KafkaConfig{Dir: dir})
	}
	if err != nil {
		return nil, fmt.Errorf("start Kafka in %s: %w", dir, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	started := &cluster{kafkaServer: server, dir: dir}
	b.brokers = append(b.brokers, started)
	return started, nil
}

// Program is the path of tributary, built from this module on the first call.
func (b *Bed) Program(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.program != "" {
		return b.program, nil
	}
	b.Say("building tributary")
	path := filepath.Join(b.Dir, "tributary")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "github.com/tributary-ledger/tributary/cmd/tributary")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/tributary: %w\n%s", err, out)
	}
	b.program = path
	return path, nil
}

// quiet is a logger of servers, of which only trouble is of interest.
func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// Dir makes the folder for a run's data, which must be empty or not there; in TMPDIR when no name is given.
func Dir(name string) (string, error) {
	if name == "" {
		made, err := os.MkdirTemp("", "tributary-bench-")
		if err != nil {
			return "", fmt.Errorf("make a folder for the run's data: %w", err)
		}
		name = made
		if err := os.Chmod(name, 0o755); err != nil { //nolint:gosec // Postgres's user passes through it
			return "", fmt.Errorf("open the folder for the run's data to the servers: %w", err)
		}
	} else if err := os.Mkdir(name, 0o755); err != nil { //nolint:gosec // as above
		return "", fmt.Errorf("--dir is a folder to be made and removed: %w", err)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return "", fmt.Errorf("place the run's data: %w", err)
	}
	return path, nil
}

// PostgresLog is the file with what the server has logged.
func (b *Bed) PostgresLog() string { return filepath.Join(b.Dir, "stores", "postgres", "log") }
