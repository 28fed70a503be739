package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// writers append events in this process until they are told to stop.
type writers struct {
	c      *chaos
	writer *eventlog.Writer
	raw    *kgo.Client // for what is no event
	group  errgroup.Group

	mu           sync.Mutex
	failed       error
	acknowledged time.Time     // when the last was
	stall        time.Duration // the longest time between two
}

func (c *chaos) startWriters() *writers {
	c.Helper()
	writer, err := eventlog.NewWriter(c.log)
	require.NoError(c, err)
	raw, err := eventlog.NewClient(c.log)
	require.NoError(c, err)
	w := &writers{c: c, writer: writer, raw: raw, acknowledged: time.Now()}
	c.Cleanup(func() { // where a failure left them open
		writer.Close()
		raw.Close()
	})
	const pace = 300 * time.Millisecond // for a hundred events, where the traffic is not eased
	if !c.stack.kafka.forgetsSequences {
		// The embedded Kafka promises no transactions over its own crash.
		batches := w.batches()
		w.group.Go(func() error {
			defer batches.writer.Close()
			return w.each(pace, batches.publish)
		})
	}
	events, random := c.simulation(), c.chance()
	w.group.Go(func() error { return w.each(pace, func() error { return w.some(events, random) }) })
	c.Cleanup(func() {
		c.quiet.ring()
		_ = w.group.Wait() // a failure was told of
	})
	return w
}

// each does something again and again until it is enough.
func (w *writers) each(pace time.Duration, do func() error) error {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-w.c.quiet.rung:
			return nil
		case <-ticker.C:
		}
		if err := do(); err != nil {
			w.c.Errorf("a writer ended: %v", err)
			return err
		}
	}
}

// finish returns when all is acknowledged.
func (w *writers) finish() {
	w.c.Helper()
	require.NoError(w.c, w.group.Wait())
	ctx, cancel := context.WithTimeout(w.c.Context(), patience)
	defer cancel()
	require.NoError(w.c, w.writer.Flush(ctx))
	require.NoError(w.c, w.raw.Flush(ctx))
	w.writer.Close()
	w.raw.Close()
	require.NoError(w.c, w.failed)
	w.c.Logf("longest time between two acknowledgements: %s", w.stall.Round(time.Millisecond))
}

// some publishes up to a hundred events in order, some of them again under another key and so perhaps on another partition, and a
// broken record now and then.
func (w *writers) some(events *simulation.Simulation, random *rand.Rand) error {
	for range 100 / w.c.eased {
		event, _ := events.Next()
		w.one(event)
		if random.IntN(5) == 0 {
			again := *event
			again.PartitionKey = strconv.Itoa(random.IntN(1_000))
			w.one(&again)
		}
	}
	if random.IntN(4) == 0 {
		w.c.journal.broken++
		broken := &kgo.Record{Topic: eventlog.TopicPayments, Value: []byte(`{"specversion":"1.0"`)}
		w.raw.Produce(w.c.Context(), broken, func(_ *kgo.Record, err error) { w.done(err) })
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

func (w *writers) one(event *ledger.Event) {
	w.c.journal.publish(event)
	w.writer.Publish(w.c.Context(), event, func(_ eventlog.Position, err error) {
		if err == nil {
			w.c.journal.acknowledge(event)
		}
		w.done(err)
	})
}

func (w *writers) done(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if w.failed == nil {
			w.failed = err
		}
		return
	}
	now := time.Now()
	w.stall = max(w.stall, now.Sub(w.acknowledged))
	w.acknowledged = now
}

// batches publishes events, some at a time, all of them or nothing, and sometimes gives up in the middle. What was aborted, and what
// nobody knows of, is not published again, so that it shows in the end.
type batches struct {
	*writers

	events *simulation.Simulation
	random *rand.Rand
	writer *eventlog.AtomicWriter
}

func (w *writers) batches() *batches {
	writer, err := eventlog.NewAtomicWriter(w.c.log, "chaos")
	require.NoError(w.c, err)
	return &batches{writers: w, events: w.c.simulation(), random: w.c.chance(), writer: writer}
}

func (b *batches) publish() error {
	const most, patienceMillis = 40, 50
	some := make([]*ledger.Event, 2+b.random.IntN(most/b.c.eased))
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
