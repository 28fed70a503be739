package comparison_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/comparison"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// feeless is a next version of the balances, by another rule: small payments are free of the platform's fee.
type feeless struct{ *balances.Projection }

func (f feeless) Definition() projections.Definition {
	definition := f.Projection.Definition()
	definition.Version++
	return definition
}

// Prepare folds what the events would be without the fee.
func (f feeless) Prepare(ctx context.Context, generation postgres.Generation, records []eventlog.Record) (postgres.Writes, error) {
	const small = 1_000 // cents
	changed := make([]eventlog.Record, len(records))
	for i, record := range records {
		changed[i] = record
		paid, ok := record.Event.Data.(*eventsv1.PaymentPosted)
		if !ok {
			continue
		}
		if cents, err := strconv.Atoi(paid.GetAmount().GetValue()); err != nil || cents >= small {
			continue
		}
		event := *record.Event
		free, _ := proto.Clone(paid).(*eventsv1.PaymentPosted)
		free.Fee = nil
		event.Data = free
		changed[i].Event = &event
	}
	return f.Projection.Prepare(ctx, generation, changed)
}

func balanceOf(t *testing.T, pool *pgxpool.Pool, account string) string {
	t.Helper()
	found, err := balances.List(t.Context(), pool, balances.Filter{Account: account})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0].Balance
}

// A version with another fold is built beside the live one; what it changes shows, with the keys, by how much, and from which events;
// it goes live, and the one before comes back.
func TestAnotherVersionIsComparedSwappedAndRolledBack(t *testing.T) {
	t.Parallel()
	pool := open(t)
	l := &partitioned{}
	for n := range 40 { // Every other one is small, from 1.00 on.
		l.event(t, int32(n%partitions), posted(n, "tx", "m"+strconv.Itoa(n%4), 100+(n%2)*10_000))
	}
	before := balances.New(pool, nil)
	next := feeless{balances.New(pool, nil)}
	require.NotEqual(t, before.Definition().Group(), next.Definition().Group())
	l.build(t, pool, before, 0, 7, nil)
	old, other := live(t, pool, before), create(t, pool, next)
	l.build(t, pool, next, other, 11, nil)

	report := compare(t, pool, next, other)
	require.False(t, report.OnlyConflicts())
	require.Zero(t, viewOf(t, report, "balances.identity").Differing())
	entries, accounts := viewOf(t, report, "books.entries"), viewOf(t, report, "books.account_balances")
	require.EqualValues(t, 20, entries.Missing, "what the platform gets of each small payment")
	require.EqualValues(t, 20, entries.Different, "what the merchant gets of it")
	require.Zero(t, entries.Extra)
	require.EqualValues(t, 3, accounts.Different, "merchants m0 and m2, and what the platform earns")
	require.Empty(t, accounts.Deltas, "what the merchants gain the platform loses")
	var merchant comparison.Difference
	for _, d := range report.Differences {
		if d.View == "books.account_balances" && d.Key[1].Value == "merchant:m0:payable" {
			merchant = d
		}
	}
	require.EqualValues(t, 10, merchant.EventsTotal)
	require.Len(t, merchant.Events, comparison.MaxEvents)
	for _, event := range merchant.Events {
		require.Equal(t, "tributary.payment.posted.v1", event.Type)
	}
	values := map[string]comparison.Value{}
	for _, value := range merchant.Values {
		values[value.Column] = value
	}
	require.Equal(t, "1", values["credits"].Delta)
	require.Equal(t, "1", values["balance"].Delta)

	require.Equal(t, "9", balanceOf(t, pool, "merchant:m0:payable"))
	require.NoError(t, postgres.Swap(t.Context(), pool, next.Definition(), other, nil))
	require.Equal(t, "10", balanceOf(t, pool, "merchant:m0:payable"))
	back := compare(t, pool, before, old)
	require.EqualValues(t, 20, viewOf(t, back, "books.entries").Extra, "seen from the other side")
	require.NoError(t, postgres.Swap(t.Context(), pool, before.Definition(), old, nil))
	require.Equal(t, "9", balanceOf(t, pool, "merchant:m0:payable"))
	require.Equal(t, report, compare(t, pool, next, other))
}
