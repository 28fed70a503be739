package comparison_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/comparison"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
)

// naive is a view's rows in memory: what is compared, and what only tells copies apart, by key.
type naive map[string][2]string

// readNaive reads a view as a reader would, who compares values and not texts.
func readNaive(ctx context.Context, tx pgx.Tx, view postgres.ReaderView) (naive, error) {
	from := view.Name
	if view.From != "" {
		from = "(" + view.From + ") v"
	}
	where := ""
	if view.Where != "" {
		where = " WHERE " + view.Where
	}
	rows, err := tx.Query(ctx, "SELECT to_jsonb(v) FROM (SELECT * FROM "+from+where+") v")
	if err != nil {
		return nil, err
	}
	all := naive{}
	var row map[string]any
	_, err = pgx.ForEachRow(rows, []any{&row}, func() error {
		key, copies := map[string]any{}, map[string]any{}
		for name, value := range row {
			if number, ok := value.(float64); ok {
				row[name] = fmt.Sprint(number)
			}
			if slices.Contains(view.Key, name) {
				key[name] = row[name]
			} else if slices.Contains(view.Copy, name) {
				copies[name] = row[name]
				delete(row, name)
			}
		}
		texts := make([]string, 3)
		for i, part := range []map[string]any{key, row, copies} {
			text, err := json.Marshal(part)
			if err != nil {
				return err
			}
			texts[i] = string(text)
		}
		all[texts[0]] = [2]string{texts[1], texts[2]}
		row = nil
		return nil
	})
	return all, err
}

// outcome is how many rows differ in each way, and which.
type outcome struct {
	kinds  map[string]string
	copies int64
}

func compareNaive(live, other naive) outcome {
	o := outcome{kinds: map[string]string{}}
	for key, row := range live {
		switch found, ok := other[key]; {
		case !ok:
			o.kinds[key] = comparison.KindMissing
		case found[0] != row[0]:
			o.kinds[key] = comparison.KindDifferent
		case found[1] != row[1]:
			o.copies++
		}
	}
	for key := range other {
		if _, ok := live[key]; !ok {
			o.kinds[key] = comparison.KindExtra
		}
	}
	return o
}

// changes are what may happen to the tables of a generation; each is to a random row.
func changes() map[string][]string {
	const some = ` WHERE ctid IN (SELECT ctid FROM %s ORDER BY md5(ctid::text || '%d') LIMIT 3)`
	of := func(table, change string) string { return strings.Replace(change, "TABLE", table+"_g%d", 1) + some }
	return map[string][]string{
		balances.Name: {
			of("balances.entries", "DELETE FROM TABLE"),
			of("balances.entries", "UPDATE TABLE SET amount = amount + 0.010"),
			of("balances.entries", `UPDATE TABLE SET kafka_offset = kafka_offset + 1, "partition" = 7`),
			of("balances.entries", "UPDATE TABLE SET amount = amount * 1.00"),
			of("balances.entries", "UPDATE TABLE SET credit = NOT credit"),
			of("balances.entries", "UPDATE TABLE SET occurred_at = occurred_at + interval '1 microsecond'"),
			of("balances.totals", "UPDATE TABLE SET credits = credits + 1"),
			of("balances.identity", "DELETE FROM TABLE"),
			// Values change places: the sums of a column stay what they are.
			`UPDATE %s SET reference = (SELECT min(reference) FROM %[1]s) WHERE reference = (SELECT max(reference) FROM %[1]s) AND %d >= 0`,
		},
		receipts.Name: {
			of("receipts.payments", "UPDATE TABLE SET refunded = refunded + 1"),
			of("receipts.payments", "UPDATE TABLE SET user_id = NULL"),
			of("receipts.payments", "UPDATE TABLE SET user_id = ''"),
			of("receipts.payments", "UPDATE TABLE SET receipt_id = receipt_id || ',\"(x)'"),
			of("receipts.payments", "DELETE FROM TABLE"),
			of("receipts.refunds", "UPDATE TABLE SET fee_returned = NULL"),
			of("receipts.movements", "DELETE FROM TABLE"),
		},
	}
}

// tableOf is the table that a change is to.
func tableOf(change, projection string, generation int32) string {
	for word := range strings.FieldsSeq(change) {
		if name, ok := strings.CutSuffix(word, "_g%d"); ok {
			return fmt.Sprintf("%s_g%d", name, generation)
		}
	}
	return fmt.Sprintf("%s.entries_g%d", projection, generation)
}

// drawnChange is a change, and which rows it is to.
type drawnChange struct {
	sql  string
	seed int
}

func (c drawnChange) make(t testing.TB, tx pgx.Tx, projection string, generation int32) {
	t.Helper()
	table := tableOf(c.sql, projection, generation)
	sql := strings.Replace(c.sql, strings.TrimSuffix(table, strconv.Itoa(int(generation)))+"%d", table, 1)
	_, err := tx.Exec(t.Context(), fmt.Sprintf(sql, table, c.seed))
	require.NoError(t, err, sql)
}

// drawnChanges draws what happens to a projection's two generations.
func drawnChanges(projection string) *rapid.Generator[[2][]drawnChange] {
	return rapid.Custom(func(t *rapid.T) [2][]drawnChange {
		var both [2][]drawnChange
		for i := range both {
			both[i] = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) drawnChange {
				return drawnChange{rapid.SampledFrom(changes()[projection]).Draw(t, "change"), rapid.IntRange(0, 50).Draw(t, "seed")}
			}), 0, 3).Draw(t, "changes")
		}
		return both
	})
}

// Whatever differs, the comparison says of each row what a comparison of all rows in memory says.
func TestFindsWhatANaiveComparisonFinds(t *testing.T) { //nolint:tparallel // its parts change the same rows
	t.Parallel()
	pool := open(t)
	l := simulated(t, 9, 400, true)
	for n, projection := range []postgres.Readable{balances.New(pool, nil), receipts.New()} { //nolint:paralleltest // as above
		other := create(t, pool, projection)
		l.build(t, pool, projection, 0, 400, nil)
		l.build(t, pool, projection, other, 60, rand.New(rand.NewPCG(9, uint64(n))))
		name := projection.Definition().Name
		for seed := range 20 {
			// One after the other: each changes rows that the next one changes, too, in another order, and keeps them locked.
			t.Run(name+" "+strconv.Itoa(seed), func(t *testing.T) {
				compareChanged(t, pool, projection, other, drawnChanges(name).Example(seed))
			})
		}
	}
}

// compareChanged changes both generations for itself, and compares them in both ways.
func compareChanged(t *testing.T, pool *pgxpool.Pool, projection postgres.Readable, other int32, changes [2][]drawnChange) {
	t.Helper()
	var sides [2]pgx.Tx
	for i, generation := range []int32{live(t, pool, projection), other} {
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, tx.Rollback(context.WithoutCancel(t.Context()))) })
		require.NoError(t, postgres.Show(t.Context(), tx, projection.Definition().Name, generation))
		for _, change := range changes[i] {
			change.make(t, tx, projection.Definition().Name, generation)
		}
		sides[i] = tx
	}
	report, err := comparison.Postgres(t.Context(), sides[0], sides[1], projection.Readers(), nil)
	require.NoError(t, err)
	for i, view := range projection.Readers() {
		liveRows, err := readNaive(t.Context(), sides[0], view)
		require.NoError(t, err)
		otherRows, err := readNaive(t.Context(), sides[1], view)
		require.NoError(t, err)
		require.EqualValues(t, len(liveRows), report.Views[i].LiveRows)
		require.EqualValues(t, len(otherRows), report.Views[i].OtherRows)
		agree(t, report, report.Views[i], compareNaive(liveRows, otherRows))
	}
}

func agree(t testing.TB, report comparison.Report, view comparison.View, want outcome) {
	t.Helper()
	require.Equal(t, want.copies, view.OtherCopies, view.Name)
	require.EqualValues(t, len(want.kinds), view.Differing()+view.Conflicts, "%s: %v", view.Name, want.kinds)
	listed := map[string]string{}
	for _, d := range report.Differences {
		if d.View != view.Name {
			continue
		}
		key := map[string]any{}
		for _, cell := range d.Key {
			key[cell.Column] = cell.Value
		}
		text, err := json.Marshal(key)
		require.NoError(t, err)
		listed[string(text)] = d.Kind
	}
	require.Len(t, listed, min(len(want.kinds), comparison.MaxDifferences))
	for key, kind := range listed {
		require.Equal(t, want.kinds[key], kind, "%s: %s", view.Name, key)
	}
}
