package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// history puts ten payments, a journal in another ledger and an event that posts nothing into the log, some of them twice
// and one under a taken id, and projects them.
func history(t *testing.T) *stack {
	t.Helper()
	s := open(t)
	for n := range 10 {
		s.put(t, int32(n%partitions), posted(n, 1000))
	}
	journal := event(20, &eventsv1.JournalPosted{JournalId: "j", Description: "opening", Entries: []*eventsv1.Entry{
		{Account: "bank:b:cash", Direction: "debit", Amount: money(5)}, {Account: "equity:owner", Direction: "credit", Amount: money(5)},
	}})
	journal.Ledger = "other"
	s.put(t, 0, journal, event(21, &eventsv1.PaymentCancelled{PaymentId: "pay-99"}))
	s.project(t)
	return s
}

// only is the one difference that there is.
func only(t *testing.T, p audit.Projection) audit.Difference {
	t.Helper()
	require.Len(t, p.Differences, 1)
	require.EqualValues(t, 1, p.DifferencesTotal)
	return p.Differences[0]
}

func failed(p audit.Projection) []string {
	names := []string{}
	for _, check := range p.Checks {
		if !check.Passed {
			names = append(names, check.Name)
		}
	}
	return names
}

const (
	progressCheck  = "progress is within the log"
	pastCheck      = "no row is at or past next_offset"
	identityCheck  = "identity rows are the distinct event ids read"
	entriesCheck   = "every entry is as the log says"
	balancesCheck  = "every balance is as the log says"
	sumsCheck      = "entries add up to balances"
	equalCheck     = "debits equal credits for each ledger and asset"
	conflictsCheck = "conflicts listed are the conflicts found"
)

func TestWhatWasProjectedVerifies(t *testing.T) {
	t.Parallel()
	s := history(t)
	var done, total int64
	report, err := audit.New(s.pool, s.kafka, nil).Verify(t.Context(), nil, func(phase audit.Phase, d, all int64) {
		if phase == audit.PhaseLog {
			done, total = d, all
		}
	})
	require.NoError(t, err)
	require.True(t, report.Agrees(), "%+v", report)
	p := report.Projections[0]
	require.Equal(t, "balances", p.Name)
	require.EqualValues(t, 1, p.Generation)
	require.EqualValues(t, 12, p.Records)
	require.EqualValues(t, 12, done)
	require.EqualValues(t, 12, total)
	require.EqualValues(t, 12+10*3+2+6, p.Rows)
	require.Len(t, p.Positions, 3*partitions)
	require.Empty(t, failed(p))
	require.Equal(t, map[string]int64{
		progressCheck: 9, pastCheck: 12, identityCheck: 12, entriesCheck: 32, balancesCheck: 6, sumsCheck: 6, equalCheck: 4,
		conflictsCheck: 0,
	}, compared(p))
}

func TestCopiesAndConflictsAreNoDifference(t *testing.T) {
	t.Parallel()
	s := history(t)
	again := posted(3, 1000)
	again.Time = again.Time.Add(1) // A copy may say another time.
	for partition := range int32(partitions) {
		s.put(t, partition, posted(0, 1000), again, posted(4, 7777), posted(4, 1000))
	}
	s.project(t)
	p := s.verify(t, "balances")
	require.Empty(t, p.Differences)
	require.EqualValues(t, 24, p.Records)
	require.EqualValues(t, 9, p.Duplicates)
	require.EqualValues(t, 3, p.ConflictsTotal)
	require.Len(t, p.Conflicts, 3)
	require.Equal(t, audit.Conflict{
		EventID: numbered(4).String(), Kept: "payments/1@1", Refused: p.Conflicts[0].Refused, Type: string(ledger.TypePaymentPosted),
	}, p.Conflicts[0])
}

func TestEitherSideOfAConflictMayCount(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]int32{"one": 0, "other": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.put(t, first, posted(1, 1000))
			s.project(t)
			s.put(t, 1-first, posted(1, 2000))
			s.project(t)
			p := s.verify(t, "balances")
			require.Empty(t, p.Differences)
			require.EqualValues(t, 1, p.ConflictsTotal)
		})
	}
}

func TestAChangedBalanceIsFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.tamper(t, 1, `UPDATE balances.totals SET credits = credits + 0.000000000000000001
		WHERE account = (SELECT id FROM balances.accounts WHERE account = 'merchant:m1:payable') AND "partition" = 1`)
	p := s.verify(t, "balances")
	require.Equal(t, []string{balancesCheck, sumsCheck, equalCheck}, failed(p))
	d := p.Differences[1]
	require.Equal(t, audit.Difference{
		Kind: audit.KindDifferent, Table: "books.account_balances", Key: "main merchant:m1:payable EUR", Column: "credits",
		Want: "45", Got: "45.000000000000000001", Events: d.Events, EventsTotal: 5,
	}, d)
	require.Len(t, d.Events, 5)
	require.Equal(t, audit.Reference{"payments/0@1", numbered(3).String(), string(ledger.TypePaymentPosted)}, d.Events[0])
}

func TestABalanceMissingOrTooManyIsFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.tamper(t, 1, `UPDATE balances.accounts SET account = 'platform:feez' WHERE account = 'platform:fees'`)
	p := s.verify(t, "balances")
	require.Contains(t, failed(p), balancesCheck)
	kinds := map[string]string{}
	for _, d := range p.Differences {
		if d.Table == "books.account_balances" {
			kinds[d.Key] = d.Kind
		}
	}
	require.Equal(t, map[string]string{"main platform:fees EUR": audit.KindMissing, "main platform:feez EUR": audit.KindExtra}, kinds)
}

func TestAChangedEntryIsFound(t *testing.T) {
	t.Parallel()
	for column, change := range map[string]struct{ set, want, got string }{
		"amount":       {`amount = 10.5`, "10", "10.5"},
		"direction":    {`credit = NOT credit`, "debit", "credit"},
		"occurred_at":  {`occurred_at = occurred_at + interval '1 us'`, "2026-03-04 05:06:12.000008+00", "2026-03-04 05:06:12.000009+00"},
		"reference":    {`reference = 'pay-6'`, "pay-5", "pay-6"},
		"kafka_offset": {`kafka_offset = 0`, "1", "0"},
	} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			s := history(t)
			s.tamper(t, 1, `UPDATE balances.entries SET `+change.set+` WHERE event_id = $1 AND entry = 0`, numbered(5))
			p := s.verify(t, "balances")
			require.Contains(t, failed(p), entriesCheck)
			var found []audit.Difference
			for _, d := range p.Differences {
				if d.Table == "books.entries" && d.Kind == audit.KindDifferent {
					found = append(found, d)
				}
			}
			require.Equal(t, []audit.Difference{{
				Kind: audit.KindDifferent, Table: "books.entries", Key: numbered(5).String() + " 0", Column: column,
				Want: change.want, Got: change.got, EventsTotal: 1,
				Events: []audit.Reference{{"payments/2@1", numbered(5).String(), string(ledger.TypePaymentPosted)}},
			}}, found)
		})
	}
}

func TestEntriesMissingOrTooManyAreFound(t *testing.T) {
	t.Parallel()
	const columns = `event_id, occurred_at, recorded_at, kafka_offset, account, entry, "partition", generation, topic, event_type,
		credit, amount, reference`
	for name, c := range map[string]struct{ sql, kind, key string }{
		"removed": {`DELETE FROM balances.entries WHERE event_id = $1 AND entry = 1`, audit.KindMissing, numbered(5).String() + " 1"},
		"doubled": {
			`INSERT INTO balances.entries SELECT * FROM balances.entries WHERE event_id = $1 AND entry = 1`,
			audit.KindRepeated, numbered(5).String() + " 1",
		},
		"invented": {
			`INSERT INTO balances.entries (` + columns + `) SELECT '` + numbered(404).String() + `', ` + columns[len("event_id, "):] +
				` FROM balances.entries WHERE event_id = $1 AND entry = 1`,
			audit.KindExtra, numbered(404).String() + " 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := history(t)
			s.tamper(t, 1, c.sql, numbered(5))
			p := s.verify(t, "balances")
			require.Equal(t, []string{entriesCheck, sumsCheck, equalCheck}, failed(p))
			kinds := map[string]string{}
			for _, d := range p.Differences {
				if d.Kind != audit.KindUnbalanced && d.Table == "books.entries" {
					kinds[d.Key] = d.Kind
				}
			}
			require.Equal(t, map[string]string{c.key: c.kind}, kinds)
		})
	}
}

func TestIdentitiesAreHeldAgainstTheLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string
		want audit.Difference
	}{
		"missing": {
			`DELETE FROM balances.identity WHERE event_id = $1`,
			audit.Difference{Kind: audit.KindMissing},
		},
		"another content": {
			`UPDATE balances.identity SET content_hash = '\x000102030405060708090a0b0c0d0e0f' WHERE event_id = $1`,
			audit.Difference{Kind: audit.KindDifferent, Column: "content_hash", Got: "000102030405060708090a0b0c0d0e0f"},
		},
		"another position": {
			`UPDATE balances.identity SET kafka_offset = 0 WHERE event_id = $1`,
			audit.Difference{Kind: audit.KindDifferent, Column: "kafka_offset", Want: "payments/2@1", Got: "payments/2@0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := history(t)
			s.tamper(t, 1, c.sql, numbered(5))
			p := s.verify(t, "balances")
			require.Equal(t, []string{identityCheck}, failed(p))
			d := only(t, p)
			c.want.Table, c.want.Key, c.want.EventsTotal = "balances.identity", numbered(5).String(), 1
			c.want.Events = []audit.Reference{{"payments/2@1", numbered(5).String(), string(ledger.TypePaymentPosted)}}
			if c.want.Want == "" {
				c.want.Want = d.Want
			}
			require.Equal(t, c.want, d)
		})
	}
}

func TestAnIdentityWithoutAnEventIsFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.tamper(t, 1, `INSERT INTO balances.identity SELECT $2, kafka_offset, "partition", generation, topic, content_hash
		FROM balances.identity WHERE event_id = $1`, numbered(5), numbered(404))
	require.Equal(t, audit.Difference{
		Kind: audit.KindExtra, Table: "balances.identity", Key: numbered(404).String(), Got: "payments/2@1", Events: []audit.Reference{},
	}, only(t, s.verify(t, "balances")))
}

func TestRowsPastTheNextOffsetAreFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.tamper(t, 1, `UPDATE tributary.progress SET next_offset = next_offset - 1 WHERE topic = 'tributary.payments' AND "partition" = 2`)
	p := s.verify(t, "balances")
	require.Contains(t, failed(p), pastCheck)
	tables := map[string]int{}
	for _, d := range p.Differences {
		if d.Kind == audit.KindPast {
			tables[d.Table]++
			require.Equal(t, numbered(8).String(), d.Key)
			require.Equal(t, "below 2", d.Want)
			require.Equal(t, "payments/2@2", d.Got)
		}
	}
	require.Equal(t, map[string]int{"balances.identity": 1, "books.entries": 3}, tables)
}

func TestProgressPastTheLogIsFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.tamper(t, 1, `UPDATE tributary.progress SET next_offset = 1000 WHERE topic = 'tributary.payments' AND "partition" = 2`)
	p := s.verify(t, "balances")
	require.Equal(t, []string{progressCheck}, failed(p))
	require.Equal(t, audit.Difference{
		Kind: audit.KindBeyondLog, Table: "tributary.progress", Key: "payments/2", Column: "next_offset",
		Want: "at most 3", Got: "1000", Events: []audit.Reference{},
	}, only(t, p))
}

func TestProgressOnAnotherLogIsFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.tamper(t, 1, `UPDATE tributary.progress SET topic_id = $1 WHERE topic = 'tributary.payments' AND "partition" = 2`, numbered(1))
	require.Equal(t, audit.KindOtherLog, only(t, s.verify(t, "balances")).Kind)
}

func TestProgressThatSkippedIsFound(t *testing.T) {
	t.Parallel()
	s := history(t)
	s.put(t, 2, posted(30, 1000))
	s.tamper(t, 1, `UPDATE tributary.progress SET next_offset = 4 WHERE topic = 'tributary.payments' AND "partition" = 2`)
	p := s.verify(t, "balances")
	require.Equal(t, []string{identityCheck, entriesCheck, balancesCheck}, failed(p))
}

func TestConflictsAreHeldAgainstTheList(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, kind, column string }{
		"not listed":    {`DELETE FROM balances.conflicts`, audit.KindMissing, ""},
		"another event": {`UPDATE balances.conflicts SET event_id = '` + numbered(404).String() + `'`, audit.KindDifferent, "event_id"},
		"another content": {
			`UPDATE balances.conflicts SET refused = jsonb_set(refused, '{data,payment_id}', '"x"')`, audit.KindDifferent, "refused",
		},
		"another place": {`UPDATE balances.conflicts SET kept_kafka_offset = 7`, audit.KindDifferent, "kept_kafka_offset"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := history(t)
			s.put(t, 0, posted(4, 7777))
			s.project(t)
			s.tamper(t, 1, c.sql)
			p := s.verify(t, "balances")
			require.Equal(t, []string{conflictsCheck}, failed(p))
			d := only(t, p)
			require.Equal(t, c.kind, d.Kind)
			require.Equal(t, c.column, d.Column)
			require.EqualValues(t, 2, d.EventsTotal)
		})
	}
}

func TestManyDifferencesAreCounted(t *testing.T) {
	t.Parallel()
	s := open(t)
	const n = audit.MaxDifferences + 100
	for i := range n {
		s.put(t, 0, posted(i, 1000))
	}
	s.project(t)
	s.tamper(t, n*3, `UPDATE balances.entries SET amount = amount * 2`)
	p := s.verify(t, "balances")
	require.Len(t, p.Differences, audit.MaxDifferences)
	require.Greater(t, p.DifferencesTotal, int64(audit.MaxDifferences*3))
	for _, d := range p.Differences {
		require.LessOrEqual(t, len(d.Events), audit.MaxEvents)
		require.NotEmpty(t, d.Events)
	}
}

func TestWhatCannotBeVerifiedIsAnError(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := audit.New(s.pool, s.kafka, nil).Verify(t.Context(), audit.Live("revenues"), nil)
	require.ErrorContains(t, err, `no projection "revenues"`)
	s.tamper(t, 1, `DELETE FROM tributary.live WHERE projection = 'balances'`)
	_, err = audit.New(s.pool, s.kafka, nil).Verify(t.Context(), audit.Live("balances"), nil)
	require.ErrorContains(t, err, "tributary migrate")
}

func TestATargetThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, c := range []struct {
		targets []audit.Target
		want    string
	}{
		{[]audit.Target{{Name: "balances", Generation: 99}}, "balances has no generation 99, only 1"},
		{[]audit.Target{{Name: "balances"}, {Name: "balances", Generation: 1}}, "in two generations"},
	} {
		_, err := audit.New(s.pool, s.kafka, nil).Verify(t.Context(), c.targets, nil)
		require.ErrorContains(t, err, c.want)
	}
}
