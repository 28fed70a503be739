package audit_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

const copiesCheck = "every further copy of an event is noted, once, with when it was recorded"

// requireNoted wants these differences of a table of copies, and no others.
func requireNoted(t *testing.T, p audit.Projection, what string, want ...string) {
	t.Helper()
	require.Equal(t, []string{copiesCheck}, failed(p), what)
	require.Equal(t, want, told(p), what)
	for _, d := range p.Differences {
		if d.Kind != audit.KindExtra {
			require.NotEmpty(t, d.Events, what)
			require.Equal(t, strings.Fields(d.Key)[0], d.Events[0].EventID, what)
		}
	}
}

// Since when an event is known depends on its further copies: each must be there once, and be as the log says.
func TestCopiesAreHeldAgainstTheLog(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.put(t, 2, posted(5, 1000), posted(5, 1000), posted(7, 1)) // The last is a conflict, and no copy.
	s.project(t)
	p := s.verify(t, "balances")
	require.Empty(t, p.Differences)
	require.EqualValues(t, 2, compared(p)[copiesCheck])
	first, absent := "balances.copies "+numbered(5).String()+" tributary.payments 2 3", numbered(404).String()
	for _, c := range []struct {
		do, undo string
		want     []string
	}{
		{
			`UPDATE balances.copies SET recorded_at = recorded_at - interval '1 day' WHERE kafka_offset = 3`,
			`UPDATE balances.copies SET recorded_at = recorded_at + interval '1 day' WHERE kafka_offset = 3`,
			[]string{first + " recorded_at different"},
		}, {
			`UPDATE balances.copies SET event_id = '` + absent + `' WHERE kafka_offset = 3`,
			`UPDATE balances.copies SET event_id = '` + numbered(5).String() + `' WHERE kafka_offset = 3`,
			[]string{"balances.copies " + absent + " tributary.payments 2 3 extra", first + " missing"},
		}, {
			`INSERT INTO balances.copies SELECT event_id, recorded_at, 5, "partition", generation, topic FROM balances.copies
				WHERE kafka_offset = 3`,
			`DELETE FROM balances.copies WHERE kafka_offset = 5`,
			[]string{"balances.copies " + numbered(5).String() + " tributary.payments 2 5 extra"},
		}, {
			`INSERT INTO balances.copies SELECT * FROM balances.copies WHERE kafka_offset = 4`, "",
			[]string{strings.Replace(first, "2 3", "2 4", 1) + " repeated"},
		}, {
			`DELETE FROM balances.copies WHERE kafka_offset = 3`, "",
			[]string{strings.Replace(first, "2 3", "2 4", 1) + " repeated", first + " missing"},
		},
	} {
		s.tamper(t, 1, c.do)
		slices.Sort(c.want)
		requireNoted(t, s.verify(t, "balances"), c.do, c.want...)
		if c.undo != "" {
			s.tamper(t, 1, c.undo)
		}
	}
}

// The same of the revenue, in ClickHouse. A row twice is one there; one of a record that is ahead of the offsets may come first.
func TestCopiesOfRevenueAreHeldAgainstTheLog(t *testing.T) {
	t.Parallel()
	s := earned(t)
	table := strings.Replace(s.events(t), "events", "copies", 1)
	require.EqualValues(t, 2, compared(s.verify(t, revenue.Name))[copiesCheck])
	row, eleven := " FROM (SELECT * FROM "+table+" WHERE kafka_offset = 4)", numbered(11).String()
	for _, sql := range []string{
		"SELECT *" + row, "SELECT * REPLACE(1000 AS kafka_offset)" + row,
	} {
		s.disturb(t, "INSERT INTO "+table+" "+sql)
		require.Empty(t, s.verify(t, revenue.Name).Differences, sql)
	}
	key := table + " " + eleven + " tributary.monetization 0 "
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"INSERT INTO " + table + " SELECT * REPLACE(0 AS kafka_offset)" + row, []string{key + "0 extra"}},
		{
			"ALTER TABLE " + table + " UPDATE recorded_at = recorded_at - 1 WHERE kafka_offset = 4",
			[]string{key + "0 extra", key + "4 recorded_at different"},
		},
		{"ALTER TABLE " + table + " DELETE WHERE kafka_offset = 4", []string{key + "0 extra", key + "4 missing"}},
	} {
		if strings.HasPrefix(c.sql, "ALTER") {
			c.sql += " SETTINGS mutations_sync = 1"
		}
		s.disturb(t, c.sql)
		requireNoted(t, s.verify(t, revenue.Name), c.sql, c.want...)
	}
}
