package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

const (
	projectorCopies = 3
	publisherCopies = 2
)

// startActors starts all that runs while harm is done.
func (c *chaos) startActors() {
	c.Helper()
	c.readers = c.startReaders()
	for n := range projectorCopies {
		one := &copyOf{c: c, name: fmt.Sprintf("projectors %d", n+1), args: []string{"project"}}
		require.NoError(c, one.start())
		c.copies = append(c.copies, one)
		c.actors.Go(one.watch)
	}
	c.startGateways()
	c.shop = c.startShop()
	c.writers = c.startWriters()
	for range publisherCopies {
		one := &publisher{c: c, events: c.simulation(), random: c.chance()}
		c.files = append(c.files, one)
		c.sources.Go(one.run)
	}
	if c.canReplay() {
		c.replays = &replayer{c: c, random: c.chance(), cut: map[string]time.Time{}}
		c.sources.Go(c.replays.run)
	} else {
		c.Log("NOT TESTED: replays, for this program has none")
	}
	c.Cleanup(func() { // after a failure; else they have ended
		c.quiet.ring()
		c.enough.ring()
		c.sources.Wait()
		c.actors.Wait()
	})
}

// bell rings once.
type bell struct {
	once sync.Once
	rung chan struct{}
}

func newBell() *bell { return &bell{rung: make(chan struct{})} }

func (b *bell) ring() { b.once.Do(func() { close(b.rung) }) }

// heard tells whether it has rung.
func (b *bell) heard() bool {
	select {
	case <-b.rung:
		return true
	default:
		return false
	}
}

// settle ends all in order: what publishes first, and the projectors when they have all of it.
func (c *chaos) settle() {
	c.Helper()
	c.quiet.ring()
	c.sources.Wait()
	c.writers.finish()
	c.recovered()
	if c.replays != nil {
		c.replays.finish()
		c.recovered()
	}
	c.shop.finish()
	for _, one := range slices.Concat(c.gateways, []*copyOf{c.sandbox}, c.copies) {
		one.mu.Lock()
		require.NoError(c, one.p.stop())
		require.Zerof(c, one.p.code(), "%s, told to stop, ends in order:\n%s", one.name, one.p.tail())
		one.mu.Unlock()
	}
	c.enough.ring()
	c.actors.Wait()
	if told := c.stack.crashes.told(); told != "" {
		c.Logf("servers said:\n%s", told)
	}
	if c.Failed() {
		c.FailNow()
	}
}

// tellAll logs what all processes said last.
func (c *chaos) tellAll() {
	for _, one := range slices.Concat(c.gateways, []*copyOf{c.sandbox}, c.copies) {
		if one == nil || one.p == nil {
			continue // it was not started yet
		}
		c.Logf("%s, running: %v\n%s", one.name, one.p.running(), one.p.tail())
	}
	c.Logf("servers said:\n%s", c.stack.crashes.told())
	c.tellClickHouse()
}

func (c *chaos) simulation() *simulation.Simulation {
	events, err := simulation.New(simulation.Options{Seed: c.random.Uint64(), Events: 10_000_000, Accounts: 200})
	require.NoError(c, err)
	return events
}

// chance is a source of chance for another goroutine.
func (c *chaos) chance() *rand.Rand { return rand.New(rand.NewPCG(c.random.Uint64(), 0)) }

// excused tells whether a process may say that a server cannot be reached: one was away since it was born.
func (c *chaos) excused(p *process) bool {
	return p.code() == exitUnreachable && c.anyAway(p.born)
}

// anyAway tells whether some server, or the way to it, was away since then.
func (c *chaos) anyAway(since time.Time) bool {
	return c.stack.down.since(since, ofPostgres, ofClickHouse, ofKafka,
		connectionsOf(ofPostgres), connectionsOf(ofClickHouse), connectionsOf(ofKafka))
}

// copyOf is a place for a process, as an orchestrator has it: what ends because a server cannot be reached is started again.
type copyOf struct {
	c     *chaos
	name  string
	args  []string
	front *front // of one that serves

	mu sync.Mutex // held while it is harmed
	p  *process
}

func (o *copyOf) start() (err error) {
	o.p, err = o.c.start(o.args...)
	if err == nil && o.front != nil {
		err = o.front.open(o.c.Context(), o.p)
	}
	return err
}

// watch tells of a process that ends by itself.
func (o *copyOf) watch() {
	for pause(o.c.Context(), 20*time.Millisecond) && !o.c.enough.heard() && !o.c.Failed() {
		o.look()
	}
}

func (o *copyOf) look() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.p.running() || o.p.told.Load() {
		return
	}
	if !o.c.excused(o.p) {
		o.c.Errorf("%s ended without being told to, with %d:\n%s", o.name, o.p.code(), o.p.tail())
		return
	}
	o.c.report.note("processes started while a server was away, which ended with 3 and were started again")
	if err := o.start(); err != nil {
		o.c.Errorf("start %s: %v", o.name, err)
	}
}

// harm does something to the process, and has it started again where it has ended.
func (o *copyOf) harm(do func(p *process) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := do(o.p); err != nil {
		return err
	}
	if o.p.running() {
		return nil
	}
	return o.start()
}

// publisher runs `tributary publish`, a file after another, each until that says that all of it is acknowledged.
type publisher struct {
	c      *chaos
	events *simulation.Simulation
	random *rand.Rand

	now atomic.Pointer[process]
}

func (p *publisher) run() {
	for number := 0; !p.c.quiet.heard() && !p.c.Failed(); number++ {
		if err := p.publish(number); err != nil {
			p.c.Errorf("publish: %v", err)
			return
		}
		const longest = 2_000
		pause(p.c.Context(), time.Duration(p.random.IntN(longest))*time.Millisecond)
	}
}

func (p *publisher) publish(number int) error {
	path, events, err := p.file(number)
	if err != nil {
		return err
	}
	defer os.Remove(path) //nolint:errcheck // the folder goes with the test
	for {
		p.c.journal.publish(events...)
		process, err := p.c.start("publish", "--json", path)
		if err != nil {
			return err
		}
		p.now.Store(process)
		select {
		case <-process.ended:
		case <-time.After(2 * patience):
			return fmt.Errorf("it does not end:\n%s", process.tail())
		}
		printed, err := publishedOf(process.said())
		switch {
		case process.code() == 0 && err == nil && printed == len(events):
			p.c.journal.printed(events...)
			return nil
		case process.told.Load():
			p.c.report.note("publishers killed or stopped on the way, whose whole file was published again")
		case p.c.excused(process):
			p.c.report.note("publishers started while Kafka was away, which ended with 3 and were started again")
		default:
			return fmt.Errorf("it ended with %d, having printed %d of %d events (%w):\n%s",
				process.code(), printed, len(events), err, process.tail())
		}
	}
}

// publishedOf is how many events were said to be acknowledged.
func publishedOf(said string) (int, error) {
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "{") {
			var printed struct {
				Published int `json:"published"`
			}
			err := json.Unmarshal([]byte(line), &printed)
			return printed.Published, err
		}
	}
	return 0, errors.New("it printed nothing")
}

// file writes events to a file.
func (p *publisher) file(number int) (string, []*ledger.Event, error) {
	const most = 600
	path := filepath.Join(p.c.dir, fmt.Sprintf("events-%p-%d.ndjson", p, number))
	var text []byte
	events := make([]*ledger.Event, 1+p.random.IntN(most/p.c.eased))
	for i := range events {
		event, _ := p.events.Next()
		events[i] = event
		text = append(ledger.AppendJSON(text, event), '\n')
	}
	return path, events, os.WriteFile(path, text, 0o600)
}

// underWay returns the process that publishes, once one does.
func (p *publisher) underWay(ctx context.Context) *process {
	var found *process
	until(ctx, func() bool {
		found = p.now.Load()
		return found != nil && found.running()
	})
	return found
}
