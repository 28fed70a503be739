package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// ServeKafka runs an embedded cluster in this process until ctx ends, and then stops it in order. It calls ready once, when the cluster
// answers.
func ServeKafka(ctx context.Context, config KafkaConfig, logger *slog.Logger, ready func() error) error {
	kafka, err := OpenKafka(ctx, config, logger)
	if err != nil {
		return err
	}
	defer kafka.Close()
	if err := ready(); err != nil {
		return fmt.Errorf("telling that Kafka is ready: %w", err)
	}
	<-ctx.Done()
	return nil
}

// KafkaProcess is an embedded cluster of one broker in a process of its own, which can be killed, paused and restarted. Its methods may
// be called from any goroutine.
type KafkaProcess struct {
	childServer

	port int
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
	k := &KafkaProcess{childServer: childServer{name: "Kafka", unlock: func() {}}}
	k.launch = func(ctx context.Context) (*process, error) {
		return launchChild(ctx, childSpec{name: "Kafka", server: childKafka, config: config, logFile: filepath.Join(dir, "log")})
	}
	child, err := withPort(ctx, "Kafka", config.Port, func(port int) (*process, error) {
		config.Port, k.port = port, port
		return k.launch(ctx)
	})
	if err != nil {
		return nil, err
	}
	k.start(ctx, child)
	return k, nil
}

// Brokers are the addresses to connect to; they stay the same over restarts.
func (k *KafkaProcess) Brokers() []string {
	return []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(k.port))}
}
