package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/revenue"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	rowsCheck       = "every event that brings something in has its row, once, as the log says"
	aheadCheck      = "what counts as in ahead of the offsets is in"
	quartersCheck   = "the sums that views read are those of the log"
	extentsCheck    = "what the table says it has of each partition is what it has"
	aggregatesCheck = "every part has its aggregates"
	titlesCheck     = "every title is the latest of the log"
	viewsCheck      = "views read the live generation"
)

// warehoused is a stack with a ClickHouse of its own, whose users' profile has these settings.
func warehoused(t testing.TB, profile map[string]string) *stack {
	t.Helper()
	s := open(t)
	s.clickhouse = stacktest.ClickHouseWith(t, profile)
	var err error
	s.conn, err = clickhouse.Open(t.Context(), s.clickhouse.URL())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.conn.Close()) })
	_, err = clickhouse.Migrate(t.Context(), s.pool, s.conn, []clickhouse.Projection{revenue.New()})
	require.NoError(t, err)
	return s
}

func visit(n, cents int) *ledger.Event {
	return event(n, &eventsv1.MonetizationReceived{
		PluginId: "blog", PaymentPointer: "$wallet.example/ann", PostId: fmt.Sprintf("post-%d", n%2), SessionId: fmt.Sprintf("s%d", n),
		Amount: money(cents),
	})
}

func titled(n int, post, title string) *ledger.Event {
	return event(n, &eventsv1.PostPublished{PluginId: "blog", PostId: post, Title: title, Url: "https://blog.example/" + post})
}

// earned puts an event of each kind that brings something in into the log, some that do not, some twice, and projects them.
func earned(t testing.TB) *stack {
	t.Helper()
	return earnedUnder(t, nil)
}

func earnedUnder(t testing.TB, profile map[string]string) *stack {
	t.Helper()
	s := warehoused(t, profile)
	coin := &eventsv1.Money{Value: "150000000", AssetCode: "DASH", AssetScale: proto.Uint32(8)}
	reversed := func(n int, confirmed bool) *ledger.Event {
		return event(n, &eventsv1.ReceiverPaymentReversed{
			ReceiverId: "r", MerchantId: "m1", Chain: "dash", Txid: strings.Repeat("a", 64), Vout: new(uint32(n)), Address: "x",
			Amount: coin, Reason: "gone", WasConfirmed: new(confirmed),
		})
	}
	s.put(t, 0, posted(1, 1000), posted(2, 500), event(3, &eventsv1.PaymentRefunded{
		PaymentId: "pay-1", RefundId: "r1", TransactionId: "tx-r", Provider: "till", MerchantId: "m1", Amount: money(300), FeeReturned: money(30),
	}), event(4, &eventsv1.PaymentCancelled{PaymentId: "pay-7"}))
	s.put(t, 1, posted(1, 1000), event(5, &eventsv1.PaymentDisputeLost{
		PaymentId: "pay-2", DisputeId: "d", Provider: "till", MerchantId: "m9", Amount: money(500),
	}), event(6, &eventsv1.PaymentDisputeOpened{PaymentId: "pay-2", DisputeId: "d", Provider: "till", MerchantId: "m9", Amount: money(500)}))
	s.put(t, 2, event(7, &eventsv1.ReceiverPaymentConfirmed{
		ReceiverId: "r", MerchantId: "m1", Chain: "dash", Txid: strings.Repeat("b", 64), Vout: proto.Uint32(0), Address: "x", Amount: coin,
	}), reversed(8, true), reversed(9, false))
	s.put(t, 0, visit(10, 3), visit(11, 0), titled(12, "post-0", "Old"), titled(13, "post-0", "New"), visit(11, 0))
	s.put(t, 1, visit(14, 5), titled(12, "post-0", "Old"), titled(15, "post-1", "Other"))
	s.project(t, revenue.Name)
	return s
}

// disturb changes ClickHouse as no projector would.
func (s *stack) disturb(t testing.TB, sql string) {
	t.Helper()
	require.NoError(t, s.conn.Exec(t.Context(), strings.ReplaceAll(sql, "EVENTS", s.events(t))))
}

// events is the name of the live table of events.
func (s *stack) events(t testing.TB) string {
	t.Helper()
	var generation int32
	require.NoError(t, s.pool.QueryRow(t.Context(), `SELECT generation FROM tributary.live WHERE projection = 'revenue'`).Scan(&generation))
	return fmt.Sprintf("revenue.events_g%d", generation)
}

func kindsIn(p audit.Projection) []string {
	kinds := make([]string, 0, len(p.Differences))
	for _, d := range p.Differences {
		kinds = append(kinds, strings.TrimSpace(d.Kind+" "+d.Column))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

func TestRevenueVerifies(t *testing.T) {
	t.Parallel()
	s := earned(t)
	p := s.verify(t, revenue.Name)
	require.Empty(t, p.Differences)
	require.Empty(t, failed(p))
	require.EqualValues(t, 15, p.Records)
	require.EqualValues(t, 2, p.Duplicates)
	compared := compared(p)
	for check, rows := range compared {
		require.Positive(t, rows+map[string]int64{aheadCheck: 1}[check], check)
	}
	require.EqualValues(t, 9, compared[identityCheck])
	require.EqualValues(t, 9, compared[rowsCheck])
	require.EqualValues(t, 6, compared[quartersCheck])
	require.EqualValues(t, 2, compared[titlesCheck])
}

// A server's administrator may give all users settings that change what is read, how it is written out, and what a table is
// made of.
func TestRevenueVerifiesWhateverTheServersProfile(t *testing.T) {
	t.Parallel()
	s := earnedUnder(t, map[string]string{
		"join_use_nulls": "1", "aggregate_functions_null_for_empty": "1",
		"session_timezone": "Asia/Kolkata", "prefer_column_name_to_alias": "1", "date_time_output_format": "iso",
		"date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands": "1", "output_format_decimal_trailing_zeros": "1",
		"max_insert_block_size": "1", "max_insert_threads": "4", "optimize_use_projections": "0", "insert_deduplicate": "1",
		"send_progress_in_http_headers": "1", "use_query_cache": "1", "query_cache_nondeterministic_function_handling": "ignore",
		"query_cache_system_table_handling": "ignore", "limit": "1",
	})
	p := s.verify(t, revenue.Name)
	require.Empty(t, p.Differences)
	require.Empty(t, failed(p))
	require.EqualValues(t, 15, p.Records)
}

func TestRevenueThatWasTamperedWithIsFound(t *testing.T) {
	t.Parallel()
	one := numbered(2).String()
	const sync = " SETTINGS mutations_sync = 1"
	for name, c := range map[string]struct {
		sql    string
		checks []string
		kinds  []string
	}{
		"a missing row": {
			"ALTER TABLE EVENTS DELETE WHERE event_id = '" + one + "'" + sync, []string{rowsCheck, quartersCheck}, []string{audit.KindMissing},
		},
		"an altered amount": {
			"ALTER TABLE EVENTS UPDATE gross = gross + 1 WHERE event_id = '" + one + "'" + sync,
			[]string{rowsCheck, quartersCheck},
			[]string{"different gross", "different sum of gross"},
		},
		"an altered session": {
			"ALTER TABLE EVENTS UPDATE session_id = 'x' WHERE event_id = '" + one + "'" + sync,
			[]string{rowsCheck},
			[]string{"different session_id"},
		},
		"an altered time": {
			"ALTER TABLE EVENTS UPDATE recorded_at = recorded_at + toIntervalMicrosecond(1) WHERE event_id = '" + one + "'" + sync,
			[]string{rowsCheck},
			[]string{"different recorded_at"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := earned(t)
			s.disturb(t, c.sql)
			p := s.verify(t, revenue.Name)
			require.Equal(t, c.checks, failed(p))
			require.Equal(t, c.kinds, kindsIn(p))
			for _, d := range p.Differences {
				require.Equal(t, []audit.Reference{{"payments/0@1", one, string(ledger.TypePaymentPosted)}}, d.Events, "%+v", d)
			}
		})
	}
}

// again puts a row in once more, under the fence as it is now; with replaces columns.
func (s *stack) again(t testing.TB, id, with string) {
	t.Helper()
	var topic string
	var partition int32
	require.NoError(t, s.conn.QueryRow(t.Context(), "SELECT topic, `partition` FROM "+s.events(t)+" WHERE event_id = '"+id+"'").
		Scan(&topic, &partition))
	var epoch int64
	require.NoError(t, s.conn.QueryRow(t.Context(), fmt.Sprintf("SELECT max(epoch) FROM revenue.fence WHERE endsWith(`key`, '/%s/%d')",
		topic, partition)).Scan(&epoch))
	s.disturb(t, fmt.Sprintf("INSERT INTO EVENTS SELECT * REPLACE(%s%d AS epoch) FROM (SELECT * FROM EVENTS WHERE event_id = '%s')",
		with, epoch, id))
}

func TestRevenueThatIsTooMuchIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		with string
		kind string
		id   string
	}{
		"a doubled row":             {"", audit.KindRepeated, numbered(2).String()},
		"a row of an unknown event": {"toUUID('" + numbered(404).String() + "') AS event_id, ", audit.KindExtra, numbered(404).String()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := earned(t)
			s.again(t, numbered(2).String(), c.with)
			p := s.verify(t, revenue.Name)
			require.Equal(t, []string{rowsCheck, quartersCheck}, failed(p))
			var found []string
			for _, d := range p.Differences {
				if d.Kind != audit.KindDifferent {
					found = append(found, d.Kind+" "+d.Key)
				}
			}
			require.Equal(t, []string{c.kind + " tributary.payments 0 1 " + c.id}, found)
		})
	}
}

func TestRevenuesIdentitiesAreHeldAgainstTheLog(t *testing.T) {
	t.Parallel()
	s := earned(t)
	s.tamper(t, 1, `DELETE FROM revenue.identity WHERE event_id = $1`, numbered(2))
	p := s.verify(t, revenue.Name)
	require.Equal(t, []string{identityCheck}, failed(p))
	d := only(t, p)
	require.Equal(t, audit.KindMissing, d.Kind)
	require.Equal(t, numbered(2).String(), d.Key)
}

func TestAnAlteredTitleIsFound(t *testing.T) {
	t.Parallel()
	s := earned(t)
	s.disturb(t, "ALTER TABLE "+strings.Replace(s.events(t), "events", "posts", 1)+
		" UPDATE title = 'Newer' WHERE title = 'New' SETTINGS mutations_sync = 1")
	p := s.verify(t, revenue.Name)
	require.Equal(t, []string{titlesCheck}, failed(p))
	d := only(t, p)
	require.Equal(t, []string{"main blog post-0", "title", "New", "Newer"}, []string{d.Key, d.Column, d.Want, d.Got})
	require.EqualValues(t, 3, d.EventsTotal)
}

// reachOnly sets the offsets of a partition back, as if what is past them were just going in. It returns how many rows that is.
func (s *stack) reachOnly(t testing.TB, topic string, partition int32, next, rows int64) {
	t.Helper()
	s.tamper(t, 1, `UPDATE tributary.progress p SET next_offset = $3, accepted = accepted - $4 FROM tributary.live l
		WHERE l.generation = p.generation AND l.projection = 'revenue' AND topic = $1 AND "partition" = $2`, topic, partition, next, rows)
}

func TestWhatGoesInAheadOfTheOffsetsIsNoDifference(t *testing.T) {
	t.Parallel()
	s := earned(t)
	s.reachOnly(t, eventlog.TopicPayments, 0, 1, 2)
	s.reachOnly(t, eventlog.TopicMonetization, 0, 3, 0)
	p := s.verify(t, revenue.Name)
	require.Empty(t, p.Differences)
	require.EqualValues(t, 11, p.Records)
}

// Verification judges what was in when it began, whatever goes in meanwhile.
func TestRevenueVerifiesWhileItFlows(t *testing.T) {
	t.Parallel()
	s := earned(t)
	runner := projections.NewRunner(s.store(t, revenue.Name), s.kafka, projections.Settings{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	var enough atomic.Bool
	flowed := make(chan error, 1)
	go func() {
		var err error
		for n := 1_000; err == nil && !enough.Load(); n += 3 {
			title := titled(n+1, fmt.Sprintf("post-%d", n%50), fmt.Sprintf("Title %d", n))
			err = s.append(ctx, int32(n%partitions), visit(n, n), title, posted(n+2, n))
		}
		flowed <- err
	}()
	for range 5 {
		p := s.verify(t, revenue.Name)
		require.Empty(t, p.Differences)
	}
	enough.Store(true)
	require.NoError(t, <-flowed)
	cancel()
	require.NoError(t, <-done)
}

// A copy counts as in when that which counts is: so its row has to be there, though the offsets there are not past it yet.
func TestWhatCountsAsInMustBeIn(t *testing.T) {
	t.Parallel()
	s := earned(t)
	s.reachOnly(t, eventlog.TopicPayments, 0, 0, 3)
	require.Empty(t, s.verify(t, revenue.Name).Differences)
	s.disturb(t, "ALTER TABLE EVENTS DELETE WHERE event_id = '"+numbered(1).String()+"' SETTINGS mutations_sync = 1")
	p := s.verify(t, revenue.Name)
	require.Equal(t, []string{aheadCheck}, failed(p))
	require.Equal(t, numbered(1).String()+" at payments/0@0", only(t, p).Key)
}

func TestAMissingAggregateIsFound(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"quarter_hours", "positions"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := earned(t)
			s.disturb(t, "ALTER TABLE EVENTS CLEAR PROJECTION "+name+" SETTINGS mutations_sync = 1")
			p := s.verify(t, revenue.Name)
			require.Equal(t, []string{aggregatesCheck}, failed(p))
			require.Contains(t, p.Differences[0].Key, "projection "+name+" in part ")
		})
	}
}

// An aggregate that does not belong to its part, as a failed disk could leave it, is believed by ClickHouse, but not here.
func TestADamagedAggregateIsFound(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]string{"quarter_hours": quartersCheck, "positions": extentsCheck} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := earned(t)
			s.disturb(t, "SYSTEM STOP MERGES EVENTS")
			s.put(t, 0, posted(30, 100))
			s.project(t, revenue.Name)
			s.put(t, 0, posted(31, 777))
			s.project(t, revenue.Name)
			parts := s.parts(t)
			from, to := parts[len(parts)-2], parts[len(parts)-1]
			aggregate := filepath.Join(from.path, name+".proj")
			s.disturb(t, "ALTER TABLE EVENTS DETACH PART '"+to.name+"'")
			detached := filepath.Join(filepath.Dir(filepath.Clean(to.path)), "detached", to.name, name+".proj")
			require.NoError(t, os.RemoveAll(detached))
			require.NoError(t, os.CopyFS(detached, os.DirFS(aggregate)))
			s.disturb(t, "ALTER TABLE EVENTS ATTACH PART '"+to.name+"'")
			p := s.verify(t, revenue.Name)
			require.Equal(t, []string{check}, failed(p))
		})
	}
}

type part struct{ name, path string }

// parts are those of the live table of events, in the order in which they were made.
func (s *stack) parts(t testing.TB) []part {
	t.Helper()
	rows, err := s.conn.Query(t.Context(), `SELECT name, path FROM system.parts WHERE active AND database || '.' || table = ?
		ORDER BY min_block_number`, s.events(t))
	require.NoError(t, err)
	var all []part
	for rows.Next() {
		var one part
		require.NoError(t, rows.Scan(&one.name, &one.path))
		all = append(all, one)
	}
	require.NoError(t, rows.Err())
	return all
}

func TestViewsOfAnotherGenerationAreFound(t *testing.T) {
	t.Parallel()
	s := earned(t)
	s.disturb(t, "CREATE TABLE revenue.events_g99 AS EVENTS")
	s.disturb(t, "CREATE OR REPLACE VIEW revenue.events AS SELECT * EXCEPT epoch FROM revenue.events_g99")
	p := s.verify(t, revenue.Name)
	require.Equal(t, []string{viewsCheck}, failed(p))
	d := only(t, p)
	require.Equal(t, []string{"revenue.events", "generation", "99"}, []string{d.Table, d.Column, d.Got})
}

func TestRevenueWithoutClickHouseIsRefused(t *testing.T) {
	t.Parallel()
	s := warehoused(t, nil)
	_, err := audit.New(s.pool, s.kafka, nil).Verify(t.Context(), nil, nil)
	require.ErrorIs(t, err, audit.ErrNoClickHouse)
	_, err = audit.New(s.pool, s.kafka, nil).Verify(t.Context(), audit.Live("balances"), nil)
	require.NoError(t, err)
}
