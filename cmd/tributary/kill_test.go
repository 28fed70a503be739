package main

import (
	"math/rand/v2"
	"os"
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

// TestKillProjectors kills projectors, ClickHouse and publishers at random moments while events flow, twice published ones and
// broken records among them, and proves in the end that every acknowledged event counted once. TRIBUTARY_CHAOS_KILLS says how
// many faults (10), TRIBUTARY_CHAOS_SEED which, and where.
func TestKillProjectors(t *testing.T) {
	t.Parallel()
	c := newChaos(t, stacktest.Kafka(t), nil)
	c.faults(10, func() { c.pauseUntilFenced() })
	c.prove()
}

// TestKillBrokers does the same on Apache Kafka, and kills, pauses and restarts the brokers too: the only one, and of three one
// or most of them. Batches that are all or nothing are published as well.
//
//nolint:tparallel // one cluster at a time: each broker is a JVM
func TestKillBrokers(t *testing.T) {
	t.Parallel()
	for _, brokers := range []int{1, 3} { //nolint:paralleltest // as above
		t.Run("Of"+strconv.Itoa(brokers), func(t *testing.T) {
			kafka := stacktest.ApacheKafka(t, devstack.ApacheKafkaConfig{Brokers: brokers})
			c := newChaos(t, kafka.Brokers(), kafka)
			c.faults(len(c.deck()), func() {})
			c.prove()
		})
	}
}

// chaos is a stack with one source of chance, and what was published to it.
type chaos struct {
	*testing.T

	random     *rand.Rand
	environ    []string
	log        eventlog.Config
	pool       *pgxpool.Pool
	clickhouse *devstack.ClickHouse
	kafka      *devstack.ApacheKafka // nil where it is the embedded one, which is part of this process
	brokers    []*devstack.Broker
	copies     []*process // of the projectors
	journal    *journal
	publishers *publishers
}

func newChaos(t *testing.T, addresses []string, kafka *devstack.ApacheKafka) *chaos {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("TRIBUTARY_CHAOS_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, "TRIBUTARY_CHAOS_SEED")
	}
	t.Logf("TRIBUTARY_CHAOS_SEED=%d", seed)
	url := stacktest.Postgres(t)
	pool, err := postgres.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	c := &chaos{
		T: t, random: rand.New(rand.NewPCG(seed, 0)), pool: pool, log: eventlog.Config{Brokers: addresses},
		clickhouse: stacktest.ClickHouseServer(t), kafka: kafka, journal: newJournal(),
		environ: append(os.Environ(), programVariable+"=1", "TRIBUTARY_METRICS_ADDR=127.0.0.1:0", "TRIBUTARY_KAFKA_SESSION_TIMEOUT=2s",
			"TRIBUTARY_KAFKA_BROKERS="+strings.Join(addresses, ","), "TRIBUTARY_POSTGRES_URL="+url),
	}
	if kafka != nil {
		for i := range addresses {
			c.brokers = append(c.brokers, kafka.Broker(i+1))
		}
	}
	c.environ = append(c.environ, clickhouseVariable+"="+c.clickhouse.URL())
	c.run("migrate")
	return c
}

// faults publishes and projects, and meanwhile does harm: as often as the environment says, else so many times, and then last.
// It returns when everything is published and projected.
func (c *chaos) faults(count int, last func()) {
	c.Helper()
	if given := os.Getenv("TRIBUTARY_CHAOS_KILLS"); given != "" {
		var err error
		count, err = strconv.Atoi(given)
		require.NoError(c, err, "TRIBUTARY_CHAOS_KILLS")
	}
	c.publishers = c.publish()
	c.copies = []*process{c.start("project"), c.start("project")}
	for i, one := range c.deal(count) {
		c.progress()
		began := time.Now()
		what := one()
		c.Logf("fault %d of %d: %s (%s)", i+1, count, what, time.Since(began).Round(time.Millisecond))
	}
	last()
	c.publishers.stop()
	waitForLog(c, c.log, c.pool)
	for _, p := range c.copies {
		p.signal(syscall.SIGTERM)
		require.Zero(c, p.wait().ExitCode(), "a projector that is told to stop ends in order")
	}
}

// deal shuffles the deck, again and again, so that a short run has every kind of fault too.
func (c *chaos) deal(count int) []fault {
	var dealt []fault
	for len(dealt) < count {
		deck := c.deck()
		c.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		dealt = append(dealt, deck...)
	}
	return dealt[:count]
}

// run runs a command in this process.
func (c *chaos) run(args ...string) string {
	c.Helper()
	var out, errs strings.Builder
	code := run(c.Context(), world{args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, environ: c.environ})
	require.Zerof(c, code, "%v said:\n%s%s", args, out.String(), errs.String())
	return out.String()
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

// progress waits until a random number of offsets more are in: the next fault comes at no moment in particular.
func (c *chaos) progress() {
	c.Helper()
	before, _ := c.offsets()
	more := int64(c.random.IntN(4_000))
	require.Eventually(c, func() bool {
		next, _ := c.offsets()
		return next >= before+more
	}, patience, time.Millisecond, "the projections go on")
}
