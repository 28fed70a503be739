package audit_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// Which generation is live changes all the time while they are proven, in both stores: each proof is of one of them, and holds. It is
// proven until each generation was, and swaps were under way; how fast either is does not matter.
func TestSwapsDoNotDisturbTheProof(t *testing.T) {
	t.Parallel()
	s := earned(t)
	s.project(t)
	second := map[string]int32{balances.Name: s.rebuild(t, balances.Name), revenue.Name: s.rebuild(t, revenue.Name)}
	first := map[string]int32{
		balances.Name: s.verify(t, balances.Name).Generation, revenue.Name: s.verify(t, revenue.Name).Generation,
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("too few swaps, or only some generations proven"))
	defer cancel()
	var swaps atomic.Int64
	ended := make(chan error, 1)
	go func() { ended <- s.swapInTurn(ctx, &swaps, second, first) }()
	proven := map[string]map[int32]bool{balances.Name: {}, revenue.Name: {}}
	const leastProofs, leastSwaps = 8, 4
	for n := 0; n < leastProofs || swaps.Load() < leastSwaps || len(proven[balances.Name])+len(proven[revenue.Name]) < 4; n++ {
		select {
		case err := <-ended:
			require.Fail(t, "the swaps ended", "%d swaps, %d proofs, proven: %v: %v, %v", swaps.Load(), n, proven, err, context.Cause(ctx))
		default:
		}
		report, err := audit.New(s.pool, s.kafka, s.conn).Verify(t.Context(), audit.Live(balances.Name, revenue.Name), nil)
		require.NoError(t, err)
		for _, p := range report.Projections {
			require.Empty(t, p.Differences, p.Name)
			require.Zero(t, p.DifferencesTotal, p.Name)
			require.Positive(t, p.Records, p.Name)
			proven[p.Name][p.Generation] = true
		}
	}
	cancel()
	require.NoError(t, <-ended)
	t.Logf("%d swaps, proven: %v", swaps.Load(), proven)
}

// swapInTurn makes the one and the other live in turn until ctx ends, and counts the swaps; each goes to its end.
func (s *stack) swapInTurn(ctx context.Context, swaps *atomic.Int64, to, next map[string]int32) error {
	for ; ctx.Err() == nil; to, next = next, to {
		if err := s.swap(context.WithoutCancel(ctx), to); err != nil {
			return err
		}
		swaps.Add(1)
	}
	return nil
}

// swap makes generations live, each swap to its end.
func (s *stack) swap(ctx context.Context, to map[string]int32) error {
	if err := postgres.Swap(ctx, s.pool, balances.New(nil, nil).Definition(), to[balances.Name], nil); err != nil {
		return err
	}
	return clickhouse.Swap(ctx, s.pool, s.conn, revenue.New(), to[revenue.Name], nil)
}
