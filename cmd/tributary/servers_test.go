package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// ownServers are servers that a test may kill, pause and set back, each in processes of its own, and the program beside them.
type ownServers struct {
	books
	*testing.T

	kafkaServer                  *devstack.KafkaProcess
	postgresServer               *devstack.Postgres
	clickhouseServer             *devstack.ClickHouse
	postgresHome, clickhouseHome string
}

func newServers(t *testing.T) *ownServers {
	t.Helper()
	home := stacktest.Dir(t) // It is not copied itself: what says that it is wanted must stay in it.
	s := &ownServers{T: t, postgresHome: filepath.Join(home, "postgres"), clickhouseHome: filepath.Join(home, "clickhouse")}
	s.kafkaServer = stacktest.KafkaProcess(t, devstack.KafkaConfig{})
	s.startPostgres(0)
	s.startClickHouse(0)
	t.Cleanup(func() { // nobody wants the data any more
		require.NoError(t, s.postgresServer.Kill())
		require.NoError(t, s.clickhouseServer.Kill())
		require.NoError(t, s.postgresServer.Stop(context.WithoutCancel(t.Context())))
		require.NoError(t, s.clickhouseServer.Stop(context.WithoutCancel(t.Context())))
	})
	s.books = booksAt(s.kafkaServer.Brokers(), s.postgresServer.URL())
	s.clickhouse = s.clickhouseServer.URL()
	s.environ = append(s.environ, clickhouseVariable+"="+s.clickhouse, "TRIBUTARY_KAFKA_SESSION_TIMEOUT=2s")
	s.must(t, "migrate", "--partitions", "3")
	return s
}

func (s *ownServers) startPostgres(port int) {
	s.Helper()
	var err error
	s.postgresServer, err = devstack.StartPostgres(s.Context(), devstack.PostgresOptions{Home: s.postgresHome, Port: port, Small: true})
	require.NoError(s, err)
}

func (s *ownServers) startClickHouse(port int) {
	s.Helper()
	var err error
	s.clickhouseServer, err = devstack.StartClickHouse(s.Context(),
		devstack.ClickHouseOptions{Home: s.clickhouseHome, Port: port, Small: true})
	require.NoError(s, err)
}

// copyOf copies a server's folder as a backup does, and returns where to. The server must be stopped.
func (s *ownServers) copyOf(home string) string {
	s.Helper()
	backup := filepath.Join(stacktest.Dir(s), "backup")
	s.copyTo(home, backup)
	return backup
}

func (s *ownServers) copyTo(from, to string) {
	s.Helper()
	require.NoError(s, os.RemoveAll(to))
	said, err := exec.CommandContext(s.Context(), "cp", "-a", from, to).CombinedOutput()
	require.NoError(s, err, string(said))
}

// withPostgresStopped does something with its folder.
func (s *ownServers) withPostgresStopped(do func(home string)) {
	s.Helper()
	port := s.postgresServer.Port()
	require.NoError(s, s.postgresServer.Stop(s.Context()))
	do(s.postgresHome)
	s.startPostgres(port)
}

// withClickHouseStopped does something with its folder.
func (s *ownServers) withClickHouseStopped(do func(home string)) {
	s.Helper()
	port := s.clickhouseServer.Port()
	require.NoError(s, s.clickhouseServer.Stop(s.Context()))
	do(s.clickhouseHome)
	s.startClickHouse(port)
}

// spawned is the program in a process of its own.
type spawned struct {
	t       testing.TB
	command *exec.Cmd
	said    *syncBuffer
	ended   chan struct{}
}

// spawn starts the program; it dies with the test.
func (s *ownServers) spawn(args ...string) *spawned {
	s.Helper()
	self, err := os.Executable()
	require.NoError(s, err)
	command := exec.CommandContext(context.Background(), self, args...)
	p := &spawned{s, command, &syncBuffer{}, make(chan struct{})}
	command.Env = append(append(os.Environ(), programVariable+"=1", "TRIBUTARY_METRICS_ADDR=127.0.0.1:0"), s.environ...)
	command.Stdout, command.Stderr = p.said, p.said
	require.NoError(s, command.Start())
	go func() {
		_ = command.Wait() // its state tells
		close(p.ended)
	}()
	s.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.signal(syscall.SIGKILL)
		<-p.ended
		if s.Failed() {
			said := p.said.String()
			s.Logf("the end of what %v said:\n%s", args, said[max(0, len(said)-6000):])
		}
	})
	return p
}

// projectors starts a process for these projections, and returns the URL of its health.
func (s *ownServers) projectors(names ...string) (p *spawned, health string) {
	s.Helper()
	p = s.spawn(append([]string{"project", "--log-format", "json"}, names...)...)
	s.eventually(time.Minute, "a projector starts", func() bool {
		for line := range strings.Lines(p.said.String()) {
			var entry struct {
				Msg    string `json:"msg"`
				Health string `json:"health"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "projecting" {
				health = entry.Health
			}
		}
		return health != ""
	})
	return p, health
}

func (p *spawned) signal(signal syscall.Signal) { _ = p.command.Process.Signal(signal) } // an ended one needs none

func (p *spawned) exitCode() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		require.FailNow(p.t, "it does not end", p.said.String())
	}
	return p.command.ProcessState.ExitCode()
}

// eventually waits until something holds, and returns how long that took.
func (s *ownServers) eventually(most time.Duration, what string, holds func() bool) time.Duration {
	s.Helper()
	began := time.Now()
	require.Eventually(s, holds, most, 200*time.Millisecond, what) // a look is most of a tenth of a second's work
	return time.Since(began).Round(time.Second / 10)
}

// report is what status says, and its exit code.
func (s *ownServers) report() (statusReport, int) {
	s.Helper()
	got := s.run(s.T, "status", "--json")
	return decode[statusReport](s.T, got.stdout), got.code
}

// of is what status says of a projection.
func (s *ownServers) of(name string) projectionStatus {
	s.Helper()
	report, _ := s.report()
	for _, p := range report.Projections {
		if p.Name == name {
			return p
		}
	}
	require.FailNow(s, "status does not know of "+name)
	return projectionStatus{}
}

// publish publishes events of a seed.
func (s *ownServers) publish(events, seed int) {
	s.Helper()
	s.must(s.T, "simulate", "--events", strconv.Itoa(events), "--seed", strconv.Itoa(seed))
}

// pool is one of the test's own.
func (s *ownServers) pool() *pgxpool.Pool {
	s.Helper()
	pool, err := postgres.Open(s.Context(), s.url)
	require.NoError(s, err)
	s.Cleanup(pool.Close)
	return pool
}

// caughtUp waits until all of the log is in all projections.
func (s *ownServers) caughtUp() {
	s.Helper()
	waitForLog(s, eventlog.Config{Brokers: s.kafkaServer.Brokers()}, s.pool())
}

// readiness asks a process: ready or not, and why.
func (s *ownServers) readiness(health string) (ready bool, why string) {
	s.Helper()
	got := askHealth(s.T, health)
	return got.code == exitDone, got.stdout
}
