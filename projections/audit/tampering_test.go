package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// tampering changes tables such that something adds up all the same: what differs has to be found nonetheless.
type tampering struct {
	rows int64
	sql  string
	want []string // Table, key, column and kind of differences.
}

// told are the differences of these kinds of table, as tampering has them.
func told(p audit.Projection) []string {
	all := make([]string, 0, len(p.Differences))
	for _, d := range p.Differences {
		all = append(all, strings.Join(strings.Fields(d.Table+" "+d.Key+" "+d.Column+" "+d.Kind), " "))
	}
	slices.Sort(all)
	return all
}

// differ says that columns of the second entries of these events do.
func differ(events []string, columns ...string) (all []string) {
	for _, event := range events {
		for _, column := range columns {
			all = append(all, "books.entries "+event+" 1 "+column+" different")
		}
	}
	return all
}

func (s *stack) requireTold(t *testing.T, projection string, c tampering) {
	t.Helper()
	require.Empty(t, s.verify(t, projection).Differences)
	s.tamper(t, c.rows, strings.ReplaceAll(c.sql, "gN", fmt.Sprintf("g%d", s.verify(t, projection).Generation)))
	require.Subset(t, told(s.verify(t, projection)), c.want)
}

// Sums of tables are those of the log, and so is the number of rows; the rows are not.
func TestTamperingThatAddsUpIsFoundInTheBooks(t *testing.T) {
	t.Parallel()
	five, seven := numbered(5).String(), numbered(7).String()
	exchange := func(columns string) string { return `UPDATE balances.` + columns }
	for name, c := range map[string]tampering{
		// Both are of one account, on one side and of one amount.
		"two entries exchange their times": {
			2, exchange(`entries_gN e SET occurred_at = o.occurred_at FROM balances.entries_gN o
			WHERE e.entry = 0 AND o.entry = 0
			AND (e.event_id, o.event_id) IN (('` + five + `', '` + seven + `'), ('` + seven + `', '` + five + `'))`),
			[]string{"books.entries " + five + " 0 occurred_at different", "books.entries " + seven + " 0 occurred_at different"},
		},
		"two events exchange an entry": {
			2, exchange(`entries_gN e SET event_id = o.event_id FROM balances.entries_gN o
			WHERE e.entry = 1 AND o.entry = 1
			AND (e.event_id, o.event_id) IN (('` + five + `', '` + seven + `'), ('` + seven + `', '` + five + `'))`),
			differ([]string{five, seven}, "kafka_offset", "occurred_at", "partition", "reference"),
		},
		"two differences of one account that cancel": {
			2, exchange(`entries_gN SET amount = amount
			+ CASE event_id WHEN '` + five + `' THEN 1 ELSE -1 END WHERE entry = 0 AND event_id IN ('` + five + `', '` + seven + `')`),
			[]string{"books.entries " + five + " 0 amount different", "books.entries " + seven + " 0 amount different"},
		},
		"two events exchange their places": {
			2, exchange(`identity_gN e SET kafka_offset = o.kafka_offset, "partition" = o."partition"
			FROM balances.identity_gN o
			WHERE (e.event_id, o.event_id) IN (('` + five + `', '` + seven + `'), ('` + seven + `', '` + five + `'))`),
			[]string{
				"balances.identity " + five + " kafka_offset different", "balances.identity " + seven + " kafka_offset different",
			},
		},
		"two events exchange their contents": {
			2, exchange(`identity_gN e SET content_hash = o.content_hash FROM balances.identity_gN o
			WHERE (e.event_id, o.event_id) IN (('` + five + `', '` + seven + `'), ('` + seven + `', '` + five + `'))`),
			[]string{
				"balances.identity " + five + " content_hash different", "balances.identity " + seven + " content_hash different",
			},
		},
		"one entry is there twice, another not at all": {
			1, exchange(`entries_gN e SET (event_id, occurred_at, recorded_at, kafka_offset,
			"partition", reference, topic) = (o.event_id, o.occurred_at, o.recorded_at, o.kafka_offset, o."partition", o.reference, o.topic)
			FROM balances.entries_gN o WHERE e.entry = 0 AND o.entry = 0 AND e.event_id = '` + five + `' AND o.event_id = '` + seven + `'`),
			[]string{"books.entries " + five + " 0 missing", "books.entries " + seven + " 0 repeated"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			history(t).requireTold(t, "balances", c)
		})
	}
}

// A balance too much in one account and too little in another leaves each ledger balanced.
func TestBalancesThatCancelAreFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.tamper(t, 2, `UPDATE balances.totals SET credits = credits + CASE WHEN account = (SELECT id FROM balances.accounts
		WHERE account = 'merchant:m1:payable') THEN 1 ELSE -1 END WHERE "partition" = 1 AND account IN (SELECT id FROM balances.accounts
		WHERE account IN ('merchant:m0:payable', 'merchant:m1:payable'))`)
	p := s.verify(t, "balances")
	require.Equal(t, []string{balancesCheck, sumsCheck}, failed(p))
	for _, account := range []string{"m0", "m1"} {
		require.Contains(t, told(p), "books.account_balances main merchant:"+account+":payable EUR credits different")
	}
}

// All of an event is gone, wherever it was: only the log has it.
func TestAnEventThatIsGoneWithAllItsRowsIsFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	five := numbered(5)
	s.tamper(t, 3, `UPDATE balances.totals t SET debits = debits - CASE WHEN credit THEN 0 ELSE amount END,
		credits = credits - CASE WHEN credit THEN amount ELSE 0 END FROM balances.entries e
		WHERE e.event_id = $1 AND t.account = e.account AND t."partition" = e."partition" AND t.topic = e.topic`, five)
	s.tamper(t, 3, `DELETE FROM balances.entries WHERE event_id = $1`, five)
	s.tamper(t, 1, `DELETE FROM balances.identity WHERE event_id = $1`, five)
	p := s.verify(t, "balances")
	require.Contains(t, told(p), "balances.identity "+five.String()+" missing")
	for entry := range 3 {
		require.Contains(t, told(p), fmt.Sprintf("books.entries %s %d missing", five, entry))
	}
	require.Contains(t, told(p), "books.account_balances main merchant:m1:payable EUR credits different")
}

// A row that another generation has as well, or in place of this one.
func TestRowsOfAnotherGenerationAreFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	other, five := s.rebuild(t, "balances"), numbered(5)
	move := fmt.Sprintf(`INSERT INTO balances.entries_g%d SELECT event_id, occurred_at, recorded_at, kafka_offset, account, entry, "partition",
		%d, topic, event_type, credit, amount, reference FROM balances.entries_g1 WHERE event_id = '%s' AND entry = 1`, other, other, five)
	s.tamper(t, 1, move)
	require.Contains(t, told(s.verifyGeneration(t, "balances", other)), "books.entries "+five.String()+" 1 repeated")
	require.Empty(t, s.verifyGeneration(t, "balances", 1).Differences)
	s.tamper(t, 1, `DELETE FROM balances.entries_g1 WHERE event_id = $1 AND entry = 1`, five)
	require.Contains(t, told(s.verifyGeneration(t, "balances", 1)), "books.entries "+five.String()+" 1 missing")
}

func TestPaymentsThatExchangeTheirAmountsAreFound(t *testing.T) {
	t.Parallel()
	s := sold(t)
	s.tamper(t, 2, `UPDATE receipts.payments p SET amount = o.amount FROM receipts.payments o
		WHERE (p.payment_id, o.payment_id) IN (('pay-1', 'pay-3'), ('pay-3', 'pay-1'))`)
	p := s.verify(t, "receipts")
	for _, key := range []string{"pay-1", "pay-3"} {
		require.Contains(t, told(p), "books.payments main "+key+" amount different")
	}
}

// The sums that views read are the same as before; and rows of one generation are put into another.
func TestTamperingThatAddsUpIsFoundInTheRevenue(t *testing.T) {
	t.Parallel()
	s := earned(t)
	other := s.rebuild(t, revenue.Name)
	sale, visited := numbered(2).String(), numbered(10).String()
	events := s.events(t)
	s.disturb(t, `ALTER TABLE EVENTS UPDATE session_id = if(event_id = '`+visited+`', 's14', 's10')
		WHERE event_id IN ('`+visited+`', '`+numbered(14).String()+`') SETTINGS mutations_sync = 1`)
	require.Equal(t, []string{rowsCheck}, failed(s.verify(t, revenue.Name)))
	require.Empty(t, s.verifyGeneration(t, revenue.Name, other).Differences)
	require.NoError(t, s.conn.Exec(t.Context(), fmt.Sprintf("ALTER TABLE revenue.events_g%d DROP CONSTRAINT fence", other)))
	require.NoError(t, s.conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO revenue.events_g%d SELECT * FROM %s WHERE event_id = '%s'",
		other, events, sale)))
	require.Subset(t, failed(s.verifyGeneration(t, revenue.Name, other)), []string{rowsCheck, quartersCheck})
}
