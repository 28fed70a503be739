package postgres_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
)

// A new owner that asks which generation is live in the middle of a swap must not go on writing the one before.
func TestATakeoverDuringASwapTakesTheLiveGeneration(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, tally{})
	h := &harness{pool, 50 * time.Millisecond}
	store := postgres.NewStore(pool, tally{}, postgres.Options{TakeoverAfter: patience})
	claims := []projections.Claim{{
		TopicPartition: eventlog.TopicPartition{Topic: eventlog.TopicPayments}, TopicID: eventlog.TopicID{1},
	}}
	_, err := store.Acquire(t.Context(), claims)
	require.NoError(t, err)
	next := h.CreateGeneration(t)
	holder, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), `SELECT FROM tributary.progress FOR UPDATE`)
	require.NoError(t, err)
	waiting := func(sessions int) {
		require.Eventually(t, func() bool {
			var n int
			err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
			return err == nil && n == sessions
		}, patience, time.Millisecond)
	}
	swapped := make(chan error, 1)
	go func() { swapped <- h.Swap(t.Context(), next, nil) }()
	waiting(1)
	type taken struct {
		owned map[eventlog.TopicPartition]projections.Ownership
		err   error
	}
	acquired := make(chan taken, 1)
	go func() {
		owned, err := store.Acquire(t.Context(), claims)
		acquired <- taken{owned, err}
	}()
	waiting(2)
	require.NoError(t, holder.Rollback(t.Context()))
	require.NoError(t, <-swapped)
	got := <-acquired
	require.NoError(t, got.err)
	require.Equal(t, next, got.owned[claims[0].TopicPartition].Generation)
}

// heavy is a store whose commits of more than so many records take longer than any patience.
type heavy struct {
	projections.Store

	most    int
	timeout *atomic.Int64
}

func (h heavy) Prepare(ctx context.Context, batch projections.Batch) (projections.Change, error) {
	change, err := h.Store.Prepare(ctx, batch)
	if len(batch.Records) <= h.most {
		return change, err
	}
	return endless{h.timeout}, err
}

type endless struct{ timeout *atomic.Int64 }

func (e endless) Commit(ctx context.Context) (projections.Committed, error) {
	<-ctx.Done()
	e.timeout.Add(1)
	return projections.Committed{}, ctx.Err()
}

func TestABatchThatTakesTooLongIsCommittedInParts(t *testing.T) {
	t.Parallel()
	f := openFlow(t)
	f.publish(t, 400)
	var timeouts atomic.Int64
	runner := projections.NewRunner(heavy{f.Open(t, 0, nil), 60, &timeouts}, f.log, projections.Settings{
		BatchEvents: 400, CommitTimeout: 2 * time.Second, RetryMax: 100 * time.Millisecond, Registerer: prometheus.NewRegistry(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	defer func() { cancel(); require.NoError(t, <-done) }()
	f.waitAllOnce(t)
	require.Positive(t, timeouts.Load())
	require.Eventually(t, func() bool { return runner.Health().Ready() == nil }, patience, 10*time.Millisecond)
}

// After an outage a projector without anything to read, and one without a partition, are as well as before.
func TestAnOutageOfKafkaLeavesIdleCopiesReady(t *testing.T) {
	t.Parallel()
	kafka := stacktest.KafkaProcess(t, devstack.KafkaConfig{})
	log := eventlog.Config{Brokers: kafka.Brokers()}
	admin, err := eventlog.NewAdmin(log)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{Partitions: 1})
	require.NoError(t, err)
	f := newFlow(t, foldtest.Open(t, tally{}), log)
	copies := make([]*running, len(eventlog.Topics())+1)
	for i := range copies {
		copies[i] = f.run(t, nil)
	}
	allReady := func() {
		require.Eventually(t, func() bool {
			partitions := 0
			for _, r := range copies {
				if r.Health().Ready() != nil {
					return false
				}
				partitions += r.Health().Partitions()
			}
			return partitions == len(eventlog.Topics())
		}, patience, 10*time.Millisecond)
	}
	allReady()
	require.NoError(t, kafka.Kill())
	for _, r := range copies {
		require.Eventually(t, func() bool { return r.Health().Ready() != nil }, patience, 10*time.Millisecond)
	}
	require.NoError(t, kafka.Restart(t.Context()))
	allReady()
}
