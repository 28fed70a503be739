package devstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// The environment of a child: which server it is to be, and that server's configuration as JSON.
const (
	childEnv        = "TRIBUTARY_DEVSTACK_CHILD"
	childConfigEnv  = "TRIBUTARY_DEVSTACK_CONFIG"
	childKafka      = "kafka"
	childClickHouse = "clickhouse"
)

// readyFD is where a child writes a line when it is ready: the first of exec.Cmd's ExtraFiles.
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP) // the parent decides when we stop
	pipe := os.NewFile(readyFD, "ready")
	ready := func() error {
		_, err := pipe.WriteString("ready\n")
		return errors.Join(err, pipe.Close())
	}
	switch server {
	case childKafka:
		var config KafkaConfig
		if err := readChildConfig(&config); err != nil {
			return err
		}
		return ServeKafka(ctx, config, slog.New(slog.NewTextHandler(os.Stderr, nil)), ready)
	case childClickHouse:
		var config clickHouseConfig
		if err := readChildConfig(&config); err != nil {
			return err
		}
		return serveClickHouse(ctx, config, ready)
	}
	return fmt.Errorf("%s=%s: no such server", childEnv, server)
}

func readChildConfig(config any) error {
	if err := json.Unmarshal([]byte(os.Getenv(childConfigEnv)), config); err != nil {
		return fmt.Errorf("reading %s: %w", childConfigEnv, err)
	}
	return nil
}

// childSpec says which server this program, started again, is to be.
type childSpec struct {
	name    string // for messages
	server  string // childKafka, …
	config  any    // becomes JSON
	logFile string
	env     []string // in addition to ours
}

// launchChild starts this program again, to be a server, and returns when that says it is ready.
func launchChild(ctx context.Context, spec childSpec) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if os.Getenv(childEnv) != "" {
		return nil, fmt.Errorf("a program that starts %s as a process must call devstack.RunChildIfAsked first in its main (or TestMain)",
			spec.name)
	}
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program, to start it as %s: %w", spec.name, err)
	}
	config, err := json.Marshal(spec.config)
	if err != nil {
		return nil, fmt.Errorf("writing %s's configuration: %w", spec.name, err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = read.Close() }()
	env := append(os.Environ(), childEnv+"="+spec.server, childConfigEnv+"="+string(config))
	child, err := startProcess(processSpec{
		name: spec.name, path: path, logFile: spec.logFile, extraFiles: []*os.File{write}, deathSig: syscall.SIGKILL,
		env: append(env, spec.env...),
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
		return fmt.Errorf("%s was not ready in time: %w; its log:\n%s", child.name, context.Cause(ctx), child.tail())
	}
	<-child.done // the pipe ended without a word, so the child did too
	return child.ended()
}
