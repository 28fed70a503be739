package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// Live is a projection over a log and servers, with a runner to be, whose generations are swapped under its readers.
type Live struct {
	// Pool is of the Postgres that keeps the offsets.
	Pool *pgxpool.Pool
	Log  eventlog.Config
	// Open opens a store of a generation; 0 is the live one. Create makes an empty generation, Swap makes one live, ErrBehind says
	// that it is too early.
	Open      func(generation int32) projections.Store
	Create    func(ctx context.Context) (int32, error)
	Swap      func(ctx context.Context, to int32, catchUp func(context.Context, map[eventlog.TopicPartition]int64) error) error
	ErrBehind error
	// Event makes an event that the projection counts.
	Event func() *ledger.Event
	// Questions are what readers ask, one after the other, as fast as they can.
	Questions []Question
	// Unready is for how long at most the runner may not be ready, while it follows.
	Unready time.Duration
}

// Question is one query. It says what is impossible about the answer by itself.
type Question func(ctx context.Context) (answer Answer, impossible string, err error)

// Answer is what never goes back, from one question to the next.
type Answer struct {
	// Events is how many events are in the answer: at least as many as readers were promised before they asked.
	Events int64
	// Totals are others, by their names.
	Totals map[string]int64
}

const (
	// patience bounds waits that only a bug can exceed.
	patience = time.Minute
	// longestLock is more than any swap may keep its locks, on a machine that others use.
	longestLock = 20 * time.Second
	// swapsAmongTests is how many swaps there are unless TRIBUTARY_SWAPS says otherwise: a run among other tests is short.
	swapsAmongTests = 4
)

// FollowSwaps swaps to and fro while events come, a runner commits them and readers read. No reader gets an error or an impossible
// answer; the runner stays ready; each event counts once. It returns how many there were. TRIBUTARY_SWAPS
// says how many swaps.
func FollowSwaps(t *testing.T, l Live) int64 {
	t.Helper()
	swaps := swapsAmongTests
	if given := os.Getenv("TRIBUTARY_SWAPS"); given != "" {
		var err error
		swaps, err = strconv.Atoi(given)
		require.NoError(t, err, "TRIBUTARY_SWAPS")
	}
	f := &following{Live: l, store: &timedStore{Store: l.Open(0), began: map[eventlog.TopicPartition]time.Time{}}}
	f.name = f.store.Definition().Name
	var err error
	f.writer, err = eventlog.NewWriter(l.Log)
	require.NoError(t, err)
	t.Cleanup(f.writer.Close)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	runner := projections.NewRunner(f.store, l.Log, projections.Settings{
		SessionTimeout: 6 * time.Second, RetryMax: 200 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	f.publish(t.Context(), t, 500)
	f.wait(t, f.published)
	first, _ := f.vector(t)
	second, err := l.Create(t.Context())
	require.NoError(t, err)

	busy, enough := context.WithCancel(t.Context())
	defer enough()
	var work, readers sync.WaitGroup
	reading, quiet := context.WithCancel(t.Context())
	defer quiet()
	for range 2 {
		readers.Go(func() { f.read(reading, t) })
	}
	work.Go(func() {
		f.every(busy, 20*time.Millisecond, func() bool { return f.publish(context.WithoutCancel(busy), t, 20) })
	})
	var red time.Time
	work.Go(func() {
		f.every(busy, 5*time.Millisecond, func() bool {
			err := runner.Health().Ready()
			if err == nil {
				red = time.Time{}
			} else if red.IsZero() {
				red = time.Now()
			}
			return err == nil || time.Since(red) <= l.Unready || assert.Fail(t, "not ready for long", err)
		})
	})
	work.Go(func() {
		f.every(busy, 5*time.Millisecond, func() bool { err := f.probe(busy); return busy.Err() != nil || assert.NoError(t, err) })
	})
	for i := range swaps {
		to := []int32{second, first}[i%2]
		f.swap(t, to)
		f.wait(t, f.progress(t)+1)
	}
	enough()
	work.Wait()
	f.wait(t, f.published)
	quiet()
	readers.Wait()
	for _, ask := range l.Questions {
		answer, impossible, err := ask(t.Context())
		require.NoError(t, err)
		require.Empty(t, impossible)
		require.Equal(t, f.published, answer.Events, "at the end")
	}
	require.Zero(t, f.errors.Load())
	require.Zero(t, f.impossible.Load())
	stop()
	require.NoError(t, <-done)
	f.report(t)
	return f.published
}

type following struct {
	Live

	name      string
	writer    *eventlog.Writer
	store     *timedStore
	published int64

	asked, errors, impossible atomic.Int64
	swaps, locks              []span
	probes                    []span
}

// every calls f so often, until it fails or the context ends.
func (f *following) every(ctx context.Context, often time.Duration, do func() bool) {
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for ctx.Err() == nil && do() {
		<-ticker.C
	}
}

func (f *following) publish(ctx context.Context, t *testing.T, n int) bool {
	t.Helper()
	events := make([]*ledger.Event, n)
	for i := range events {
		events[i] = f.Event()
	}
	_, err := f.writer.PublishAll(ctx, events)
	f.published += int64(n)
	return assert.NoError(t, err)
}

// vector is the live generation, and how far it is committed.
func (f *following) vector(t *testing.T) (live int32, next map[eventlog.TopicPartition]int64) {
	t.Helper()
	rows, err := f.Pool.Query(t.Context(), `SELECT generation, topic, "partition", next_offset FROM tributary.progress
		WHERE generation = (SELECT generation FROM tributary.live WHERE projection = $1)`, f.name)
	require.NoError(t, err)
	next = map[eventlog.TopicPartition]int64{}
	var p eventlog.TopicPartition
	var offset int64
	_, err = pgx.ForEachRow(rows, []any{&live, &p.Topic, &p.Partition, &offset}, func() error { next[p] = offset; return nil })
	require.NoError(t, err)
	return live, next
}

func (f *following) progress(t *testing.T) (sum int64) {
	t.Helper()
	_, next := f.vector(t)
	for _, offset := range next {
		sum += offset
	}
	return sum
}

// wait waits until so many events are committed to the live generation.
func (f *following) wait(t *testing.T, events int64) {
	t.Helper()
	require.Eventually(t, func() bool { return f.progress(t) >= events }, patience, 2*time.Millisecond)
}

// swap makes a generation live that catches up while the live one waits.
func (f *following) swap(t *testing.T, to int32) {
	t.Helper()
	rebuild := projections.NewRebuild(f.Open(to), f.Log, projections.Settings{BatchEvents: 2_000})
	for {
		_, vector := f.vector(t)
		require.NoError(t, rebuild.To(t.Context(), vector))
		swap := span{from: time.Now()}
		var locked time.Time
		err := f.Swap(t.Context(), to, func(ctx context.Context, vector map[eventlog.TopicPartition]int64) error {
			locked = time.Now()
			return rebuild.To(ctx, vector)
		})
		swap.to = time.Now()
		f.swaps = append(f.swaps, swap)
		if !locked.IsZero() {
			f.locks = append(f.locks, span{locked, swap.to})
		}
		if live, _ := f.vector(t); live == to {
			return // Even where the answer was lost.
		}
		require.ErrorIs(t, err, f.ErrBehind)
	}
}

// probe waits as who needs the live generation to stay does.
func (f *following) probe(ctx context.Context) error {
	from := time.Now()
	_, err := f.Pool.Exec(ctx, `SELECT FROM tributary.live WHERE projection = $1 FOR SHARE`, f.name)
	f.probes = append(f.probes, span{from, time.Now()})
	return err
}

// read asks all questions, over and over. One reader's answers never go back, whichever of the questions it asks.
func (f *following) read(ctx context.Context, t *testing.T) {
	t.Helper()
	positions, seen := map[string]int64{}, map[string]int64{}
	for ctx.Err() == nil {
		for _, ask := range f.Questions {
			promised, err := f.promised(ctx, positions)
			var answer Answer
			impossible := ""
			if err == nil {
				answer, impossible, err = ask(ctx)
			}
			if ctx.Err() != nil {
				return
			}
			f.asked.Add(1)
			if err != nil {
				f.errors.Add(1)
				assert.Fail(t, "a question was not answered", err)
				continue
			}
			now := map[string]int64{"events": answer.Events}
			maps.Copy(now, answer.Totals)
			for name, was := range seen {
				if is, ok := now[name]; ok && is < was {
					impossible += fmt.Sprintf("; %s went back from %d to %d", name, was, is)
				}
			}
			if answer.Events < promised.sum {
				impossible += fmt.Sprintf("; %d events of %d promised", answer.Events, promised.sum)
			}
			if impossible += promised.impossible; impossible != "" {
				f.impossible.Add(1)
				assert.Fail(t, "an impossible answer", impossible)
			}
			maps.Copy(seen, now)
		}
	}
}

// promise is what books.progress says.
type promise struct {
	sum        int64
	impossible string
}

// promised reads up to where readers may take each partition to be in, which never goes back.
func (f *following) promised(ctx context.Context, before map[string]int64) (promise, error) {
	var p promise
	rows, err := f.Pool.Query(ctx, `SELECT topic || '/' || "partition", next_offset FROM books.progress WHERE projection = $1`, f.name)
	if err != nil {
		return p, err
	}
	var place string
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&place, &next}, func() error {
		if next < before[place] {
			p.impossible += fmt.Sprintf("; %s went back from %d to %d", place, before[place], next)
		}
		before[place] = next
		p.sum += next
		return nil
	})
	return p, err
}
