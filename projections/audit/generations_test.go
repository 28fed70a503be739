package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// rebuild makes a second generation of a projection, as far as the live one.
func (s *stack) rebuild(t testing.TB, name string) int32 {
	t.Helper()
	var number int32
	var err error
	var store projections.Store
	if name == revenue.Name {
		number, err = clickhouse.CreateGeneration(t.Context(), s.pool, s.conn, revenue.New())
		store = clickhouse.NewStore(s.pool, s.conn, revenue.New(), clickhouse.Options{Generation: number})
	} else {
		known := all(s.pool)
		at := slices.IndexFunc(known, func(p postgres.Projection) bool { return p.Definition().Name == name })
		number, err = postgres.CreateGeneration(t.Context(), s.pool, known[at])
		store = postgres.NewStore(s.pool, known[at], postgres.Options{Generation: number})
	}
	require.NoError(t, err)
	require.NoError(t, projections.NewRebuild(store, s.kafka, projections.Settings{}).To(t.Context(), s.reached(t, name)))
	return number
}

func (s *stack) verifyGeneration(t testing.TB, name string, number int32) audit.Projection {
	t.Helper()
	report, err := audit.New(s.pool, s.kafka, s.conn).Verify(t.Context(), []audit.Target{{Name: name, Generation: number}}, nil)
	require.NoError(t, err)
	require.Len(t, report.Projections, 1)
	require.Equal(t, number, report.Projections[0].Generation)
	return report.Projections[0]
}

// damage is something wrong in a table of a generation, and what must be said of it.
type damage struct {
	// do and undo change a table of the generation gN; the last need not be undone.
	do, undo string
	// table, key, column and kind are of a difference that is found, by is the event behind it.
	table, key, column, kind string
	by                       *ledger.Event
}

func (d *damage) requireFound(t *testing.T, p audit.Projection) {
	t.Helper()
	for i := range p.Differences {
		f := &p.Differences[i]
		if f.Table == d.table && f.Key == d.key && f.Column == d.column && f.Kind == d.kind {
			require.NotEmpty(t, f.Events, "%+v", f)
			require.Equal(t, d.by.ID.String(), f.Events[0].EventID, "%+v", f)
			return
		}
	}
	require.Fail(t, "not found", "%s\n%+v", d.do, p.Differences)
}

// What is wrong in a generation is found in that one, and in no other.
func TestDamageIsFoundInItsGeneration(t *testing.T) {
	t.Parallel()
	five := numbered(5).String()
	for name, c := range map[string]struct {
		history func(t *testing.T) *stack
		damages []damage
	}{
		"balances": {history, []damage{
			{
				`UPDATE balances.totals_gN SET debits = debits + 1 WHERE account = (SELECT id FROM balances.accounts
					WHERE account = 'merchant:m1:payable') AND "partition" = 1`,
				`UPDATE balances.totals_gN SET debits = debits - 1 WHERE account = (SELECT id FROM balances.accounts
					WHERE account = 'merchant:m1:payable') AND "partition" = 1`,
				"books.account_balances", "main merchant:m1:payable EUR", "debits", audit.KindDifferent, posted(3, 1000),
			}, {
				`UPDATE balances.entries_gN SET amount = amount * 2 WHERE event_id = '` + five + `' AND entry = 0`,
				`UPDATE balances.entries_gN SET amount = amount / 2 WHERE event_id = '` + five + `' AND entry = 0`,
				"books.entries", five + " 0", "amount", audit.KindDifferent, posted(5, 1000),
			}, {
				`DELETE FROM balances.entries_gN WHERE event_id = '` + five + `' AND entry = 1`, "",
				"books.entries", five + " 1", "", audit.KindMissing, posted(5, 1000),
			},
		}},
		"receipts": {sold, []damage{{
			`UPDATE receipts.payments_gN SET amount = 11 WHERE payment_id = 'pay-1'`,
			`UPDATE receipts.payments_gN SET amount = 10 WHERE payment_id = 'pay-1'`,
			"books.receipts", "main pay-1", "amount", audit.KindDifferent, posted(2, 0),
		}, {
			`DELETE FROM receipts.identity_gN WHERE event_id = '` + numbered(3).String() + `'`, "",
			"receipts.identity", numbered(3).String(), "", audit.KindMissing, posted(3, 500),
		}}},
	} {
		for _, live := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, live: %t", name, live), func(t *testing.T) {
				t.Parallel()
				s := c.history(t)
				of, not := s.verify(t, name).Generation, s.rebuild(t, name)
				if !live {
					of, not = not, of
				}
				require.Empty(t, s.verifyGeneration(t, name, of).Differences)
				for _, d := range c.damages {
					s.tamper(t, 1, strings.ReplaceAll(d.do, "gN", fmt.Sprintf("g%d", of)))
					d.requireFound(t, s.verifyGeneration(t, name, of))
					require.Empty(t, s.verifyGeneration(t, name, not).Differences)
					if d.undo != "" {
						s.tamper(t, 1, strings.ReplaceAll(d.undo, "gN", fmt.Sprintf("g%d", of)))
					}
				}
			})
		}
	}
}

// The same of ClickHouse: a row that is missing, and one that is there twice, in a generation that is not live.
func TestDamageInAnotherGenerationOfRevenueIsFound(t *testing.T) {
	t.Parallel()
	s := earned(t)
	other := s.rebuild(t, revenue.Name)
	require.Empty(t, s.verifyGeneration(t, revenue.Name, other).Differences)
	table := fmt.Sprintf("revenue.events_g%d", other)
	require.NoError(t, s.conn.Exec(t.Context(), "ALTER TABLE "+table+" DELETE WHERE event_id = '"+numbered(2).String()+
		"' SETTINGS mutations_sync = 1"))
	p := s.verifyGeneration(t, revenue.Name, other)
	require.Equal(t, []string{rowsCheck, quartersCheck}, failed(p))
	require.Equal(t, []string{audit.KindMissing}, kindsIn(p))
	for _, d := range p.Differences {
		require.Equal(t, []audit.Reference{{"payments/0@1", numbered(2).String(), string(ledger.TypePaymentPosted)}}, d.Events)
	}
	require.Empty(t, s.verify(t, revenue.Name).Differences)
}

// An id may have two rows only where its index is broken; that the events' copies are both there hides it from any sum.
func TestAnIdWithTwoRowsIsFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.put(t, 1, posted(5, 1000))
	s.project(t)
	copied := s.reached(t, "balances")[eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: 1}] - 1
	s.tamper(t, 0, `ALTER TABLE balances.identity_g1 DROP CONSTRAINT identity_g1_pkey`)
	s.tamper(t, 1, `INSERT INTO balances.identity SELECT event_id, $2, 1, generation, topic, content_hash
		FROM balances.identity WHERE event_id = $1`, numbered(5), copied)
	p := s.verify(t, "balances")
	require.Contains(t, failed(p), identityCheck)
	var repeated []string
	for _, d := range p.Differences {
		if d.Kind == audit.KindRepeated {
			repeated = append(repeated, d.Table+" "+d.Key)
		}
	}
	require.Equal(t, []string{"balances.identity " + numbered(5).String()}, repeated)
}

// One that stays beside the live one is proven like any; of one that is being dropped some tables may be gone.
func TestWhatIsBeingDroppedIsNotProven(t *testing.T) {
	t.Parallel()
	s := history(t)
	other := s.rebuild(t, "balances")
	s.tamper(t, 1, `UPDATE tributary.generations SET state = 'side' WHERE generation = $1`, other)
	require.Empty(t, s.verifyGeneration(t, "balances", other).Differences)
	s.tamper(t, 1, `UPDATE tributary.generations SET state = 'dropping' WHERE generation = $1`, other)
	_, err := audit.New(s.pool, s.kafka, nil).Verify(t.Context(), []audit.Target{{Name: "balances", Generation: other}}, nil)
	require.ErrorContains(t, err, fmt.Sprintf("balances has no generation %d, only 1 (and none that is being dropped)", other))
}
