package comparison_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Generations that were built in other pieces, and met the partitions in another order, are the same to readers, though their rows
// come from other copies of events.
func TestOrderAndBatchesAreNoDifference(t *testing.T) {
	t.Parallel()
	pool := open(t)
	l := simulated(t, 2, 1_500, false)
	copies := int64(0)
	for n, projection := range all(pool) {
		l.build(t, pool, projection, 0, 1_000, nil)
		other := create(t, pool, projection)
		l.build(t, pool, projection, other, 77, rand.New(rand.NewPCG(2, uint64(n))))
		report := compare(t, pool, projection, other)
		require.True(t, report.Agrees(), "%+v", report)
		require.Empty(t, report.Differences)
		require.Len(t, report.Views, len(projection.Readers()))
		for _, view := range report.Views {
			if view.Name != "books.conflicts" {
				require.Positive(t, view.LiveRows, view.Name)
			}
			require.Equal(t, view.LiveRows, view.OtherRows, view.Name)
			require.Empty(t, view.Deltas)
			copies += view.OtherCopies
		}
	}
	require.Positive(t, copies, "no row came from another copy: the orders were not different enough")
}

// Conflicts are told apart: neither generation is wrong.
func TestConflictsAreToldApart(t *testing.T) {
	t.Parallel()
	pool := open(t)
	l := simulated(t, 3, 1_500, true)
	conflicts := map[string]int64{}
	others := map[string]int32{}
	for n, projection := range all(pool) { // The subjects too: by them the rest is explained.
		l.build(t, pool, projection, 0, 1_000, nil)
		other := create(t, pool, projection)
		l.build(t, pool, projection, other, 77, rand.New(rand.NewPCG(3, uint64(n))))
		others[projection.Definition().Name] = other
	}
	for _, projection := range all(pool) {
		report := compare(t, pool, projection, others[projection.Definition().Name])
		require.True(t, report.OnlyConflicts(), "%+v", report)
		for _, view := range report.Views {
			conflicts[view.Name] += view.Conflicts
		}
		for _, d := range report.Differences {
			require.True(t, d.Conflict)
			require.NotEmpty(t, d.Events, fmt.Sprint(d))
		}
	}
	for _, view := range []string{
		"balances.identity", "books.entries", "books.account_balances", "books.conflicts", "books.payments", "books.receipts",
	} {
		require.Positive(t, conflicts[view], "no conflict in %s", view)
	}
	require.Zero(t, conflicts["books.quarantine"]+conflicts["subjects.places"])
}
