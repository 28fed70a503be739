package projections

import (
	"context"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// book is a log that is written and fed.
type book struct {
	feed   *Feed
	client *kgo.Client
	// fetched counts the records that consumers got.
	fetched atomic.Int64

	mu   sync.Mutex
	ends map[eventlog.TopicPartition]int64
}

// OnFetchRecordUnbuffered counts.
func (b *book) OnFetchRecordUnbuffered(*kgo.Record, bool) { b.fetched.Add(1) }

func openBook(t *testing.T) *book {
	t.Helper()
	config := eventlog.Config{Brokers: stacktest.Kafka(t)}
	admin, err := eventlog.NewAdmin(config)
	require.NoError(t, err)
	defer admin.Close()
	const partitions = 3
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{Partitions: partitions})
	require.NoError(t, err)
	b := &book{ends: map[eventlog.TopicPartition]int64{}}
	for n := range int32(partitions) {
		b.ends[eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: n}] = 0
	}
	b.client, err = eventlog.NewClient(config, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(b.client.Close)
	config.Hooks = []kgo.Hook{b}
	b.feed = NewFeed(config, 0)
	t.Cleanup(b.feed.settle)
	return b
}

// write appends n records, spread over the partitions.
func (b *book) write(ctx context.Context, n int) error {
	records := make([]*kgo.Record, n)
	for i := range records {
		at := rand.N(int32(len(b.ends)))
		records[i] = &kgo.Record{Topic: eventlog.TopicPayments, Partition: at, Value: []byte(strconv.Itoa(i))}
	}
	if err := b.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, record := range records {
		p := eventlog.TopicPartition{Topic: record.Topic, Partition: record.Partition}
		b.ends[p] = max(b.ends[p], record.Offset+1)
	}
	return nil
}

// at are the ends of the log, as positions.
func (b *book) at() map[eventlog.TopicPartition]position {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := make(map[eventlog.TopicPartition]position, len(b.ends))
	for p, end := range b.ends {
		at[p] = position{end, -1}
	}
	return at
}

// start is the beginning of all partitions.
func (b *book) start() map[eventlog.TopicPartition]position {
	at := b.at()
	for p := range at {
		at[p] = position{0, -1}
	}
	return at
}

// reader takes from the feed, as a session does, and sees to it that no record is missed or comes twice.
type reader struct {
	*book

	next map[eventlog.TopicPartition]position
	tap  *tap
	// alone is set when the tap before was evicted; evicted and opened count.
	alone           bool
	evicted, opened int
}

func (r *reader) close() {
	if r.tap != nil {
		r.tap.close()
		r.tap = nil
	}
}

// take reads some, and waits for it no longer than that.
func (r *reader) take(ctx context.Context, t require.TestingT, patience time.Duration, most int) {
	if r.tap == nil {
		r.tap = r.feed.open(maps.Clone(r.next), r.alone) //nolint:contextcheck // a stream lives as long as anybody reads
		r.alone = false
		r.opened++
	}
	got, open := r.tap.take(ctx, time.Now().Add(patience), most)
	if !open {
		if r.alone = r.tap.evicted; r.alone {
			r.evicted++
		}
		r.tap = nil
	}
	require.Empty(t, got.errs)
	require.LessOrEqual(t, got.records, most)
	for _, p := range got.portions {
		next, ours := r.next[p.TopicPartition]
		require.True(t, ours, "%s was not asked for", p.TopicPartition)
		require.Equal(t, next.offset, p.from)
		for _, record := range p.records {
			require.Equal(t, next.offset, record.Offset, p.TopicPartition)
			next = position{record.Offset + 1, record.LeaderEpoch}
		}
		r.next[p.TopicPartition] = next
	}
}

// done tells whether the reader has come to these ends, where it reads.
func (r *reader) done(ends map[eventlog.TopicPartition]position) bool {
	for p, at := range r.next {
		if at.offset < ends[p].offset {
			return false
		}
	}
	return true
}

// upTo reads until the ends.
func (r *reader) upTo(ctx context.Context, t require.TestingT, ends map[eventlog.TopicPartition]position) {
	const most = 5_000
	for !r.done(ends) && ctx.Err() == nil {
		r.take(ctx, t, time.Minute, most)
	}
}

func TestRecordsAreFetchedOnceForAllWhoAreAtOnePlace(t *testing.T) {
	t.Parallel()
	b := openBook(t)
	const records, readers = 20_000, 5
	require.NoError(t, b.write(t.Context(), records/2))
	var group errgroup.Group
	all := make([]*reader, readers)
	for i := range all {
		all[i] = &reader{book: b, next: b.start()}
		all[i].take(t.Context(), t, 0, 1) // All of them are there from the beginning.
	}
	require.NoError(t, b.write(t.Context(), records/2))
	for _, r := range all {
		group.Go(func() error {
			r.upTo(t.Context(), t, b.at())
			r.close()
			return nil
		})
	}
	require.NoError(t, group.Wait())
	b.feed.settle()
	require.Less(t, b.fetched.Load(), int64(2*records), "each of %d readers needs %d", readers, records)
}

// Readers come and go, at any place and at any pace, while the log is written; some want a part of it alone.
func TestTapsMissNothingAndGiveNothingTwice(t *testing.T) {
	t.Parallel()
	b := openBook(t)
	b.feed.room, b.feed.patience = 64<<10, 20*time.Millisecond
	const records, chunk, readers = 30_000, 500, 6
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	var written atomic.Bool
	group.Go(func() error {
		defer written.Store(true)
		for range records / chunk {
			if err := b.write(ctx, chunk); err != nil {
				return err
			}
		}
		return nil
	})
	var opened, evicted atomic.Int64
	for n := range readers {
		r := &reader{book: b, next: b.start()}
		if n%2 == 1 {
			delete(r.next, eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: int32(n / 2)})
		}
		group.Go(func() error {
			defer r.close()
			for !written.Load() || !r.done(b.at()) {
				r.take(ctx, t, rand.N(20*time.Millisecond), 1+rand.IntN(2_000))
				switch rand.IntN(20) {
				case 0:
					r.close() // What waits is read again.
				case 1:
					wait(ctx, rand.N(100*time.Millisecond))
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			opened.Add(int64(r.opened))
			evicted.Add(int64(r.evicted))
			return nil
		})
	}
	require.NoError(t, group.Wait())
	t.Logf("taps were opened %d times, evicted %d times; %d records fetched", opened.Load(), evicted.Load(), b.fetched.Load())
}

func TestWhoTakesNothingKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	b := openBook(t)
	b.feed.room, b.feed.patience = 100<<10, 100*time.Millisecond
	stuck, free := &reader{book: b, next: b.start()}, &reader{book: b, next: b.start()}
	stuck.take(t.Context(), t, 0, 1)
	free.take(t.Context(), t, 0, 1)
	require.Same(t, stuck.tap.stream, free.tap.stream)
	// All of the first may be read at once. Of the second nothing is, while somebody is full.
	const records = 10_000
	for range 2 {
		require.NoError(t, b.write(t.Context(), records))
		free.upTo(t.Context(), t, b.at())
	}
	// It reads by itself what it missed, and then with the others again.
	stuck.upTo(t.Context(), t, b.at())
	require.Equal(t, 1, stuck.evicted)
	wait(t.Context(), regroupEvery)
	require.NoError(t, b.write(t.Context(), 1))
	stuck.upTo(t.Context(), t, b.at())
	free.upTo(t.Context(), t, b.at())
	require.Same(t, stuck.tap.stream, free.tap.stream)
	stuck.close()
	free.close()
}

// One that is far behind neither waits for others nor holds them up.
func TestWhoIsFarBehindReadsByHimself(t *testing.T) {
	t.Parallel()
	b := openBook(t)
	require.NoError(t, b.write(t.Context(), 2*near))
	ahead, behind := &reader{book: b, next: b.at()}, &reader{book: b, next: b.start()}
	ahead.take(t.Context(), t, 0, 1)
	behind.take(t.Context(), t, 0, 1)
	require.NotSame(t, ahead.tap.stream, behind.tap.stream)
	behind.upTo(t.Context(), t, b.at())
	wait(t.Context(), regroupEvery)
	require.NoError(t, b.write(t.Context(), 1))
	ahead.upTo(t.Context(), t, b.at())
	behind.upTo(t.Context(), t, b.at())
	require.Same(t, ahead.tap.stream, behind.tap.stream)
	ahead.close()
	behind.close()
}

// What cannot be read is told to those whose business it is.
func TestFailuresAreToldToThoseConcerned(t *testing.T) {
	t.Parallel()
	b := openBook(t)
	require.NoError(t, b.write(t.Context(), 100))
	good, bad := &reader{book: b, next: b.at()}, b.at()
	for p := range bad {
		if p.Partition != 0 {
			delete(bad, p)
		} else {
			bad[p] = position{1_000, -1} // The log is not that long.
		}
	}
	delete(good.next, eventlog.TopicPartition{Topic: eventlog.TopicPayments})
	tap := b.feed.open(bad, false)
	defer tap.close()
	got, open := tap.take(t.Context(), time.Now().Add(time.Minute), 1)
	require.True(t, open)
	require.NotEmpty(t, got.errs)
	require.NoError(t, b.write(t.Context(), 100))
	good.upTo(t.Context(), t, b.at())
	good.close()
}

func TestABatchIsOfOneTerm(t *testing.T) {
	t.Parallel()
	p := eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: 1}
	s := &session{owned: map[eventlog.TopicPartition]*Ownership{p: {NextOffset: 10}}, term: 2}
	read := func(from int64) arrived {
		return arrived{records: 1, portions: []portion{{TopicPartition: p, from: from, records: []eventlog.Record{{Position: p.At(from)}}}}}
	}
	batch, err := s.batch(gathered{read(10), 1})
	require.NoError(t, err)
	require.Empty(t, batch.Ranges, "it was read before something was taken over")
	_, err = s.batch(gathered{read(11), 2})
	require.ErrorContains(t, err, "records between are missing")
	batch, err = s.batch(gathered{read(10), 2})
	require.NoError(t, err)
	require.EqualValues(t, 11, batch.Ranges[0].To)
}
