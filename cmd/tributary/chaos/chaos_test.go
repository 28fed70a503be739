package chaos

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// TestChaosOnTheEmbeddedKafka has faults of every kind while events flow, twice published ones and broken records among them, and
// proves in the end that every acknowledged event counted once. TRIBUTARY_CHAOS_FAULTS says how many, TRIBUTARY_CHAOS_SEED which, and
// TRIBUTARY_CHAOS_TIME for how long at most, else a minute: a run among other tests is short, and has a third of the traffic.
func TestChaosOnTheEmbeddedKafka(t *testing.T) {
	t.Parallel()
	newChaos(t, embeddedKafka(t)).run(5)
}

// TestChaosOnThreeBrokers does the same on Apache Kafka, three replicas of which two must be in sync. Batches that are all or nothing
// are published as well.
func TestChaosOnThreeBrokers(t *testing.T) {
	t.Parallel()
	newChaos(t, threeBrokers(t)).run(5)
}

// patience bounds waits that only a bug can exceed: everything recovers from every fault in less.
const patience = 3 * time.Minute

// chaos is a run of the suite.
type chaos struct {
	*testing.T

	seed    uint64
	random  *rand.Rand // of the driver's own goroutine
	dir     string
	program string
	environ []string
	stack   *stack
	log     eventlog.Config
	journal *journal
	report  *report
	eased   int // by this the traffic is divided

	quiet   *bell // rings when no more shall be published
	sources sync.WaitGroup
	enough  *bell // rings when all else shall end
	actors  sync.WaitGroup
	copies  []*copyOf
	writers *writers
	files   []*publisher
	readers *readers
	replays *replayer

	sandbox  *copyOf
	gateways []*copyOf
	shop     *shop
}

func newChaos(t *testing.T, kafka kafka) *chaos {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("TRIBUTARY_CHAOS_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, "TRIBUTARY_CHAOS_SEED")
	}
	t.Logf("TRIBUTARY_CHAOS_SEED=%d", seed)
	eased := 1
	if os.Getenv("TRIBUTARY_CHAOS_FAULTS") == "" {
		eased = 3
	}
	c := &chaos{
		T: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir(), report: newReport(),
		journal: newJournal(kafka.forgetsSequences), quiet: newBell(), enough: newBell(), eased: eased,
	}
	c.program = c.build()
	c.stack = startStack(t, kafka)
	c.log = eventlog.Config{Brokers: c.stack.kafka.addresses}
	c.environ = append(os.Environ(), "TRIBUTARY_METRICS_ADDR=127.0.0.1:0", "TRIBUTARY_KAFKA_SESSION_TIMEOUT=4s")
	c.environ = append(c.environ, c.stack.environ()...)
	c.command("migrate")
	return c
}

// run publishes, projects and reads, and meanwhile does harm: as often as the environment says, else so many times. Then it proves.
func (c *chaos) run(count int) {
	c.Helper()
	if given := os.Getenv("TRIBUTARY_CHAOS_FAULTS"); given != "" {
		var err error
		count, err = strconv.Atoi(given)
		require.NoError(c, err, "TRIBUTARY_CHAOS_FAULTS")
	}
	limit := time.Minute
	if given := os.Getenv("TRIBUTARY_CHAOS_TIME"); given != "" {
		var err error
		limit, err = time.ParseDuration(given)
		require.NoError(c, err, "TRIBUTARY_CHAOS_TIME")
	}
	c.startActors()
	began := time.Now()
	c.faults(count, began.Add(limit))
	c.pauseUntilFenced()
	c.settle()
	c.prove()
	c.Logf("%s\nTRIBUTARY_CHAOS_SEED=%d, %s", c.report, c.seed, time.Since(began).Round(time.Second))
}

// faults does harm until it is enough, or late: then it says how often it was.
func (c *chaos) faults(count int, until time.Time) {
	c.Helper()
	dealt := c.deal(count)
	for done := 0; done < len(dealt); {
		if c.Failed() {
			c.FailNow()
		}
		if time.Now().After(until) {
			c.Logf("the time is over after %d of %d faults", done, count)
			return
		}
		c.somewhere()
		together := dealt[done:min(done+1, len(dealt))]
		const seldom = 4 // one in so many comes with the next, where that is of another victim
		if done+1 < len(dealt) && c.random.IntN(seldom) == 0 && dealt[done+1].victim != dealt[done].victim {
			together = dealt[done : done+2]
		}
		c.harm(together, done, count)
		done += len(together)
	}
}

// harm does one fault, or two at once, and sometimes waits until all have recovered.
func (c *chaos) harm(together []fault, before, count int) {
	c.Helper()
	wait := c.random.IntN(2) == 0
	began := time.Now()
	notes, errs := make([]string, len(together)), make([]error, len(together))
	var all sync.WaitGroup
	for i, f := range together {
		random := rand.New(rand.NewPCG(c.seed, uint64(before+i+1)))
		all.Go(func() { notes[i], errs[i] = f.do(c.Context(), random) })
	}
	all.Wait()
	took := time.Since(began)
	recovered := time.Duration(-1)
	if wait {
		recovered = c.recovered()
	}
	for i, f := range together {
		require.NoErrorf(c, errs[i], "fault %d, %s", before+i+1, f.kind)
		c.report.add(f.kind, recovered)
		c.Logf("fault %d of %d: %s%s (%s%s)", before+i+1, count, f.kind, notes[i], took.Round(time.Millisecond), since(recovered))
	}
}

func since(recovered time.Duration) string {
	if recovered < 0 {
		return ""
	}
	return ", all in " + recovered.Round(time.Millisecond).String() + " later"
}

// somewhere waits until a random number of offsets more are in: the next fault comes at no moment in particular.
func (c *chaos) somewhere() {
	c.Helper()
	before := c.readers.offsets()
	more := int64(c.random.IntN(2_000 / c.eased))
	c.await(patience, "the projections go on", func() bool { return c.Failed() || c.readers.offsets() >= before+more })
}

// recovered waits until all that is in the log now is in every projection, and says how long that took.
func (c *chaos) recovered() time.Duration {
	c.Helper()
	began := time.Now()
	ends := c.ends()
	c.await(patience, "every projection has what is in the log", func() bool { return c.Failed() || c.readers.passed(ends) })
	return time.Since(began)
}

func (c *chaos) ends() map[eventlog.TopicPartition]int64 {
	c.Helper()
	admin, err := eventlog.NewAdmin(c.log)
	require.NoError(c, err)
	defer admin.Close()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	for {
		ends, err := admin.EndOffsets(ctx)
		if err == nil {
			return ends
		}
		require.NoError(c, ctx.Err(), "%v", err) // the cluster may be choosing its leaders
		pause(ctx, 100*time.Millisecond)
	}
}

// await waits until something is true.
func (c *chaos) await(patience time.Duration, what string, holds func() bool) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	if !until(ctx, holds) {
		c.tellAll()
		if c.readers != nil {
			c.Logf("behind: %v", c.readers.behind(c.ends()))
		}
		require.FailNow(c, "in vain", "%s, but not within %s", what, patience)
	}
}

// until tells whether something came true before the context ended.
func until(ctx context.Context, holds func() bool) bool {
	for !holds() {
		if !pause(ctx, 5*time.Millisecond) {
			return holds()
		}
	}
	return true
}

// pause waits for a while, and tells whether the context lives.
func pause(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
