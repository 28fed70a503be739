package devstack_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// roleEnv makes this binary play another program: one that a test wants to kill, or to run as another user.
const roleEnv = "DEVSTACK_TEST_ROLE"

const topic = "events"

func TestMain(m *testing.M) {
	devstack.RunChildIfAsked()
	if role := os.Getenv(roleEnv); role != "" {
		if err := play(role); err != nil {
			_, _ = fmt.Fprintln(os.Stdout, "failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	stacktest.Main(m)
}

// play runs a role; its first argument is a folder.
func play(role string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dir := os.Args[1]
	switch role {
	case "parent":
		return playParent(ctx, dir, false)
	case "pausing parent":
		return playParent(ctx, dir, true)
	case "user":
		return playUser(ctx, dir)
	case "installer":
		_, err := devstack.Install(ctx, slog.Default())
		return err
	}
	return fmt.Errorf("no such role: %s", role)
}

// playParent runs a stack until it is killed, or its standard input ends.
func playParent(ctx context.Context, dir string, pause bool) error {
	stack, err := devstack.Start(ctx, devstack.Options{Data: dir, Ports: devstack.PortsAuto, Small: true})
	if err != nil {
		return err
	}
	if pause {
		if err := stack.Postgres().Pause(); err != nil {
			return err
		}
		if err := stack.Kafka().Pause(); err != nil {
			return err
		}
		if err := stack.ClickHouse().Pause(); err != nil {
			return err
		}
	}
	_, sayErr := fmt.Fprintln(os.Stdout, "ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(sayErr, err)
}

// playUser does what a new user's first two minutes do: start, write, stop, start, read, stop.
func playUser(ctx context.Context, dir string) error {
	for _, step := range []func(context.Context, *devstack.Stack) error{write, read} {
		stack, err := devstack.Start(ctx, devstack.Options{Data: filepath.Join(dir, "data"), Ports: devstack.PortsAuto, Small: true})
		if err != nil {
			return err
		}
		if _, err := stack.WriteEndpoints(nil); err != nil {
			return err
		}
		if err := step(ctx, stack); err != nil {
			return err
		}
		if err := stack.Stop(ctx); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(os.Stdout, "done as", os.Geteuid())
	return err
}

// write leaves a row in Postgres, one in ClickHouse, and a record in Kafka.
func write(ctx context.Context, stack *devstack.Stack) error {
	if err := withClickHouse(stack, func(conn driver.Conn) error {
		return conn.Exec(ctx, "CREATE TABLE kept ENGINE = MergeTree ORDER BY () AS SELECT 'a row' AS what")
	}); err != nil {
		return err
	}
	if err := exec(ctx, stack.Endpoints().PostgresURL, "CREATE TABLE kept AS SELECT 'a row' AS what"); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(stack.Endpoints().KafkaBrokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		return err
	}
	return client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("a record")}).FirstErr()
}

// read fails unless what write left is there.
func read(ctx context.Context, stack *devstack.Stack) error {
	conn, err := pgx.Connect(ctx, stack.Endpoints().PostgresURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var row string
	if err := conn.QueryRow(ctx, "SELECT what FROM kept").Scan(&row); err != nil {
		return err
	}
	values, err := consume(ctx, stack.Endpoints().KafkaBrokers, 1)
	if err != nil {
		return err
	}
	var column string
	if err := withClickHouse(stack, func(conn driver.Conn) error {
		return conn.QueryRow(ctx, "SELECT what FROM kept").Scan(&column)
	}); err != nil {
		return err
	}
	if row != "a row" || values[0] != "a record" || column != "a row" {
		return fmt.Errorf("found %q, %q and %q", row, values[0], column)
	}
	return nil
}

func withClickHouse(stack *devstack.Stack, do func(conn driver.Conn) error) error {
	options, err := clickhouse.ParseDSN(stack.Endpoints().ClickHouseURL)
	if err != nil {
		return err
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close())
}

// consume returns the first n values of the topic.
func consume(ctx context.Context, brokers []string, n int) ([]string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values, nil
}

func exec(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

func stop(t *testing.T, stack *devstack.Stack) {
	t.Helper()
	require.NoError(t, stack.Stop(context.WithoutCancel(t.Context())))
}
