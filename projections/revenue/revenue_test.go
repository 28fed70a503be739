package revenue

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/ledgertest"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// player plays many histories into one database, each into a ledger of its own.
type player struct {
	*books

	played uint32
}

// play commits batches of events and gives what readers of their ledger see then.
func (p *player) play(t testing.TB, batches iter.Seq[[]*ledger.Event]) string {
	t.Helper()
	p.played++
	name := fmt.Sprintf("history-%d", p.played)
	for events := range batches {
		copies := make([]*ledger.Event, len(events))
		for i, original := range events {
			event := *original
			event.Ledger = name
			binary.BigEndian.PutUint32(event.ID[:], p.played)
			copies[i] = &event
		}
		p.commit(t, copies...)
	}
	var out strings.Builder
	for _, view := range []struct{ name, sql string }{
		{"event", "SELECT stream, owner, type, occurred_at, occurred_s, recorded_at, pointer, post_id, session_id, asset_code," +
			" gross, fees, refunds FROM revenue.events WHERE ledger = ? ORDER BY event_id"},
		{"post", "SELECT plugin_id, post_id, title, url, category FROM revenue.posts WHERE ledger = ? ORDER BY plugin_id, post_id"},
		{"month", "SELECT * EXCEPT (ledger) FROM revenue.by_month WHERE ledger = ? ORDER BY ALL"},
		{"hour in Kolkata", "SELECT hour, asset_code, sum(net), sum(events) FROM revenue.by_hour_in(tz = 'Asia/Kolkata') WHERE ledger = ?" +
			" GROUP BY ALL ORDER BY ALL"},
	} {
		for _, row := range p.rows(t, view.sql, name) {
			out.WriteString(view.name + ": " + strings.ReplaceAll(row, "\t", " | ") + "\n")
		}
	}
	return out.String()
}

func TestHistories(t *testing.T) {
	t.Parallel()
	p := &player{books: newBooks(t)}
	foldtest.Histories(t, "", p.play)
}

// The same through the store: any order, any partitions, any batches, events twice.
func TestOrderNeverShows(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short")
	}
	type play struct {
		events, order []*ledger.Event
		batch         int
	}
	plays := rapid.Custom(func(rt *rapid.T) play {
		events := ledgertest.History(rt)
		order := rapid.Permutation(slices.Concat(events, events[:1])).Draw(rt, "order")
		return play{events, order, rapid.IntRange(2, 6).Draw(rt, "batch")}
	})
	p := &player{books: newBooks(t)}
	for seed := range 15 { // each costs some commits
		drawn := plays.Example(seed)
		straight := p.play(t, slices.Chunk(drawn.events, len(drawn.events)))
		require.Equal(t, straight, p.play(t, slices.Chunk(drawn.order, drawn.batch)), "seed %d", seed)
	}
}

// What a row says depends on its event alone: not on order, batches, or what was folded before.
func TestFoldIsPure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := New()
		var records []eventlog.Record
		for i, event := range ledgertest.History(t) {
			if record := foldtest.Record(event, 0, int64(i)); p.Counts(&record) {
				records = append(records, record)
			}
		}
		whole := lines(p.Fold(records))
		require.Equal(t, whole, lines(p.Fold(records)), "again")
		require.Len(t, whole, len(records))
		if len(records) == 0 {
			return
		}
		pieces := make([]string, 0, len(records))
		shuffled := rapid.Permutation(records).Draw(t, "order")
		for batch := range slices.Chunk(shuffled, rapid.IntRange(1, len(records)).Draw(t, "batch")) {
			pieces = append(pieces, lines(p.Fold(batch))...)
		}
		require.ElementsMatch(t, whole, pieces)
	})
}

// lines are the rows of a block, as text.
func lines(input proto.Input) []string {
	rows := make([]string, 0, input[0].Data.Rows())
	for i := range cap(rows) {
		var line strings.Builder
		for _, column := range input {
			fmt.Fprintf(&line, "%s=%v ", column.Name, cell(column.Data, i))
		}
		rows = append(rows, line.String())
	}
	return rows
}

// cell is a value of a column.
func cell(column proto.ColInput, row int) any {
	switch data := column.(type) {
	case interface{ Row(i int) string }:
		return data.Row(row)
	case interface{ Row(i int) uuid.UUID }:
		return data.Row(row)
	case interface{ Row(i int) time.Time }:
		return data.Row(row)
	case interface{ Row(i int) proto.Decimal128 }:
		return data.Row(row)
	default:
		panic(fmt.Sprintf("no cells in %T", data))
	}
}

// What validation lets through fits every column, however large it is, and adds up in every view.
func TestExtremesAreStored(t *testing.T) {
	t.Parallel()
	b, offset, want := newBooks(t), int64(0), 0
	var records []eventlog.Record
	rapid.Check(t, func(rt *rapid.T) {
		event := ledgertest.Event(rt, ledgertest.Extreme(), ledgertest.OfType(ledger.TypePaymentPosted, ledger.TypePaymentRefunded,
			ledger.TypePaymentDisputeLost, ledger.TypeReceiverPaymentConfirmed, ledger.TypeReceiverPaymentReversed,
			ledger.TypeMonetizationReceived, ledger.TypePostPublished))
		event.ID = uuid.New()
		records = append(records, foldtest.Record(event, 0, offset))
		if New().Counts(&records[len(records)-1]) {
			want++
		}
		offset++
	})
	b.owner.Commit(t, records...)
	require.Positive(t, want)
	require.Equal(t, []string{strconv.Itoa(want)}, b.rows(t, "SELECT count() FROM revenue.events"))
	require.Equal(t, []string{"1970-01-01 00:00:00\t2105-12-31 23:59:59"},
		b.rows(t, "SELECT min(occurred_s), max(occurred_s) FROM revenue.events"))
	require.NotEmpty(t, b.rows(t, "SELECT * FROM revenue.posts"))
	for _, p := range periods() {
		for _, zone := range []string{"", "_in(tz = 'Pacific/Apia')", "_in(tz = 'Pacific/Pago_Pago')", "_in(tz = 'Asia/Kathmandu')"} {
			view := p.name + zone
			require.Equal(t, []string{strconv.Itoa(want)}, b.rows(t, "SELECT sum(events) FROM revenue."+view), view)
			require.NotEmpty(t, b.rows(t, "SELECT * FROM revenue."+view), view)
		}
	}
}

// The largest amounts, up and down: sums are wider than amounts, and fees below zero.
func TestLargestAmountsAddUp(t *testing.T) {
	t.Parallel()
	const most = "99999999999999999999999999999999999999"
	b := newBooks(t)
	largest := func() *eventsv1.Money {
		return &eventsv1.Money{Value: most, AssetCode: "USD", AssetScale: new(uint32(18))}
	}
	const times = 3
	events := make([]*ledger.Event, 0, 2*times)
	for range times {
		events = append(events,
			ledger.NewEvent(uuid.New(), time.Unix(1, 0), "urn:test", &eventsv1.PaymentPosted{
				PaymentId: "p", TransactionId: "t", UserId: "u", PaymentType: "credit", Provider: "x", MerchantId: "m", Amount: largest(),
			}),
			ledger.NewEvent(uuid.New(), time.Unix(1, 0), "urn:test", &eventsv1.PaymentRefunded{
				PaymentId: "p", RefundId: "r", TransactionId: "t", Provider: "x", MerchantId: "m", Amount: largest(), FeeReturned: largest(),
			}))
	}
	b.commit(t, events...)
	require.Equal(t, []string{
		"299999999999999999999.999999999999999997\t299999999999999999999.999999999999999997\t" +
			"-299999999999999999999.999999999999999997\t299999999999999999999.999999999999999997\t6",
	}, b.rows(t, "SELECT gross, refunds, fees, net, events FROM revenue.by_month"))
}

// An id with other content is a conflict, the first one counts; the same again is nothing.
func TestCopiesAndConflictsCountOnce(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	first := visit(time.Unix(1_700_000_000, 0), "site", "post", 1_000)
	other := visit(time.Unix(1_700_000_000, 0), "site", "post", 9_000)
	other.ID = first.ID
	b.commit(t, first, first)
	b.commit(t, other)
	b.commit(t, first)
	require.Equal(t, []string{"1\t1"}, b.rows(t, "SELECT sum(gross), sum(events) FROM revenue.by_day"))
}
