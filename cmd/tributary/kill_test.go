package main

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// TestKillProjectors kills and pauses projector processes, and ClickHouse, at random moments while events flow, twice published
// events and broken records among them, and proves in the end that every event counted once. TRIBUTARY_CHAOS_KILLS says how
// often (10), TRIBUTARY_CHAOS_SEED which moments.
func TestKillProjectors(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	stopPublishing := c.publish()
	copies := []*process{c.start("project"), c.start("project")}
	for kill := range c.kills {
		c.progress()
		victim := c.random.IntN(len(copies) + 1)
		if victim == len(copies) {
			t.Logf("kill %d of %d: ClickHouse", kill+1, c.kills)
			require.NoError(t, c.clickhouse.Kill())
			require.NoError(t, c.clickhouse.Restart(t.Context()))
			continue
		}
		t.Logf("kill %d of %d: copy %d", kill+1, c.kills, victim)
		copies[victim].signal(syscall.SIGKILL)
		copies[victim].wait()
		copies[victim] = c.start("project")
	}
	c.pauseUntilFenced(copies)
	published := stopPublishing()
	waitForLog(t, c.log, c.pool)
	for _, p := range copies {
		p.signal(syscall.SIGTERM)
		require.Zero(t, p.wait().ExitCode(), "a projector that is told to stop ends in order")
	}
	c.prove(published)
}

// chaos is a stack with one source of chance.
type chaos struct {
	*testing.T

	random     *rand.Rand
	kills      int
	environ    []string
	log        eventlog.Config
	pool       *pgxpool.Pool
	clickhouse *devstack.ClickHouse
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("TRIBUTARY_CHAOS_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, "TRIBUTARY_CHAOS_SEED")
	}
	kills := 10
	if given := os.Getenv("TRIBUTARY_CHAOS_KILLS"); given != "" {
		var err error
		kills, err = strconv.Atoi(given)
		require.NoError(t, err, "TRIBUTARY_CHAOS_KILLS")
	}
	t.Logf("TRIBUTARY_CHAOS_SEED=%d TRIBUTARY_CHAOS_KILLS=%d", seed, kills)
	brokers, url := stacktest.Kafka(t), stacktest.Postgres(t)
	pool, err := postgres.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	c := &chaos{
		T: t, random: rand.New(rand.NewPCG(seed, 0)), kills: kills, pool: pool,
		log: eventlog.Config{Brokers: brokers}, clickhouse: stacktest.ClickHouseServer(t),
		environ: append(os.Environ(), programVariable+"=1", "TRIBUTARY_METRICS_ADDR=127.0.0.1:0", "TRIBUTARY_KAFKA_SESSION_TIMEOUT=2s",
			"TRIBUTARY_KAFKA_BROKERS="+strings.Join(brokers, ","), "TRIBUTARY_POSTGRES_URL="+url),
	}
	c.environ = append(c.environ, clickhouseVariable+"="+c.clickhouse.URL())
	c.run("migrate")
	return c
}

// run runs a command in this process.
func (c *chaos) run(args ...string) string {
	c.Helper()
	var out, errs strings.Builder
	code := run(c.Context(), world{args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, environ: c.environ})
	require.Zerof(c, code, "%v said:\n%s%s", args, out.String(), errs.String())
	return out.String()
}

// process is a copy of the program.
type process struct {
	c       *chaos
	command *exec.Cmd
	log     string
	ended   chan struct{}
}

// start starts a copy of the program, which dies with the test.
func (c *chaos) start(args ...string) *process {
	c.Helper()
	self, err := os.Executable()
	require.NoError(c, err)
	file, err := os.Create(filepath.Join(c.TempDir(), "log"))
	require.NoError(c, err)
	command := exec.CommandContext(context.Background(), self, args...)
	command.Env, command.Stdout, command.Stderr = c.environ, file, file
	require.NoError(c, command.Start())
	p := &process{c, command, file.Name(), make(chan struct{})}
	go func() {
		_ = command.Wait() // its state tells
		_ = file.Close()
		close(p.ended)
	}()
	c.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		if c.Failed() {
			c.Logf("the end of the log of process %d:\n%s", command.Process.Pid, p.tail())
		}
	})
	return p
}

func (p *process) signal(signal syscall.Signal) { _ = p.command.Process.Signal(signal) } // an ended one needs none

func (p *process) wait() *os.ProcessState {
	<-p.ended
	return p.command.ProcessState
}

func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	const most = 4_000
	return string(text[max(0, len(text)-most):])
}

func (p *process) fenced() int {
	text, err := os.ReadFile(p.log)
	require.NoError(p.c, err)
	return strings.Count(string(text), "fenced; joining again")
}

// published is what went into the log.
type published struct {
	ids    map[uuid.UUID]bool
	broken int
}

// publish appends simulated events until it is told to stop: each hundred in order, some of them again under another key
// and so perhaps on another partition, and a broken record now and then.
func (c *chaos) publish() (stop func() published) {
	events, err := simulation.New(simulation.Options{Seed: c.random.Uint64(), Events: 10_000_000, Accounts: 200})
	require.NoError(c, err)
	writer, err := eventlog.NewWriter(c.log)
	require.NoError(c, err)
	random := rand.New(rand.NewPCG(c.random.Uint64(), 0))
	sum := published{ids: map[uuid.UUID]bool{}}
	enough, done := make(chan struct{}), make(chan error, 1)
	go func() {
		defer writer.Close()
		ticker := time.NewTicker(40 * time.Millisecond) // 2,500 events a second
		defer ticker.Stop()
		for {
			select {
			case <-enough:
				done <- nil
				return
			case <-ticker.C:
			}
			if err := c.publishSome(writer, events, random, &sum); err != nil {
				done <- err
				return
			}
		}
	}()
	return func() published {
		close(enough)
		require.NoError(c, <-done)
		return sum
	}
}

func (c *chaos) publishSome(writer *eventlog.Writer, events *simulation.Simulation, random *rand.Rand, sum *published) error {
	batch := make([]*ledger.Event, 0, 120)
	for range 100 {
		event, _ := events.Next()
		batch = append(batch, event)
		sum.ids[event.ID] = true
		if random.IntN(5) == 0 {
			again := *event
			again.PartitionKey = strconv.Itoa(random.IntN(1_000))
			batch = append(batch, &again)
		}
	}
	if _, err := writer.PublishAll(c.Context(), batch); err != nil {
		return err
	}
	if random.IntN(4) > 0 {
		return nil
	}
	client, err := eventlog.NewClient(c.log)
	if err != nil {
		return err
	}
	defer client.Close()
	sum.broken++
	broken := &kgo.Record{Topic: eventlog.TopicPayments, Value: []byte(`{"specversion":"1.0"`)}
	return client.ProduceSync(c.Context(), broken).FirstErr()
}

// offsets are the sum of all next offsets and of all epochs.
func (c *chaos) offsets() (next, epochs int64) {
	c.Helper()
	require.NoError(c, c.pool.QueryRow(c.Context(), `SELECT coalesce(sum(next_offset), 0)::int8, coalesce(sum(epoch), 0)::int8
		FROM tributary.progress`).Scan(&next, &epochs))
	return next, epochs
}

// patience bounds waits that only a bug can exceed.
const patience = 2 * time.Minute

// progress waits until a random number of offsets more are in: the next kill comes at no moment in particular.
func (c *chaos) progress() {
	c.Helper()
	before, _ := c.offsets()
	more := int64(c.random.IntN(4_000))
	require.Eventually(c, func() bool {
		next, _ := c.offsets()
		return next >= before+more
	}, patience, time.Millisecond)
}

// pauseUntilFenced stops a copy in its tracks, as a paused machine does, until the other has its partitions, and then lets
// it go on with what it held in its hands: it must be refused. A copy that held nothing at that moment is paused again.
func (c *chaos) pauseUntilFenced(copies []*process) {
	c.Helper()
	const most = 10
	for try := range most {
		c.progress()
		paused := copies[try%len(copies)]
		_, before := c.offsets()
		paused.signal(syscall.SIGSTOP)
		require.Eventually(c, func() bool {
			_, epochs := c.offsets()
			return epochs > before
		}, patience, 10*time.Millisecond, "the other copy takes over")
		c.progress()
		paused.signal(syscall.SIGCONT)
		c.progress()
		fenced := 0
		for _, p := range copies {
			fenced += p.fenced()
		}
		if fenced > 0 {
			c.Logf("fenced after %d pauses", try+1)
			return
		}
	}
	c.Fatalf("in %d pauses no copy was ever fenced", most)
}

// waitForLog waits until every projection has all of the log.
func waitForLog(t testing.TB, log eventlog.Config, pool *pgxpool.Pool) {
	t.Helper()
	admin, err := eventlog.NewAdmin(log)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	rows, err := pool.Query(t.Context(), `SELECT projection FROM tributary.live`)
	require.NoError(t, err)
	live, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	readers := map[string]int{}
	for _, definition := range definitions() {
		if !slices.Contains(live, definition.Name) {
			continue
		}
		for _, topic := range definition.Topics {
			readers[topic]++
		}
	}
	require.Eventually(t, func() bool {
		for p, end := range ends {
			var in int
			err := pool.QueryRow(t.Context(), `SELECT count(*) FROM books.progress
				WHERE topic = $1 AND "partition" = $2 AND next_offset >= $3`, p.Topic, p.Partition, end).Scan(&in)
			if err != nil || in < readers[p.Topic] {
				return false
			}
		}
		return true
	}, patience, 20*time.Millisecond)
}

// prove compares the books with what was published, by counting, and with the log, by the audit.
func (c *chaos) prove(sum published) {
	c.Helper()
	var events, broken int
	var balanced bool
	require.NoError(c, c.pool.QueryRow(c.Context(), `SELECT (SELECT count(*) FROM balances.identity),
		(SELECT count(*) FROM books.quarantine),
		(SELECT bool_and(d = c) FROM (SELECT sum(debits) d, sum(credits) c FROM books.account_balances GROUP BY ledger, asset_code) s)`,
	).Scan(&events, &broken, &balanced))
	require.Equal(c, len(sum.ids), events, "each event counts once")
	require.Equal(c, sum.broken, broken, "each broken record is kept")
	require.True(c, balanced)
	c.Logf("%d events, %d broken records\n%s", events, broken, c.run("verify"))
}
