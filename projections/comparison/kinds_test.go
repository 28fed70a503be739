package comparison_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/comparison"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// damage is done to a generation, and what must be said of it.
type damage struct {
	projection, view, kind string
	// sql changes one row of the generation whose number stands for %d.
	sql string
	// column, delta and asset are of one of the values; empty where nothing is said of them.
	column, delta, asset string
	// events is how many are named.
	events int64
}

func damages() []damage {
	const one = "WHERE ctid = (SELECT min(ctid) FROM "
	return []damage{
		{
			"balances", "balances.identity", comparison.KindMissing,
			"DELETE FROM balances.identity_g%d " + one + "balances.identity_g%[1]d)", "", "", "", 1,
		},
		{
			"balances", "books.account_balances", comparison.KindDifferent,
			"UPDATE balances.totals_g%d SET debits = debits + 0.5 " + one + "balances.totals_g%[1]d)", "debits", "0.5", "", 0,
		},
		{
			"balances", "books.entries", comparison.KindMissing,
			"DELETE FROM balances.entries_g%d " + one + "balances.entries_g%[1]d)", "amount", "", "", 1,
		},
		{
			"balances", "books.entries", comparison.KindDifferent,
			"UPDATE balances.entries_g%d SET amount = amount - 1 " + one + "balances.entries_g%[1]d)", "amount", "-1", "", 1,
		},
		{
			"balances", "books.entries", comparison.KindExtra,
			"INSERT INTO balances.entries_g%d SELECT e.* FROM balances.entries_g%[1]d e LIMIT 1",
			"amount", "", "", 1,
		},
		{
			"balances", "books.conflicts", comparison.KindMissing,
			"DELETE FROM balances.conflicts_g%d " + one + "balances.conflicts_g%[1]d)", "", "", "", 1,
		},
		{
			"receipts", "books.payments", comparison.KindDifferent,
			"UPDATE receipts.payments_g%d SET disputed = disputed + 7 " + one + "receipts.payments_g%[1]d WHERE amount IS NOT NULL)",
			"disputed", "7", "", -1,
		},
		{
			"receipts", "books.payments", comparison.KindMissing,
			"DELETE FROM receipts.payments_g%d " + one + "receipts.payments_g%[1]d WHERE state < 3)", "", "", "", -1,
		},
		{
			"receipts", "books.receipts", comparison.KindDifferent,
			"UPDATE receipts.payments_g%d SET fee = coalesce(fee, 0) + 1 " + one + "receipts.payments_g%[1]d WHERE posted_at IS NOT NULL)",
			"fee", "1", "", -1,
		},
		{
			"receipts", "books.refunds", comparison.KindDifferent,
			"UPDATE receipts.refunds_g%d SET reason = 'tampered' " + one + "receipts.refunds_g%[1]d)", "reason", "", "", -1,
		},
		{
			"receipts", "books.repeated_transactions", comparison.KindMissing,
			"DELETE FROM receipts.movements_g%d WHERE kind = 1 AND reference = 'same' AND payment_id = 'pay-0'", "", "", "", 2,
		},
		{
			"receipts", "books.orphans", comparison.KindExtra,
			`INSERT INTO receipts.movements_g%d (event_id, kind, ledger, payment_id, provider, reference)
				SELECT event_id, 2, 'main', 'nothing', 'till', 'ref' FROM receipts.identity_g%[1]d LIMIT 1`, "", "", "", 1,
		},
		{
			"receivers", "books.receivers", comparison.KindDifferent,
			"UPDATE receivers.receivers_g%d SET amount_due = amount_due + 1 " + one + "receivers.receivers_g%[1]d WHERE amount_due IS NOT NULL)",
			"amount_due", "1", "", -1,
		},
		{
			"receivers", "books.receiver_payments", comparison.KindMissing,
			"DELETE FROM receivers.payments_g%d " + one + "receivers.payments_g%[1]d)", "amount", "", "", -1,
		},
		{
			"receivers", "books.orphans", comparison.KindExtra,
			`UPDATE receivers.receivers_g%d SET created_at = NULL WHERE receiver_id = (SELECT receiver_id FROM receivers.payments_g%[1]d
				GROUP BY receiver_id HAVING count(*) = 1 LIMIT 1)`, "", "", "", 1,
		},
		{
			"quarantine", "books.quarantine", comparison.KindDifferent,
			"UPDATE quarantine.records_g%d SET payload = '\\x00' " + one + "quarantine.records_g%[1]d)", "payload", "", "", 1,
		},
		{
			"subjects", "subjects.places", comparison.KindMissing,
			"DELETE FROM subjects.places_g%d " + one + "subjects.places_g%[1]d)", "", "", "", 1,
		},
	}
}

// Each kind of difference in each view is found, and named with its events.
func TestEachDifferenceIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	pool := open(t)
	l := simulated(t, 4, 1_500, true)
	byName := map[string]postgres.Readable{}
	for _, projection := range all(pool) {
		byName[projection.Definition().Name] = projection
		l.build(t, pool, projection, 0, 1_000, nil)
	}
	others := map[string]int32{}
	for name, projection := range byName {
		others[name] = create(t, pool, projection)
		l.build(t, pool, projection, others[name], 1_000, nil)
		require.True(t, compare(t, pool, projection, others[name]).Agrees())
	}
	for _, d := range damages() {
		t.Run(d.view+" "+d.kind+" "+d.column, func(t *testing.T) {
			t.Parallel() // Each damages the tables for itself, in a transaction.
			d.check(t, pool, byName[d.projection], others[d.projection])
		})
	}
}

// check damages a generation, compares, and takes the damage back.
func (d *damage) check(t *testing.T, pool *pgxpool.Pool, projection postgres.Readable, other int32) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // It is what this is for.
	tag, err := tx.Exec(t.Context(), fmt.Sprintf(d.sql, other))
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected(), d.sql)
	require.NoError(t, postgres.Show(t.Context(), tx, projection.Definition().Name, other))
	report, err := comparison.Postgres(t.Context(), show(t, pool, projection, live(t, pool, projection)), tx, projection.Readers(), nil)
	require.NoError(t, err)
	require.False(t, report.OnlyConflicts())
	view := viewOf(t, report, d.view)
	require.EqualValues(t, 1, view.Differing(), "%+v", report)
	for _, found := range report.Differences {
		if found.View == d.view {
			d.compare(t, &found, view)
			return
		}
	}
	require.Fail(t, "the difference is not listed")
}

func (d *damage) compare(t *testing.T, found *comparison.Difference, view comparison.View) {
	t.Helper()
	require.Equal(t, d.kind, found.Kind)
	require.False(t, found.Conflict)
	require.NotEmpty(t, found.Key)
	if d.events < 0 {
		require.Positive(t, found.EventsTotal)
	} else {
		require.Equal(t, d.events, found.EventsTotal, "%+v", found)
	}
	require.Len(t, found.Events, int(min(found.EventsTotal, comparison.MaxEvents)))
	for _, value := range found.Values {
		if value.Column != d.column {
			continue
		}
		require.NotEqual(t, value.Live, value.Other)
		if d.delta != "" {
			require.Equal(t, d.delta, value.Delta)
			require.Contains(t, view.Deltas, comparison.Delta{Column: d.column, AssetCode: value.AssetCode, Delta: d.delta})
		}
		return
	}
	require.Empty(t, d.column, "%+v", found)
}
