package clickhouse_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	upstream "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

// chaosSettings are how many kills to survive, and at which moments: TRIBUTARY_CHAOS_KILLS, TRIBUTARY_CHAOS_SEED.
func chaosSettings(t *testing.T) (kills int, seed uint64) {
	t.Helper()
	kills, seed = 8, rand.Uint64N(1<<20)
	var err error
	if asked := os.Getenv("TRIBUTARY_CHAOS_KILLS"); asked != "" {
		kills, err = strconv.Atoi(asked)
		require.NoError(t, err, "TRIBUTARY_CHAOS_KILLS")
	}
	if asked := os.Getenv("TRIBUTARY_CHAOS_SEED"); asked != "" {
		seed, err = strconv.ParseUint(asked, 10, 32)
		require.NoError(t, err, "TRIBUTARY_CHAOS_SEED")
	}
	t.Logf("TRIBUTARY_CHAOS_SEED=%d TRIBUTARY_CHAOS_KILLS=%d", seed, kills)
	return kills, seed
}

// endless is a log without end, of a few partitions that share ids: three of ten events come twice or more, on any of them.
type endless struct{ seed uint64 }

const endlessPartitions = 4

func endlessPartition(n int) eventlog.TopicPartition {
	return eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: int32(n)}
}

// id is that of the event at a place.
func (e endless) id(partition int32, offset int64) uuid.UUID {
	random := rand.New(rand.NewPCG(e.seed, uint64(partition)<<40|uint64(offset)))
	if random.IntN(10) < 3 {
		partition = random.Int32N(endlessPartitions)
		offset = max(offset-random.Int64N(4_000), 0)
	}
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], e.seed<<8|uint64(partition))
	binary.BigEndian.PutUint64(id[8:], uint64(offset))
	return id
}

// wire is the way to ClickHouse; it knows when an insert of rows is on it.
type wire struct {
	inserts atomic.Int32
	started chan struct{}
}

// tap is a transport on the wire.
type tap struct {
	http.RoundTripper
	*wire
}

func (w tap) RoundTrip(request *http.Request) (*http.Response, error) {
	if strings.Contains(request.URL.Query().Get("query"), ".rows_g") {
		w.inserts.Add(1)
		defer w.inserts.Add(-1)
		select {
		case w.started <- struct{}{}:
		default:
		}
	}
	return w.RoundTripper.RoundTrip(request)
}

// chaos is two owners that go on committing whatever happens.
type chaos struct {
	*harness

	log  endless
	wire *wire

	mu   sync.Mutex
	next map[eventlog.TopicPartition]int64 // Where the owners are, for the end.
}

// connect opens a connection over the wire.
func (c *chaos) connect(t *testing.T, url string) upstream.Conn {
	t.Helper()
	options, err := upstream.ParseDSN(url)
	require.NoError(t, err)
	options.TransportFunc = func(transport *http.Transport) (http.RoundTripper, error) {
		return tap{transport, c.wire}, nil
	}
	options.MaxOpenConns, options.MaxIdleConns = 1, 1
	conn, err := upstream.Open(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}

// run owns partitions and commits batches of random size, as a runner does, until it is told to stop.
func (c *chaos) run(ctx context.Context, store projections.Store, random *rand.Rand, partitions ...int) error {
	for {
		claims := make([]projections.Claim, len(partitions))
		for i, n := range partitions {
			claims[i] = projections.Claim{TopicPartition: endlessPartition(n), TopicID: eventlog.TopicID{1}}
		}
		var owned map[eventlog.TopicPartition]projections.Ownership
		if !insist(ctx, func() (err error) { owned, err = store.Acquire(ctx, claims); return err }) {
			return nil
		}
		err := c.commit(ctx, store, random, owned)
		var fenced *projections.FencedError
		if err != nil && !errors.As(err, &fenced) || ctx.Err() != nil {
			return err
		}
	}
}

func (c *chaos) commit(
	ctx context.Context, store projections.Store, random *rand.Rand, owned map[eventlog.TopicPartition]projections.Ownership,
) error {
	for {
		var batch projections.Batch
		for _, p := range eventlog.SortedPartitions(owned) {
			batch = c.extend(batch, owned, p, 1+random.Int64N(1_500))
		}
		change, err := store.Prepare(ctx, batch)
		if err != nil {
			return nil //nolint:nilerr // It was told to stop; Postgres never fails here.
		}
		var final error
		if !insist(ctx, func() error {
			_, err := change.Commit(ctx)
			var fenced *projections.FencedError
			var refused *projections.RefusedError
			if errors.As(err, &fenced) || errors.As(err, &refused) {
				final = err
				return nil
			}
			return err
		}) || final != nil {
			return final
		}
	}
}

// extend adds n records of a partition to a batch.
func (c *chaos) extend(
	batch projections.Batch, owned map[eventlog.TopicPartition]projections.Ownership, p eventlog.TopicPartition, n int64,
) projections.Batch {
	own := owned[p]
	from := own.NextOffset
	for offset := from; offset < from+n; offset++ {
		batch.Records = append(batch.Records, record(p.At(offset), c.log.id(p.Partition, offset)))
	}
	batch.Ranges = append(batch.Ranges, projections.Range{
		TopicPartition: p, From: from, To: from + n, Epoch: own.Epoch, Generation: own.Generation,
		RecordedAt: time.UnixMilli(1_700_000_000_000),
	})
	own.NextOffset = from + n
	owned[p] = own
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next[p] = max(c.next[p], own.NextOffset)
	return batch
}

// insist tries until it works, or the context ends.
func insist(ctx context.Context, try func() error) bool {
	for ctx.Err() == nil {
		if try() == nil {
			return true
		}
		pause(ctx, 5*time.Millisecond)
	}
	return false
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// The server is killed at random points, most of them in the middle of inserts, while two owners with ids in common go on.
func TestKillsOfTheServerLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouseServer(t)
	kills, seed := chaosSettings(t)
	c := &chaos{
		harness: newHarness(t, server.URL()), log: endless{seed}, next: map[eventlog.TopicPartition]int64{},
		wire: &wire{started: make(chan struct{}, 1)},
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var owners sync.WaitGroup
	for n := range 2 {
		store := clickhouse.NewStore(c.pool, c.connect(t, server.URL()), c.tally, clickhouse.Options{Interval: time.Microsecond})
		owners.Go(func() {
			assert.NoError(t, c.run(ctx, store, rand.New(rand.NewPCG(seed, uint64(n))), 2*n, 2*n+1))
		})
	}
	random := rand.New(rand.NewPCG(seed, 99))
	inside := 0
	for range kills {
		if random.IntN(4) > 0 {
			<-c.wire.started
			<-c.wire.started
		}
		pause(ctx, time.Duration(random.IntN(15_000))*time.Microsecond)
		if c.wire.inserts.Load() > 0 {
			inside++
		}
		require.NoError(t, server.Kill())
		require.NoError(t, server.Restart(ctx))
	}
	stop()
	owners.Wait()
	c.settle(t)
	t.Logf("%d kills, %d of them during inserts; %s", kills, inside, c.judge(t))
}

// settle has one owner commit all that any of them has read.
func (c *chaos) settle(t *testing.T) {
	t.Helper()
	store := c.Open(t, 0, nil)
	claims := make([]projections.Claim, 0, endlessPartitions)
	for n := range endlessPartitions {
		claims = append(claims, projections.Claim{TopicPartition: endlessPartition(n), TopicID: eventlog.TopicID{1}})
	}
	owned, err := store.Acquire(t.Context(), claims)
	require.NoError(t, err)
	ends := c.next
	c.next = map[eventlog.TopicPartition]int64{}
	for p, end := range ends {
		if end == owned[p].NextOffset {
			continue
		}
		change, err := store.Prepare(t.Context(), c.extend(projections.Batch{}, owned, p, end-owned[p].NextOffset))
		require.NoError(t, err)
		_, err = change.Commit(t.Context())
		require.NoError(t, err)
	}
	for p := range owned {
		require.Equal(t, owned[p].NextOffset, c.Next(t)[p], "the duplicates of %s are resolved", p)
		c.next[p] = owned[p].NextOffset
	}
}

// judge compares the table with the log: each id once.
func (c *chaos) judge(t *testing.T) string {
	t.Helper()
	rows := c.Rows(t)
	lost, doubled, ids := 0, 0, map[uuid.UUID]bool{}
	for p, end := range c.next {
		for offset := range end {
			id := c.log.id(p.Partition, offset)
			if ids[id] {
				continue
			}
			ids[id] = true
			switch n := rows[id]; {
			case n == 0:
				lost++
			case n > 1:
				doubled++
			}
		}
	}
	verdict := fmt.Sprintf("%d events, %d lost, %d doubled", len(ids), lost, doubled)
	require.True(t, lost == 0 && doubled == 0 && len(rows) == len(ids), verdict)
	return verdict
}
