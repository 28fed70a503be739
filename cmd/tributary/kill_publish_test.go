package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// publishers append events in this process until they are told to stop.
type publishers struct {
	c      *chaos
	writer *eventlog.Writer
	raw    *kgo.Client // for what is no event
	enough chan struct{}
	group  errgroup.Group
	events *simulation.Simulation // of files

	mu           sync.Mutex
	failed       error
	acknowledged time.Time     // when the last was
	stall        time.Duration // the longest time between two
}

// publish starts the publishers.
func (c *chaos) publish() *publishers {
	c.Helper()
	writer, err := eventlog.NewWriter(c.log)
	require.NoError(c, err)
	raw, err := eventlog.NewClient(c.log)
	require.NoError(c, err)
	p := &publishers{c: c, writer: writer, raw: raw, enough: make(chan struct{}), events: c.simulation(), acknowledged: time.Now()}
	pause := 40 * time.Millisecond // 2,500 events a second
	if len(c.brokers) > 0 {
		pause = 200 * time.Millisecond // so that brokers have a share of the machine too
		batches := p.batches()
		p.group.Go(func() error {
			defer batches.writer.Close()
			return p.each(pause, batches.publish)
		})
	}
	events, random := c.simulation(), c.chance()
	p.group.Go(func() error { return p.each(pause, func() error { return p.some(events, random) }) })
	return p
}

func (c *chaos) simulation() *simulation.Simulation {
	events, err := simulation.New(simulation.Options{Seed: c.random.Uint64(), Events: 10_000_000, Accounts: 200})
	require.NoError(c, err)
	return events
}

// chance is a source of chance for another goroutine.
func (c *chaos) chance() *rand.Rand { return rand.New(rand.NewPCG(c.random.Uint64(), 0)) }

// each does something again and again until it is enough.
func (p *publishers) each(pause time.Duration, do func() error) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-p.enough:
			return nil
		case <-ticker.C:
		}
		if err := do(); err != nil {
			return err
		}
	}
}

// stop returns when all is acknowledged.
func (p *publishers) stop() {
	p.c.Helper()
	close(p.enough)
	require.NoError(p.c, p.group.Wait())
	ctx, cancel := context.WithTimeout(p.c.Context(), patience)
	defer cancel()
	require.NoError(p.c, p.writer.Flush(ctx))
	require.NoError(p.c, p.raw.Flush(ctx))
	p.writer.Close()
	p.raw.Close()
	require.NoError(p.c, p.failed)
	p.c.Logf("longest time between two acknowledgements: %s", p.stall.Round(time.Millisecond))
}

// waiting is how many events are not acknowledged yet.
func (p *publishers) waiting() int64 { return p.writer.Buffered() }

// some publishes a hundred events in order, some of them again under another key and so perhaps on another partition, and a
// broken record now and then.
func (p *publishers) some(events *simulation.Simulation, random *rand.Rand) error {
	for range 100 {
		event, _ := events.Next()
		p.one(event)
		if random.IntN(5) == 0 {
			again := *event
			again.PartitionKey = strconv.Itoa(random.IntN(1_000))
			p.one(&again)
		}
	}
	if random.IntN(4) == 0 {
		p.c.journal.broken++
		broken := &kgo.Record{Topic: eventlog.TopicPayments, Value: []byte(`{"specversion":"1.0"`)}
		p.raw.Produce(p.c.Context(), broken, func(_ *kgo.Record, err error) { p.done(err) })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

func (p *publishers) one(event *ledger.Event) {
	p.c.journal.publish(event)
	p.writer.Publish(p.c.Context(), event, func(_ eventlog.Position, err error) {
		if err == nil {
			p.c.journal.acknowledge(event)
		}
		p.done(err)
	})
}

func (p *publishers) done(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failed = cmpOr(p.failed, err)
		return
	}
	now := time.Now()
	p.stall = max(p.stall, now.Sub(p.acknowledged))
	p.acknowledged = now
}

// batches publishes events, some at a time, all of them or nothing, and sometimes gives up in the middle. What was aborted, and what
// nobody knows of, is not published again, so that it shows in the end.
type batches struct {
	*publishers

	events *simulation.Simulation
	random *rand.Rand
	writer *eventlog.AtomicWriter
}

func (p *publishers) batches() *batches {
	writer, err := eventlog.NewAtomicWriter(p.c.log, "chaos")
	require.NoError(p.c, err)
	return &batches{publishers: p, events: p.c.simulation(), random: p.c.chance(), writer: writer}
}

func (b *batches) publish() error {
	const most, patienceMillis = 40, 50
	some := make([]*ledger.Event, 2+b.random.IntN(most))
	for i := range some {
		some[i], _ = b.events.Next()
	}
	ctx := b.c.Context()
	if b.random.IntN(5) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(b.random.IntN(patienceMillis))*time.Millisecond)
		defer cancel()
	}
	b.c.journal.publish(some...)
	_, err := b.writer.PublishAtomic(ctx, some)
	if !errors.Is(err, eventlog.ErrFenced) {
		return b.c.journal.settle(some, err)
	}
	return fmt.Errorf("nobody else publishes: %w", err)
}

// eventFile is events for the command to publish.
type eventFile struct {
	path   string
	events []*ledger.Event
}

// file writes events to a file.
func (c *chaos) file() eventFile {
	const most = 5_000
	f := eventFile{path: filepath.Join(c.TempDir(), "events.ndjson")}
	var text []byte
	for range 1 + c.random.IntN(most) {
		event, _ := c.publishers.events.Next()
		f.events = append(f.events, event)
		text = append(ledger.AppendJSON(text, event), '\n')
	}
	require.NoError(c, os.WriteFile(f.path, text, 0o600))
	return f
}

// startPublishing starts a `tributary publish`.
func (c *chaos) startPublishing(f eventFile) *process {
	c.journal.publish(f.events...)
	return c.start("publish", f.path)
}

// mustPublish waits for the publisher's end.
func (c *chaos) mustPublish(p *process, f eventFile) {
	c.Helper()
	require.Zero(c, p.wait().ExitCode(), p.tail())
	require.Contains(c, p.said(), fmt.Sprintf("published %s events", count(len(f.events))))
	c.journal.acknowledge(f.events...)
}
