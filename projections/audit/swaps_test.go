package audit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// Which generation is live changes all the time while they are proven, in both stores: each proof is of one of them, and holds.
func TestSwapsDoNotDisturbTheProof(t *testing.T) {
	t.Parallel()
	s := earned(t)
	s.project(t)
	second := map[string]int32{balances.Name: s.rebuild(t, balances.Name), revenue.Name: s.rebuild(t, revenue.Name)}
	first := map[string]int32{
		balances.Name: s.verify(t, balances.Name).Generation, revenue.Name: s.verify(t, revenue.Name).Generation,
	}
	ctx, cancel := context.WithCancel(t.Context())
	swaps, ended := 0, make(chan error, 1)
	go func() {
		ended <- func() error {
			for ; ctx.Err() == nil; swaps++ {
				to := first
				if swaps%2 == 0 {
					to = second
				}
				if err := s.swap(context.WithoutCancel(ctx), to); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	proven := map[string]map[int32]bool{balances.Name: {}, revenue.Name: {}}
	const least, most = 8, 40
	for n := 0; n < least || n < most && len(proven[balances.Name])+len(proven[revenue.Name]) < 4; n++ {
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
	require.Greater(t, swaps, 1)
	t.Logf("%d swaps, proven: %v", swaps, proven)
}

// swap makes generations live, each swap to its end.
func (s *stack) swap(ctx context.Context, to map[string]int32) error {
	if err := postgres.Swap(ctx, s.pool, balances.New(nil, nil).Definition(), to[balances.Name], nil); err != nil {
		return err
	}
	return clickhouse.Swap(ctx, s.pool, s.conn, revenue.New(), to[revenue.Name], nil)
}
