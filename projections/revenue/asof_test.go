package revenue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/evidence"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
)

func knownBegan() time.Time { return time.Date(2026, 3, 30, 8, 0, 0, 0, time.UTC) }

// lateVisits is a log in the order in which it was recorded: half of the visits late by up to days, some recorded more than once, on any
// partition.
func lateVisits(random *rand.Rand, visits int) []eventlog.Record {
	var log []eventlog.Record
	next := [partitions]int64{}
	for i := range visits {
		now := knownBegan().Add(time.Duration(i) * time.Hour).Add(time.Duration(random.IntN(1000)) * time.Microsecond)
		at := now
		if random.IntN(2) == 0 {
			at = now.Add(-time.Duration(random.IntN(72*3600)) * time.Second)
		}
		event := visit(at, []string{"a", "b"}[random.IntN(2)], "post", random.Int64N(9999))
		for {
			p := random.Int32N(partitions)
			record := foldtest.Record(event, p, next[p])
			record.RecordedAt = now
			next[p]++
			log = append(log, record)
			if random.IntN(3) > 0 {
				break
			}
			event = log[random.IntN(len(log))].Event
		}
	}
	return log
}

// knownRows are what a view must say of the prefix of a log: each event once.
func knownRows(log []eventlog.Record, view string, zone *time.Location, known time.Time) []string {
	type sum struct{ net, events int64 }
	sums, seen := map[string]sum{}, map[uuid.UUID]bool{}
	for _, record := range log {
		if record.RecordedAt.After(known) || seen[record.Event.ID] {
			continue
		}
		seen[record.Event.ID] = true
		r := rowOf(record.Event)
		key := r.owner + " " + named(view, record.Event, zone)
		s := sums[key]
		s.net, s.events = s.net+int64(r.gross.Lo/1e15), s.events+1
		sums[key] = s
	}
	lines := make([]string, 0, len(sums))
	for key, s := range sums {
		lines = append(lines, fmt.Sprintf("%s %d %d", key, s.net, s.events))
	}
	slices.Sort(lines)
	return lines
}

func TestRevenueAsItWasKnown(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	b := newBooks(t)
	const hours = 150
	log := lateVisits(random, hours)
	pending := slices.Clone(log)
	for len(pending) > 0 { // Partition by partition, so that many copies come in before the one that was recorded first.
		p := pending[random.IntN(len(pending))].Partition
		n := 0
		var batch []eventlog.Record
		pending = slices.DeleteFunc(pending, func(record eventlog.Record) bool {
			take := record.Partition == p && n < 40
			if take {
				batch, n = append(batch, record), n+1
			}
			return take
		})
		b.owner.Commit(t, batch...)
	}
	kathmandu, err := time.LoadLocation("Asia/Kathmandu")
	require.NoError(t, err)
	moments := append(make([]time.Time, 0, 9), //nolint:mnd // The rest are drawn.
		knownBegan().Add(-time.Second), knownBegan().Add(1000*time.Hour), log[50].RecordedAt, log[50].RecordedAt.Add(-time.Microsecond))
	for len(moments) < cap(moments) {
		moments = append(moments, knownBegan().Add(time.Duration(random.IntN(hours*3600))*time.Second))
	}
	for _, known := range moments {
		for _, p := range periods() {
			at := "known_at = '" + clickhouseTime(known) + "'"
			columns := strings.ReplaceAll(strings.Join(p.columns, ", "), "hour", "toUnixTimestamp(hour)")
			for view, zone := range map[string]*time.Location{
				p.name + "_known_at(" + at + ")": time.UTC, p.name + "_in_known_at(tz = 'Asia/Kathmandu', " + at + ")": kathmandu,
			} {
				got := b.rows(t, "SELECT concatWithSeparator(' ', owner, "+columns+", toInt64(sum(net) * 1000), sum(events)) AS line"+
					" FROM revenue."+view+" GROUP BY owner, "+strings.Join(p.columns, ", "))
				slices.Sort(got)
				require.Equal(t, knownRows(log, p.name, zone, known), nonNil(got), view)
			}
		}
		for _, tz := range []string{"UTC", "Asia/Kathmandu"} {
			figures, err := Figures(t.Context(), b.conn, Query{By: ByHour, TZ: tz, KnownAt: known})
			require.NoError(t, err)
			for _, f := range figures {
				claimed := evidence.NewSum(len(f.Columns))
				for claim, err := range f.Claims {
					require.NoError(t, err)
					claimed.Add(claim.Amounts)
				}
				require.Equal(t, f.Stored, claimed)
			}
		}
	}
}

// columns are a view's, with their types.
func (b *books) columns(t *testing.T, view string) []string {
	t.Helper()
	rows, err := b.conn.Query(t.Context(), "SELECT * FROM revenue."+view+" LIMIT 0")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	all := make([]string, 0, len(rows.ColumnTypes()))
	for _, column := range rows.ColumnTypes() {
		all = append(all, column.Name()+" "+column.DatabaseTypeName())
	}
	return all
}

func nonNil(lines []string) []string { return append([]string{}, lines...) }

// How analysts may write the time.
func TestKnownTimesAreReadAsWritten(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.commit(t, visit(knownBegan(), "a", "post", 1)) // Recorded a second later.
	for text, events := range map[string]string{
		"2026-03-30 08:00:01": "1", "2026-03-30 08:00:00.999999": "0", "2026-03-30": "0", "2026-03-31": "1", "2026-03-30T08:00:01": "1",
		"2026-03-30T08:00:01Z": "1", "2026-03-30T08:00:00.5Z": "0",
		"2026-03-30T10:00:01+02:00": "1", "2026-03-30T09:59:59+02:00": "0", "2026-03-30T08:00:00.999999Z": "0",
	} {
		got := b.rows(t, "SELECT count() FROM revenue.by_month_known_at(known_at = '"+text+"')")
		require.Equal(t, []string{events}, got, text)
	}
	_, err := b.query(t.Context(), "SELECT * FROM revenue.by_month_known_at(known_at = 'soon')")
	require.ErrorContains(t, err, "soon")
	for _, p := range periods() {
		require.Equal(t, b.columns(t, p.name), b.columns(t, p.name+"_known_at(known_at = '2026-03-31')"))
		require.Equal(t, b.columns(t, p.name+"_in(tz = 'Asia/Kolkata')"),
			b.columns(t, p.name+"_in_known_at(tz = 'Asia/Kolkata', known_at = '2026-03-31')"))
	}
	require.Equal(t, []string{"0"}, b.rows(t, "SELECT count() FROM revenue.copies"))
}
