package foldtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Open gives the test a database that has these projections' tables; a benchmark gets it on a server of the usual size. The
// package's TestMain must call stacktest.Main.
func Open(t testing.TB, all ...postgres.Projection) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), database(t, all))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func database(t testing.TB, all []postgres.Projection) string {
	t.Helper()
	migrate := func(ctx context.Context, url string) error {
		pool, err := postgres.Open(ctx, url)
		if err != nil {
			return fmt.Errorf("open the template: %w", err)
		}
		defer pool.Close()
		_, err = postgres.Migrate(ctx, pool, all, nil)
		return err
	}
	if _, measured := t.(*testing.B); measured {
		url := stacktest.LargePostgres(t).URL()
		require.NoError(t, migrate(t.Context(), url))
		return url
	}
	names := make([]string, len(all))
	for i, projection := range all {
		names[i] = projection.Definition().Name
	}
	return stacktest.PostgresFrom(t, strings.Join(names, " "), migrate)
}

// Record is an event at a place in the log of its type's topic, recorded a second after it happened.
func Record(event *ledger.Event, partition int32, offset int64) eventlog.Record {
	return eventlog.Record{
		Position:   eventlog.Position{Topic: event.Type.Topic(), Partition: partition, Offset: offset},
		RecordedAt: event.Time.Add(time.Second), LeaderEpoch: 1, Event: event,
	}
}

// Owner writes a projection's tables as a runner does that owns every partition.
type Owner struct {
	store projections.Store
	owned map[eventlog.TopicPartition]projections.Ownership
}

// Own makes the owner.
func Own(t testing.TB, pool *pgxpool.Pool, projection postgres.Projection) *Owner {
	t.Helper()
	return OwnStore(postgres.NewStore(pool, projection, postgres.Options{}))
}

// OwnStore makes the owner of what any store keeps.
func OwnStore(store projections.Store) *Owner {
	return &Owner{store, map[eventlog.TopicPartition]projections.Ownership{}}
}

// Commit puts records in as one batch; for each partition their offsets must be past those before.
func (o *Owner) Commit(t testing.TB, records ...eventlog.Record) projections.Committed {
	t.Helper()
	committed, err := o.TryCommit(t.Context(), records...)
	require.NoError(t, err)
	return committed
}

// TryCommit is Commit for a goroutine other than the test's.
func (o *Owner) TryCommit(ctx context.Context, records ...eventlog.Record) (projections.Committed, error) {
	batch, err := o.batch(ctx, records)
	if err != nil {
		return projections.Committed{}, err
	}
	change, err := o.store.Prepare(ctx, batch)
	if err != nil {
		return projections.Committed{}, fmt.Errorf("prepare: %w", err)
	}
	committed, err := change.Commit(ctx)
	if err != nil {
		return committed, fmt.Errorf("commit: %w", err)
	}
	return committed, nil
}

func (o *Owner) batch(ctx context.Context, records []eventlog.Record) (projections.Batch, error) {
	batch := projections.Batch{Records: slices.Clone(records)}
	slices.SortStableFunc(batch.Records, func(a, b eventlog.Record) int {
		return cmp.Or(a.TopicPartition().Compare(b.TopicPartition()), cmp.Compare(a.Offset, b.Offset))
	})
	for i := range batch.Records {
		record := &batch.Records[i]
		p := record.TopicPartition()
		owner, err := o.own(ctx, p)
		if err != nil {
			return batch, fmt.Errorf("acquire %s: %w", p, err)
		}
		if n := len(batch.Ranges); n == 0 || batch.Ranges[n-1].TopicPartition != p {
			batch.Ranges = append(batch.Ranges, projections.Range{
				TopicPartition: p, From: owner.NextOffset, Epoch: owner.Epoch, Generation: owner.Generation,
			})
		}
		r := &batch.Ranges[len(batch.Ranges)-1]
		r.To, r.LeaderEpoch, r.RecordedAt = record.Offset+1, record.LeaderEpoch, record.RecordedAt
		owner.NextOffset = r.To
		o.owned[p] = owner
	}
	return batch, nil
}

func (o *Owner) own(ctx context.Context, p eventlog.TopicPartition) (projections.Ownership, error) {
	if owner, ok := o.owned[p]; ok {
		return owner, nil
	}
	owned, err := o.store.Acquire(ctx, []projections.Claim{{TopicPartition: p, TopicID: eventlog.TopicID{1}}})
	if err == nil {
		o.owned[p] = owned[p]
	}
	return owned[p], err
}

// Log gives the test a Kafka with the ledger's topics.
func Log(t testing.TB) eventlog.Config {
	t.Helper()
	config := eventlog.Config{Brokers: stacktest.Kafka(t)}
	admin, err := eventlog.NewAdmin(config)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{})
	require.NoError(t, err)
	return config
}

// patience bounds the wait for a runner; only a broken one is ever waited for that long.
const patience = time.Minute

// Project runs a real runner until the live generation is past that many offsets, over all partitions, and stops it.
func Project(t testing.TB, pool *pgxpool.Pool, projection postgres.Projection, log eventlog.Config, offsets int64) {
	t.Helper()
	runner := projections.NewRunner(postgres.NewStore(pool, projection, postgres.Options{}), log, projections.Settings{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	ended := false
	require.Eventually(t, func() bool {
		select {
		case err := <-done:
			done <- err
			ended = true
			return true
		default:
		}
		var n int64
		err := pool.QueryRow(ctx, `SELECT coalesce(sum(next_offset), 0) FROM books.progress WHERE projection = $1`,
			projection.Definition().Name).Scan(&n)
		return err == nil && n >= offsets
	}, patience, 10*time.Millisecond)
	cancel()
	err := <-done
	require.NoError(t, err)
	require.False(t, ended, "the runner stopped by itself")
}

// Next is the recorded next offset of each partition in the live generations; of no partition before its first commit.
func Next(t *testing.T, pool *pgxpool.Pool) map[eventlog.TopicPartition]int64 {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT topic, "partition", next_offset FROM books.progress WHERE next_offset > 0`)
	require.NoError(t, err)
	next := map[eventlog.TopicPartition]int64{}
	var p eventlog.TopicPartition
	var offset int64
	_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &offset}, func() error {
		next[p] = offset
		return nil
	})
	require.NoError(t, err)
	return next
}
