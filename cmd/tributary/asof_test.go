package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// recorded is an event, and where and when the log got it.
type recorded struct {
	event     *ledger.Event
	partition int32
	at        string
}

// record writes events as any client could, with the times at which they were recorded.
func (b books) record(t *testing.T, events ...recorded) {
	t.Helper()
	stacktest.KeepWritersTimes(t, b.kafka.Brokers, eventlog.Topics()...)
	client, err := eventlog.NewClient(b.kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer client.Close()
	for _, e := range events {
		record, invalid := eventlog.Encode(e.event)
		require.Nil(t, invalid)
		record.Partition = e.partition
		record.Timestamp, err = time.Parse(time.RFC3339, e.at)
		require.NoError(t, err)
		require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
	}
}

// closedMarch are books in which March was closed, and went on changing: a sale that came late, a refund that came later still, and a
// sale that came in time, but whose first copy the books met last.
func closedMarch(t *testing.T) books {
	t.Helper()
	b := migrated(t).withClickHouse(t)
	euros := func(cents int) *eventsv1.Money {
		return &eventsv1.Money{Value: strconv.Itoa(cents), AssetCode: "EUR", AssetScale: new(uint32(2))}
	}
	event := func(n byte, at string, data ledger.Data) *ledger.Event {
		when, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		return ledger.NewEvent(uuid.UUID{15: n}, when, "urn:test", data)
	}
	sale := func(n byte, at string, cents int) *ledger.Event {
		return event(n, at, &eventsv1.PaymentPosted{
			PaymentId: fmt.Sprintf("pay-%d", n), TransactionId: "t", UserId: "u", PaymentType: "credit", Provider: "till", MerchantId: "acme",
			Amount: euros(cents), Fee: euros(cents / 10),
		})
	}
	refund := event(9, "2011-03-31T20:00:00Z", &eventsv1.PaymentRefunded{
		PaymentId: "pay-1", RefundId: "r", TransactionId: "t", Provider: "till", MerchantId: "acme", Amount: euros(5000),
	})
	twice := sale(3, "2011-03-20T12:00:00Z", 30000)
	b.record(t,
		recorded{sale(1, "2011-03-10T12:00:00Z", 10000), 0, "2011-03-10T12:00:01Z"},
		recorded{sale(2, "2011-03-31T23:59:59Z", 20000), 0, "2011-04-02T09:00:00Z"},
		recorded{twice, 0, "2011-04-03T09:00:00Z"},
		recorded{sale(4, "2011-04-03T10:00:00Z", 40000), 0, "2011-04-03T10:00:00Z"},
		recorded{refund, 0, "2011-04-05T09:00:00Z"},
	)
	b.project(t)
	b.waitForAll(t)
	b.record(t, recorded{twice, 1, "2011-03-20T12:00:01Z"})
	b.waitForAll(t)
	return b
}

func TestBooksAsTheyWere(t *testing.T) {
	t.Parallel()
	b := closedMarch(t)
	const account = "merchant:acme:payable"
	for args, want := range map[string]string{
		"":                                      "850",
		"--at 2011-03-31":                       "490",
		"--at 2011-03-31 --known-at 2011-04-01": "360",
		"--known-at 2011-04-01":                 "360",
		"--known-at 2011-04-02T09:00:00Z":       "540",
		"--known-at 2011-04-02T10:59:59+02:00":  "360",
		"--at 2011-03-31 --tz Pacific/Auckland": "360",
		"--at 2011-03-31T23:59:58Z":             "310",
		"--known-at 2011-03-20T12:00:01Z":       "360",
		"--known-at 2011-03-20T12:00:00Z":       "90",
		"--generation 1 --known-at 2011-04-01":  "360",
	} {
		flags := strings.Fields(args)
		found := decodeLines[balances.Balance](t, b.must(t, append([]string{"get", "balance", account, "--json"}, flags...)...).stdout)
		require.Len(t, found, 1, args)
		require.Equal(t, want, found[0].Balance, args)
		totals, code := b.explain(t, append([]string{"balance", account}, flags...)...)
		require.Equal(t, exitDone, code)
		require.Equal(t, want, totals[0].Log["balance"], args)
	}
	require.Contains(t, b.must(t, "get", "balance", account, "--known-at", "2011-04-01").stderr,
		"balances as known at 2011-04-01 00:00:00 UTC")
	got := b.run(t, "get", "balance", account, "--at", "2011-03-01")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, `"merchant:acme:payable" had no entries at 2011-03-01 23:59:59.999999 UTC`)
	require.Contains(t, b.run(t, "get", "payment", "pay-1", "--known-at", "2011-04-01").stderr, "payments are told as they are now")
	require.Equal(t, exitUsage, b.run(t, "get", "balance", account, "--at", "soon").code)

	for args, want := range map[string]string{
		"":                      "850",
		"--known-at 2011-04-01": "360",
		"--known-at 2011-04-02T09:00:00Z --to 2011-03-31":                  "540",
		"--known-at 2011-04-02T09:00:00Z --by hour --tz Asia/Kolkata":      "540",
		"--known-at 2011-04-04 --by day --from 2011-04-01 --to 2011-04-30": "360",
	} {
		totals, code := b.explain(t, append([]string{"revenue"}, strings.Fields(args)...)...)
		require.Equal(t, exitDone, code, args)
		require.Equal(t, want, totals[0].Log["net"], args)
	}
}

func TestWhatChangedSinceAPeriodWasClosed(t *testing.T) {
	t.Parallel()
	b := closedMarch(t)
	got := b.must(t, "restated", "--closed", "2011-04-01", "--month", "2011-03", "--events")
	require.Equal(t, `2011-03, closed at 2011-04-01 00:00:00 UTC
STREAM    OWNER  ASSET  NET THEN  NET NOW  DIFFERENCE  WHY
payments  acme   EUR      360.00   490.00     +130.00  2 events
                                              +180.00    1 payment.posted
                                               -50.00    1 payment.refunded

RECORDED             OCCURRED             EVENT             OWNER      NET  ASSET  POSITION
2011-04-02 09:00:00  2011-03-31 23:59:59  payment.posted    acme   +180.00  EUR    payments/0@1
2011-04-05 09:00:00  2011-03-31 20:00:00  payment.refunded  acme    -50.00  EUR    payments/0@4
`, got.stdout)
	require.Contains(t, b.must(t, "restated", "--closed", "2011-04-06", "--month", "2011-03").stderr, "nothing changed in 2011-03 since")
	require.Contains(t, b.must(t, "restated", "--closed", "2012-04-06", "--year", "1999").stderr, "there is no such revenue")
	lines := decodeLines[map[string]any](t, b.must(t, "restated", "--closed", "2011-04-02", "--from", "2011-03-01", "--to", "2011-03-31",
		"--tz", "Pacific/Auckland", "--events", "--json").stdout)
	require.Empty(t, lines)
	lines = decodeLines[map[string]any](t, b.must(t, "restated", "--closed", "2011-04-03", "--day", "2011-03-31", "--events", "--json").stdout)
	require.Len(t, lines, 2)
	require.Equal(t, "-50", lines[0]["difference"])
	require.Equal(t, "payments", lines[1]["topic"].(string)[len("tributary."):])
	for _, wrong := range []string{
		"--month 2011-03", "--closed 2011-04-01", "--closed 2011-04-01 --month 2011-03 --year 2011", "--closed x --month 2011-03",
		"--closed 2011-04-01 --from 2011-03-01", "--closed 2011-04-01 --month march", "--closed 2011-04-01 --from 2011-03-02 --to 2011-03-01",
	} {
		require.Equal(t, exitUsage, b.run(t, append([]string{"restated"}, strings.Fields(wrong)...)...).code, wrong)
	}
}
