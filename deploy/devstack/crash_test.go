package devstack_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// patience bounds the waits for what the system does in its own time.
const patience = 30 * time.Second

func TestNoProcessOutlivesAKilledParent(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"parent", "pausing parent"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			dir := stacktest.Dir(t)
			parent := self(t, role, dir)
			stdin, err := parent.StdinPipe()
			require.NoError(t, err)
			defer func() { _ = stdin.Close() }()
			stdout, err := parent.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, parent.Start())
			line, err := bufio.NewReader(stdout).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "ready\n", line)
			require.NotEmpty(t, processesOf(t, dir))
			require.NoError(t, parent.Process.Kill())
			require.Error(t, parent.Wait())
			require.Eventually(t, func() bool { return len(processesOf(t, dir)) == 0 }, patience, 20*time.Millisecond)
			// What they left does not hinder the next start.
			stack := stacktest.Stack(t, devstack.Options{Data: dir})
			require.NoError(t, write(t.Context(), stack))
		})
	}
}

// The next start may come while the servers of a killed parent are still ending.
func TestAStartRightAfterAKillWaitsForTheOrphans(t *testing.T) {
	t.Parallel()
	dir := stacktest.Dir(t)
	stack := stacktest.Stack(t, devstack.Options{Data: dir, Only: []string{devstack.ServerPostgres}})
	require.NoError(t, write2(t.Context(), stack))
	stop(t, stack)
	for range 3 {
		parent := self(t, "parent", dir)
		stdin, err := parent.StdinPipe()
		require.NoError(t, err)
		stdout, err := parent.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, parent.Start())
		line, err := bufio.NewReader(stdout).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ready\n", line)
		require.NoError(t, parent.Process.Kill())
		require.Error(t, parent.Wait())
		_ = stdin.Close()
	}
	stack = stacktest.Stack(t, devstack.Options{Data: dir})
	require.NoError(t, exec(t.Context(), stack.Endpoints().PostgresURL, "INSERT INTO numbers VALUES (2)"))
}

func write2(ctx context.Context, stack *devstack.Stack) error {
	return exec(ctx, stack.Endpoints().PostgresURL, "CREATE TABLE numbers AS SELECT 1 AS n")
}

func TestPostgresKeepsWhatItCommittedThroughKills(t *testing.T) {
	t.Parallel()
	server := stacktest.PostgresServer(t)
	url := server.URL()
	require.NoError(t, exec(t.Context(), url, "CREATE TABLE numbers (n int)"))
	var committed int
	for range 3 {
		enough := make(chan struct{})
		killed := make(chan error, 1)
		go func() {
			<-enough
			killed <- server.Kill()
		}()
		committed = insertUntilRefused(t, url, committed, enough)
		require.NoError(t, <-killed)
		require.NoError(t, server.Restart(t.Context()))
		require.Equal(t, url, server.URL())
	}
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var missing int
	require.NoError(t, conn.QueryRow(t.Context(),
		"SELECT count(*) FROM generate_series(1, $1) AS s WHERE s NOT IN (SELECT n FROM numbers)", committed).Scan(&missing))
	require.Zero(t, missing)
}

// insertUntilRefused commits committed+1, +2, … each alone until the server dies, and returns the last number committed for sure. It
// closes enough after twenty.
func insertUntilRefused(t *testing.T, url string, committed int, enough chan<- struct{}) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for done := 1; ; done++ {
		if _, err := conn.Exec(t.Context(), "INSERT INTO numbers VALUES ($1)", committed+1); err != nil {
			return committed
		}
		committed++
		if done == 20 {
			close(enough)
		}
	}
}

func TestKafkaKeepsWhatItAcknowledgedThroughKills(t *testing.T) {
	t.Parallel()
	kafka := stacktest.KafkaProcess(t, devstack.KafkaConfig{})
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
	require.NoError(t, err)
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, topic)
	require.NoError(t, err)
	acknowledged := map[string]bool{}
	for round := range 3 {
		var landed atomic.Int64
		results := make(chan string, 1000)
		for i := range 1000 {
			value := fmt.Sprintf("%d/%d", round, i)
			client.Produce(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}, func(r *kgo.Record, err error) {
				if err == nil {
					landed.Add(1)
					results <- string(r.Value)
					return
				}
				results <- ""
			})
			if i == 500 {
				require.Eventually(t, func() bool { return landed.Load() > 0 }, patience, time.Millisecond)
				require.NoError(t, kafka.Kill())
				require.NoError(t, kafka.Restart(t.Context()))
			}
		}
		for range 1000 {
			acknowledged[<-results] = true
		}
	}
	require.NotContains(t, acknowledged, "", "a client that retries gets everything in")
	require.NoError(t, kafka.Kill())
	require.NoError(t, kafka.Restart(t.Context()))
	kept, err := consume(t.Context(), kafka.Brokers(), len(acknowledged))
	require.NoError(t, err)
	for _, value := range kept {
		delete(acknowledged, value)
	}
	require.Empty(t, acknowledged)
}

func TestPausedServersAnswerAgain(t *testing.T) {
	t.Parallel()
	stack := stacktest.Stack(t, devstack.Options{})
	require.NoError(t, stack.Postgres().Pause())
	require.NoError(t, stack.Kafka().Pause())
	require.NoError(t, stack.ClickHouse().Pause())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, exec(ctx, stack.Endpoints().PostgresURL, "SELECT 1"), context.DeadlineExceeded)
	require.NoError(t, stack.Postgres().Resume())
	require.NoError(t, stack.Kafka().Resume())
	require.NoError(t, stack.ClickHouse().Resume())
	require.NoError(t, write(t.Context(), stack))
	require.NoError(t, stack.Postgres().Pause())
	require.NoError(t, stack.Kafka().Pause())
	require.NoError(t, stack.ClickHouse().Pause()) // and Stop copes
}

// self is this binary in a role, in the folder dir.
func self(t *testing.T, role, dir string) *osexec.Cmd {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	cmd := osexec.CommandContext(t.Context(), path, dir)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// processesOf lists the living processes that have to do with dir: it is among their arguments, their environment or their folder.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	entries, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, entry := range entries {
		if filepath.Base(entry) == strconv.Itoa(os.Getpid()) {
			continue
		}
		arguments, _ := os.ReadFile(filepath.Join(entry, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(entry, "environ"))
		folder, _ := os.Readlink(filepath.Join(entry, "cwd"))
		if strings.Contains(string(arguments)+string(environment)+folder, dir) {
			found = append(found, entry+" "+strings.ReplaceAll(string(arguments), "\x00", " "))
		}
	}
	return found
}
