package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// fault does harm, undoes it, and says more about it than its kind does.
type fault struct {
	kind   string
	victim string // two faults at once have different ones
	do     func(ctx context.Context, random *rand.Rand) (string, error)
}

// deal shuffles the deck, again and again: a long run has each fault about as often as any other. TRIBUTARY_CHAOS_WITHOUT names those to
// leave out, with semicolons between.
func (c *chaos) deal(count int) []fault {
	without := strings.Split(os.Getenv("TRIBUTARY_CHAOS_WITHOUT"), ";")
	var dealt []fault
	for len(dealt) < count {
		deck := c.deck()
		deck = slices.DeleteFunc(deck, func(f fault) bool { return slices.Contains(without, f.kind) })
		c.random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		dealt = append(dealt, deck...)
	}
	dealt = dealt[:count]
	isKill := func(f fault) bool { return f.kind == gatewaysKilled }
	if !slices.ContainsFunc(dealt, isKill) && !slices.Contains(without, gatewaysKilled) { // the shortest run has one, too
		dealt[c.random.IntN(count)] = c.ofGateways()[0]
	}
	return dealt
}

// deck are all faults that this stack can have.
func (c *chaos) deck() []fault {
	deck := c.ofProcesses()
	deck = append(deck, c.ofGateways()...)
	deck = append(deck, c.ofServer(ofPostgres, c.stack.postgres)...)
	deck = append(deck, c.ofServer(ofClickHouse, c.stack.clickhouse)...)
	deck = append(deck, c.ofBrokers()...)
	deck = append(deck, c.ofNetwork(ofPostgres, c.stack.toPostgres)...)
	deck = append(deck, c.ofNetwork(ofClickHouse, c.stack.toClickHouse)...)
	deck = append(deck, c.ofNetwork(ofKafka, c.stack.kafka.proxies...)...)
	for _, victim := range []string{ofPostgres, ofClickHouse} { // in one order, for the seed's sake
		if disk := c.stack.disks[victim]; disk != nil {
			deck = append(deck, fault{victim + ": disk full", victim, func(ctx context.Context, random *rand.Rand) (string, error) {
				return c.fillDisk(ctx, random, victim, disk)
			}})
		}
	}
	return deck
}

// ofServer kills, pauses and restarts a server; and kills it while it has work in its hands that nobody was answered yet.
func (c *chaos) ofServer(victim string, s server) []fault {
	away := func(what string, do func(ctx context.Context, random *rand.Rand) (string, error)) fault {
		return fault{victim + ": " + what, victim, func(ctx context.Context, random *rand.Rand) (string, error) {
			defer c.stack.down.begin(victim)()
			return do(ctx, random)
		}}
	}
	return []fault{
		away("killed", func(ctx context.Context, random *rand.Rand) (string, error) {
			err := s.Kill()
			down := short(random)
			pause(ctx, down)
			return fmt.Sprintf(", down for %s", down), errors.Join(err, s.Restart(ctx))
		}),
		away("paused", func(ctx context.Context, random *rand.Rand) (string, error) {
			return pauseServer(ctx, s, long(random))
		}),
		away("restarted", func(ctx context.Context, _ *rand.Rand) (string, error) {
			if err := s.Restart(ctx); err == nil {
				return "", nil
			}
			return ", which did not stop in time and was made to", s.Restart(ctx)
		}),
		away("killed with work pending", func(ctx context.Context, random *rand.Rand) (string, error) {
			// Commits reach it and are not answered; then it dies, and whether they are in is known to nobody.
			err := s.Pause()
			pause(ctx, short(random))
			return "", errors.Join(err, s.Resume(), s.Kill(), s.Restart(ctx))
		}),
	}
}

func pauseServer(ctx context.Context, s server, length time.Duration) (string, error) {
	err := s.Pause()
	pause(ctx, length)
	return fmt.Sprintf(" for %s", length), errors.Join(err, s.Resume())
}

// short is less than what is noticed, long more than any session and lease.
func short(random *rand.Rand) time.Duration {
	return time.Duration(random.IntN(1_500)) * time.Millisecond
}

func long(random *rand.Rand) time.Duration {
	return 3*time.Second + time.Duration(random.IntN(5_000))*time.Millisecond
}

// ofBrokers are those of one broker of Kafka, and of most of them.
func (c *chaos) ofBrokers() []fault {
	brokers := c.stack.kafka.brokers
	deck := c.ofServer(ofKafka, anyOf{brokers})
	for i := range deck {
		deck[i].do = func(ctx context.Context, random *rand.Rand) (string, error) {
			defer c.stack.down.begin(ofKafka)()
			victim := random.IntN(len(brokers))
			one := c.ofServer(ofKafka, brokers[victim])[i]
			note, err := one.do(ctx, random)
			return fmt.Sprintf(", broker %d%s", victim+1, note), err
		}
	}
	if len(brokers) > 1 {
		deck = append(deck, fault{"Kafka: two of three brokers killed", ofKafka, c.killMostBrokers})
	}
	return deck
}

// anyOf stands in for a broker that is not chosen yet.
type anyOf struct{ brokers []server }

func (anyOf) Kill() error                   { return nil }
func (anyOf) Pause() error                  { return nil }
func (anyOf) Resume() error                 { return nil }
func (anyOf) Restart(context.Context) error { return nil }

// killMostBrokers leaves one broker, which can acknowledge nothing alone.
func (c *chaos) killMostBrokers(ctx context.Context, random *rand.Rand) (string, error) {
	defer c.stack.down.begin(ofKafka)()
	left := random.IntN(len(c.stack.kafka.brokers))
	kill := func(s server) error { return s.Kill() }
	err := c.eachBut(left, kill)
	pause(ctx, short(random))
	return fmt.Sprintf(", all but %d", left+1), errors.Join(err, c.eachBut(left, func(s server) error { return s.Restart(ctx) }))
}

func (c *chaos) eachBut(left int, do func(server) error) error {
	results := make(chan error)
	for i, broker := range c.stack.kafka.brokers {
		go func() {
			if i == left {
				results <- nil
				return
			}
			results <- do(broker)
		}()
	}
	var err error
	for range c.stack.kafka.brokers {
		err = errors.Join(err, <-results)
	}
	return err
}

// ofNetwork are those between the program and a server. Readers have no proxy, so their store is up.
func (c *chaos) ofNetwork(victim string, proxies ...*stacktest.Proxy) []fault {
	harm := func(what string, do func(p *stacktest.Proxy, random *rand.Rand) string) fault {
		return fault{victim + ": connections " + what, victim, func(ctx context.Context, random *rand.Rand) (string, error) {
			defer c.stack.down.begin(connectionsOf(victim))()
			which, note := proxies, ""
			if len(proxies) > 1 && random.IntN(3) > 0 { // of one, mostly
				n := random.IntN(len(proxies))
				which, note = proxies[n:n+1], fmt.Sprintf(" of number %d", n+1)
			}
			length := long(random)
			ctx, cancel := context.WithTimeout(ctx, length)
			defer cancel()
			how := ""
			for again := true; again; again = pause(ctx, 400*time.Millisecond) {
				for _, proxy := range which {
					how = do(proxy, random)
				}
				if how != "" {
					<-ctx.Done()
				}
			}
			for _, proxy := range which {
				proxy.Heal()
			}
			return fmt.Sprintf("%s%s for %s", note, how, length), nil
		}}
	}
	return []fault{
		harm("cut again and again", func(p *stacktest.Proxy, _ *rand.Rand) string {
			p.Cut()
			return ""
		}),
		harm("refused", func(p *stacktest.Proxy, _ *rand.Rand) string {
			p.Refuse()
			return ","
		}),
		harm("slowed", func(p *stacktest.Proxy, random *rand.Rand) string {
			by := time.Duration(10+random.IntN(300)) * time.Millisecond
			p.Slow(by)
			return fmt.Sprintf(" by %s", by)
		}),
		harm("swallowed", func(p *stacktest.Proxy, _ *rand.Rand) string {
			p.Swallow()
			return ","
		}),
		harm("half open, answers lost", func(p *stacktest.Proxy, _ *rand.Rand) string {
			p.Deafen()
			return ","
		}),
	}
}

// connectionsOf names the way to a server, which may be down where that is up.
func connectionsOf(victim string) string { return "connections of " + victim }

// fillDisk leaves a store no room for a while. It takes the last of it slowly enough for what has begun to end, as a neighbour's log would:
// ClickHouse begins nothing when there is little. A store that ended of it is started again, as its orchestrator would.
func (c *chaos) fillDisk(ctx context.Context, random *rand.Rand, victim string, d *disk) (string, error) {
	defer c.stack.down.begin(victim)()
	length := long(random)
	const little, soon = 48 << 20, 2 * time.Second
	err := d.fill(little)
	pause(ctx, soon)
	err = errors.Join(err, d.fill(0))
	pause(ctx, length)
	err = errors.Join(err, d.empty())
	note := fmt.Sprintf(" for %s", length)
	if victim != ofPostgres {
		return note, err
	}
	select {
	case <-c.stack.postgres.Done():
		c.report.note("Postgres ended by itself on a full disk, and was started again when there was room")
		return note + ", of which it ended", errors.Join(err, c.stack.postgres.Restart(ctx))
	default:
		return note, err
	}
}

// ofProcesses are those of the program's own processes.
func (c *chaos) ofProcesses() []fault {
	deck := []fault{
		{"projectors: killed", ofProjectors, ofCopies(c.copies, killed)},
		{"projectors: restarted", ofProjectors, ofCopies(c.copies, restarted)},
		{"projectors: paused until others have their partitions", ofProjectors, ofCopies(c.copies, c.pauseUntilTaken)},
		{"publishers: killed", ofPublisher, c.ofFile((*process).kill)},
		{"publishers: restarted", ofPublisher, c.ofFile(func(p *process) { _ = p.stop() })},
		{"publishers: paused", ofPublisher, func(ctx context.Context, random *rand.Rand) (string, error) {
			return c.ofFile(func(p *process) { stopped(ctx, p, long(random)) })(ctx, random)
		}},
	}
	if c.replays != nil {
		deck = append(deck, c.ofReplay()...)
	}
	return deck
}

// stopped pauses a process for a while.
func stopped(ctx context.Context, p *process, length time.Duration) {
	p.signal(syscall.SIGSTOP)
	pause(ctx, length)
	p.signal(syscall.SIGCONT)
}

// ofCopies harms one of some processes.
func ofCopies(
	copies []*copyOf, do func(context.Context, *process, *rand.Rand) error,
) func(context.Context, *rand.Rand) (string, error) {
	return func(ctx context.Context, random *rand.Rand) (string, error) {
		victim, note := random.IntN(len(copies)), ""
		if len(copies) > 1 {
			note = fmt.Sprintf(", copy %d", victim+1)
		}
		err := copies[victim].harm(func(p *process) error { return do(ctx, p, random) }) //nolint:contextcheck // it outlives the fault
		return note, err
	}
}

// pauseUntilTaken stops projectors in their tracks, as a paused machine does, for longer than their session, and lets them go on with
// what they held in their hands when others have it.
func (c *chaos) pauseUntilTaken(ctx context.Context, p *process, _ *rand.Rand) error {
	const most = 15 * time.Second // those that were paused a moment ago may hold nothing that could be taken
	before, taken := p.fenced(), c.readers.taken.Load()
	p.signal(syscall.SIGSTOP)
	waiting, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	until(waiting, func() bool { return c.readers.taken.Load() > taken })
	p.signal(syscall.SIGCONT)
	c.actors.Go(func() { // it says so when it next commits
		ctx, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		if until(ctx, func() bool { return !p.running() || p.fenced() > before }) && p.fenced() > before {
			c.report.note("paused projectors that wanted to go on and were fenced")
		}
	})
	return nil
}

func (c *chaos) ofFile(do func(*process)) func(context.Context, *rand.Rand) (string, error) {
	return func(ctx context.Context, random *rand.Rand) (string, error) {
		victim := random.IntN(len(c.files))
		p := c.files[victim].underWay(ctx)
		if p == nil {
			return "", errors.New("nothing is published any more")
		}
		pause(ctx, time.Duration(random.IntN(700))*time.Millisecond) // somewhere on its way
		do(p)
		return fmt.Sprintf(", copy %d", victim+1), nil
	}
}

// pauseUntilFenced pauses projectors until some held something in their hands, which must be refused.
func (c *chaos) pauseUntilFenced() {
	c.Helper()
	fenced := func() (total int) {
		for _, one := range c.copies {
			total += one.p.fenced()
		}
		return total
	}
	for began := time.Now(); fenced() == 0; {
		require.Less(c, time.Since(began), 2*patience, "pauses, and no copy was ever fenced")
		c.somewhere()
		_, err := ofCopies(c.copies, c.pauseUntilTaken)(c.Context(), c.random)
		require.NoError(c, err)
		c.somewhere()
	}
}
