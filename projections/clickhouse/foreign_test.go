package clickhouse_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Two installations on one ClickHouse, or a Postgres and a log that began anew: the same topics and offsets, other events.
func TestRowsOfAnotherPostgresAreNotTakenForOurs(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	theirs := newLog(10)
	own(t, h.Open(t, 0, nil), theirs).finish(t)
	pool, err := postgres.Open(t.Context(), stacktest.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	other := &harness{h.tally, pool, h.conn}
	migrate := func() error {
		_, err := clickhouse.Migrate(t.Context(), pool, h.conn, []clickhouse.Projection{h.tally})
		return err
	}
	require.ErrorContains(t, migrate(), "belongs to another Postgres")
	ours := newLog(10)
	_, err = other.Open(t, 0, nil).Acquire(t.Context(), ours.claims())
	require.ErrorContains(t, err, "DROP DATABASE "+h.name)
	theirs.requireOnce(t, h)
	h.execf(t, "DROP DATABASE %s SYNC", h.name)
	require.NoError(t, migrate())
	own(t, other.Open(t, 0, nil), ours).finish(t)
	ours.requireOnce(t, other)
}

// An insert that a server never finishes in time is ended, and its batch committed in halves.
func TestABatchThatTakesTooLongIsCommittedInHalves(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t), "CONSTRAINT slow CHECK sleepEachRow(0.04) = 0")
	l := newLog(50) // Two seconds.
	a := own(t, h.Open(t, 0, nil), l)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := a.prepare(t, 50).Commit(ctx)
	require.Error(t, err)
	require.Error(t, ctx.Err(), "the time was the batch's, not the store's")
	first, second, ok := a.batch(50).Halve()
	require.True(t, ok)
	for _, half := range []projections.Batch{first, second} {
		change, err := a.store.Prepare(t.Context(), half)
		require.NoError(t, err)
		_, err = change.Commit(t.Context())
		require.NoError(t, err)
	}
	l.requireOnce(t, h)
}

// Who reads that a server is away is not to look for that behind every setting of the request.
func TestAServerThatIsAwayIsToldBriefly(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	h.conn = connect(t, "http://user:secret@127.0.0.1:1")
	_, err := h.Open(t, 0, nil).Acquire(t.Context(), newLog(1).claims())
	require.ErrorContains(t, err, "no answer: dial tcp 127.0.0.1:1: connect: connection refused")
	require.NotContains(t, err.Error(), "secret")
}
