package devstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The environment of a child: which server it is to be, and that server's configuration as JSON.
const (
	childEnv       = "TRIBUTARY_DEVSTACK_CHILD"
	childConfigEnv = "TRIBUTARY_DEVSTACK_CONFIG"
	childKafka     = "kafka"
)

// readyFD is where a child writes its addresses when it is ready: the first of exec.Cmd's ExtraFiles.
const readyFD = 3

// RunChildIfAsked turns this process into the embedded server that its parent started it to be, and ends it; otherwise it returns at
// once. A program whose servers run in processes of their own calls it first in main, and a test in TestMain: they start the very
// program that they are part of.
func RunChildIfAsked() {
	if os.Getenv(childEnv) == "" {
		return
	}
	if err := runChild(os.Getenv(childEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:revive // it stands in for main
	}
	os.Exit(0) //nolint:revive // it stands in for main
}

func runChild(server string) error {
	if server != childKafka {
		return fmt.Errorf("%s=%s: no such server", childEnv, server)
	}
	var config KafkaConfig
	if err := json.Unmarshal([]byte(os.Getenv(childConfigEnv)), &config); err != nil {
		return fmt.Errorf("reading %s: %w", childConfigEnv, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP) // the parent decides when we stop
	ready := os.NewFile(readyFD, "ready")
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return ServeKafka(ctx, config, logger, func(brokers []string) error {
		_, err := ready.WriteString(strings.Join(brokers, ",") + "\n")
		return errors.Join(err, ready.Close())
	})
}

// ServeKafka runs an embedded cluster in this process until ctx ends, and then stops it in order. It calls ready once, with the addresses.
func ServeKafka(ctx context.Context, config KafkaConfig, logger *slog.Logger, ready func(brokers []string) error) error {
	kafka, err := OpenKafka(ctx, config, logger)
	if err != nil {
		return err
	}
	defer kafka.Close()
	if err := ready(kafka.Brokers()); err != nil {
		return fmt.Errorf("telling that Kafka is ready: %w", err)
	}
	<-ctx.Done()
	return nil
}

// KafkaProcess is an embedded cluster of one broker in a process of its own, which can be killed, paused and restarted. Its methods may
// be called from any goroutine.
type KafkaProcess struct {
	config KafkaConfig
	log    string

	mu      sync.Mutex // guards what follows
	process *process
	paused  bool
	stopped bool
}

// StartKafka starts this same program again, to be a Kafka server; see RunChildIfAsked. It returns when the server answers. The data in
// config.Dir, which must be given, holds the log of the process too. ctx bounds the start alone.
func StartKafka(ctx context.Context, config KafkaConfig) (*KafkaProcess, error) {
	dir, err := filepath.Abs(config.Dir)
	if err != nil || config.Dir == "" {
		return nil, fmt.Errorf("a Kafka process needs a data folder: %w", errors.Join(err, os.ErrInvalid))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making Kafka's data folder: %w", err)
	}
	config.Dir = dir
	k := &KafkaProcess{config: config, log: filepath.Join(dir, "log")}
	child, err := withPort(ctx, "Kafka", config.Port, func(port int) (*process, error) {
		k.config.Port = port
		return k.launch(ctx)
	})
	if err != nil {
		return nil, err
	}
	k.process = child
	return k, nil
}

// Brokers are the addresses to connect to; they stay the same over restarts.
func (k *KafkaProcess) Brokers() []string {
	return []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(k.config.Port))}
}

// Done returns a channel that is closed when the present process ends, whoever ended it; Restart makes a new one.
func (k *KafkaProcess) Done() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.process.done
}

// Stop ends the server in order, or, when ctx ends first, at once. Stopping twice is no error.
func (k *KafkaProcess) Stop(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return nil
	}
	k.stopped = true
	return k.end(ctx)
}

func (k *KafkaProcess) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return errors.Join(k.resume(), k.process.stop(ctx, syscall.SIGTERM, syscall.SIGKILL))
}

// Kill ends the server with SIGKILL, as a crash would.
func (k *KafkaProcess) Kill() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.paused = false
	return k.process.kill()
}

// Restart starts the server again, on the same port and data, after Kill or a crash; one that still runs is stopped in order first.
func (k *KafkaProcess) Restart(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return errors.New("the Kafka server was stopped for good: start a new one")
	}
	if err := k.end(ctx); err != nil {
		return err
	}
	child, err := k.launch(ctx)
	if err != nil {
		return err
	}
	k.process = child
	return nil
}

// Pause stops the server's process (SIGSTOP): connections stay open and nobody answers.
func (k *KafkaProcess) Pause() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.paused = true
	return k.process.signalTree(syscall.SIGSTOP)
}

// Resume lets a paused server go on.
func (k *KafkaProcess) Resume() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.resume()
}

func (k *KafkaProcess) resume() error {
	if !k.paused {
		return nil
	}
	k.paused = false
	return k.process.signalTree(syscall.SIGCONT)
}

func (k *KafkaProcess) launch(ctx context.Context) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if os.Getenv(childEnv) != "" {
		return nil, errors.New("a program that starts Kafka as a process must call devstack.RunChildIfAsked first in its main (or TestMain)")
	}
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program, to start it as Kafka: %w", err)
	}
	config, err := json.Marshal(k.config)
	if err != nil {
		return nil, fmt.Errorf("writing Kafka's configuration: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = read.Close() }()
	child, err := startProcess(processSpec{
		name: "Kafka", path: path, logFile: k.log, extraFiles: []*os.File{write}, deathSig: syscall.SIGKILL,
		env: append(os.Environ(), childEnv+"="+childKafka, childConfigEnv+"="+string(config)),
	})
	_ = write.Close() // the child has its own; ours would hide its end
	if err != nil {
		return nil, err
	}
	if err := awaitChild(ctx, child, read); err != nil {
		return nil, errors.Join(err, child.kill())
	}
	return child, nil
}

// awaitChild returns when the child has said that it is ready.
func awaitChild(ctx context.Context, child *process, ready *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = ready.Close() })
	defer stop()
	said, err := io.ReadAll(ready)
	if err == nil && strings.HasSuffix(string(said), "\n") {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("Kafka was not ready in time: %w; its log:\n%s", context.Cause(ctx), child.tail())
	}
	<-child.done // the pipe ended without a word, so the child did too
	return child.ended()
}
