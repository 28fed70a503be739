package main

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
)

// withSample gives the test books that have the sample, and projectors that go on running.
func withSample(t *testing.T) (b books, projectors *running, health string) {
	t.Helper()
	b = migrated(t)
	projectors, health = b.project(t)
	b.must(t, "publish", write(t, sample), "--wait")
	return b, projectors, health
}

func TestProjectorsTellHowTheyAre(t *testing.T) {
	t.Parallel()
	_, projectors, health := withSample(t)
	code, body := get(t, health+"/livez", "")
	require.Equal(t, 200, code)
	require.Equal(t, "ok\n", body)
	code, body = get(t, health+"/readyz", "application/json")
	require.Equal(t, 200, code, body)
	require.Equal(t, web.Readiness{Ready: true, Reasons: []string{}}, decode[web.Readiness](t, body))
	require.Eventually(t, func() bool { // the ends of the log are looked up now and then
		_, body = get(t, health+"/metrics", "")
		return strings.Contains(body, "tributary_projection_lag_events{")
	}, 30*time.Second, 20*time.Millisecond)
	for _, name := range []string{
		`tributary_projection_events_total{projection="balances",type="tributary.payment.posted.v1"} 6`,
		`tributary_projection_batch_seconds_count{`, `tributary_projection_conflicts_total{`,
		"go_goroutines", "process_resident_memory_bytes", "kafka_client_",
	} {
		require.True(t, strings.Contains(body, name), name) //nolint:testifylint // the whole body would be no help
	}
	require.Equal(t, exitDone, projectors.stop(t))
}

func TestAProjectorWithoutServersIsAliveAndSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.environ[1] = "TRIBUTARY_POSTGRES_URL=postgres://u:p@127.0.0.1:1/d"
	projectors, health := b.project(t, "balances")
	var body string
	require.Eventually(t, func() bool {
		var code int
		code, body = get(t, health+"/readyz", "")
		return code == 503 && strings.Contains(body, "balances: acquire")
	}, 30*time.Second, 20*time.Millisecond, body)
	code, _ := get(t, health+"/livez", "")
	require.Equal(t, 200, code)
	require.Equal(t, exitDone, projectors.stop(t))
}

func TestAProjectorMeetsABugAndStopsWithThePosition(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.exec(t, `ALTER TABLE balances.entries_g1 ADD CONSTRAINT bug CHECK (amount < 100)`)
	projectors, _ := b.project(t, "balances")
	b.must(t, "publish", write(t, sample))
	code := <-projectors.done
	projectors.done <- code
	require.Equal(t, exitNo, code)
	require.Contains(t, projectors.stderr.String(), "tributary: projector balances: the store refused valid events at payments/")
}

func TestAPortThatIsTakenIsSaid(t *testing.T) {
	t.Parallel()
	b, _, health := withSample(t)
	got := b.run(t, "project", "--metrics-addr", strings.TrimPrefix(health, "http://"))
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.stderr, "choose another with --metrics-addr")
}

func TestBalances(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	all := decodeLines[balances.Balance](t, b.must(t, "get", "balance", "--json").stdout)
	require.Len(t, all, 18)
	one := decode[balances.Balance](t, b.must(t, "get", "balance", "merchant:acme:payable", "--asset", "DASH", "--json").stdout)
	require.Equal(t, balances.Balance{
		Ledger: "main", Account: "merchant:acme:payable", AssetCode: "DASH", Debits: "0", Credits: "1.5", Balance: "1.5",
	}, one)
	require.Len(t, decodeLines[balances.Balance](t, b.must(t, "get", "balance", "merchant:", "--json").stdout), 6)
	require.Len(t, decodeLines[balances.Balance](t, b.must(t, "get", "balance", "merchant:acme:pa*", "--json").stdout), 3)
	cut := b.must(t, "get", "balance", "--limit", "2")
	require.Equal(t, 3, strings.Count(cut.stdout, "\n"))
	require.Contains(t, cut.stderr, "more")
	entries := decodeLines[balances.Entry](t, b.must(t, "get", "balance", "bank:first:cash", "--entries", "--json").stdout)
	require.Len(t, entries, 4)
	require.Equal(t, "tributary.payout.returned.v1", entries[0].EventType)
	require.Contains(t, b.must(t, "get", "balance", "bank:first:cash", "--entries").stdout, "payout.returned      out-32")
	for _, args := range [][]string{
		{"nobody:at:all"}, {"nobody:at:all", "--entries"}, {"bank:first:cash", "--ledger", "other"}, {"merchant:nosuch:"},
	} {
		got := b.run(t, append([]string{"get", "balance"}, args...)...)
		require.Equal(t, exitNo, got.code)
		require.Empty(t, got.stdout)
		require.Contains(t, got.stderr, "the books have no")
	}
	require.Contains(t, b.run(t, "get", "balance", "merchant:acme").stderr, `did you mean "merchant:acme:"?`)
	require.Contains(t, b.run(t, "get", "balance", "merchant:acme:payable", "--asset", "eur").stderr, `did you mean "--asset EUR"?`)
	require.Contains(t, b.run(t, "get", "balance", "--asset", "eur").stderr, `did you mean "--asset EUR"?`)
}

func TestReceivers(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	receiver := decode[receiverWithPayments](t, b.must(t, "get", "receiver", "rcv-7", "--json").stdout)
	require.Equal(t, "paid", receiver.State)
	require.Equal(t, "1.5", receiver.Confirmed)
	require.Len(t, receiver.Payments, 2)
	shown := b.must(t, "get", "receiver", "rcv-7").stdout
	require.Contains(t, shown, "due        1.50 DASH")
	require.Contains(t, shown, "callback   https://shop.example/paid")
	require.Contains(t, b.must(t, "get", "receiver", "rcv-8").stdout, "reversed")
	require.Len(t, decodeLines[receivers.Receiver](t, b.must(t, "get", "receiver", "--merchant", "acme", "--json").stdout), 2)
	require.Contains(t, b.must(t, "get", "receiver", "--merchant", "acme", "--limit", "1").stdout, "expired")
	require.Contains(t, b.must(t, "get", "receiver", "--merchant", "nobody").stderr, "no receivers of nobody")
	got := b.run(t, "get", "receiver", "rcv-0")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "the books have no receiver")
}

// A payment to an unknown receiver counts, and is listed until the receiver is known: with the event that decided its state.
func TestAPaymentToAnUnknownReceiverIsAnOrphan(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	unknown := make([]string, 0, 2)
	created := ""
	for line := range strings.Lines(sample) {
		if !strings.Contains(line, `"subject":"rcv-8"`) {
			continue
		}
		line = strings.ReplaceAll(line, "rcv-8", "rcv-9")
		line = strings.Replace(line, `"id":"019c`, `"id":"019d`, 1)
		if strings.Contains(line, "receiver.created") {
			created = line
		} else {
			unknown = append(unknown, line)
		}
	}
	orphans := func() []string {
		pool, err := postgres.Open(t.Context(), b.url)
		require.NoError(t, err)
		defer pool.Close()
		rows, err := pool.Query(t.Context(), `SELECT concat_ws(' ', o.reference, o.missing, e.state, o.topic) FROM books.orphans o
			JOIN books.receiver_payments e ON e.txid || ':' || e.vout = o.reference AND o.missing = 'receiver ' || e.receiver_id
			WHERE o.kind = 'receiver_payment' AND o.kafka_offset IS NOT NULL`)
		require.NoError(t, err)
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return found
	}
	require.Empty(t, orphans())
	b.must(t, "publish", write(t, strings.Join(unknown, "")), "--wait")
	require.Equal(t, []string{
		"1d2c3b4a5968778695a4b3c2d1e0f9e8d7c6b5a49382716050f1e2d3c4b5a697:0 receiver rcv-9 reversed tributary.receivers",
	}, orphans())
	b.must(t, "publish", write(t, created), "--wait")
	require.Empty(t, orphans())
}

func TestPaymentsAndReceipts(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	payment := decode[paymentWithRefunds](t, b.must(t, "get", "payment", "pay-1002", "--json").stdout)
	require.Equal(t, "partially_refunded", payment.State)
	require.Equal(t, "30", payment.Refunded)
	require.Len(t, payment.Refunds, 1)
	require.Contains(t, b.must(t, "get", "payment", "pay-1002").stdout, "refunded     30.00 EUR")
	require.Contains(t, b.must(t, "get", "payment", "pay-1002").stdout, "tea arrived damp")
	require.Contains(t, b.must(t, "get", "payment", "pay-1005").stdout, "failed")
	require.Len(t, decodeLines[receipts.Payment](t, b.must(t, "get", "payment", "--merchant", "acme", "--json").stdout), 5)
	require.Contains(t, b.must(t, "get", "payment", "--merchant", "acme", "--limit", "1").stderr, "more")
	require.Contains(t, b.must(t, "get", "payment", "--merchant", "nobody").stderr, "no posted payments of nobody")

	receipt := decode[receipts.Receipt](t, b.must(t, "get", "receipt", "rcpt-1007", "--json").stdout)
	require.Equal(t, "210", receipt.Amount)
	shown := b.must(t, "get", "receipt", "rcpt-1007").stdout
	require.Contains(t, shown, "amount    210.00 EUR")
	require.Contains(t, shown, "VOUCHER   Voucher               -15.00  EUR")
	require.Len(t, decodeLines[receipts.Receipt](t, b.must(t, "get", "receipt", "--user", "ben", "--json").stdout), 1)
	require.Contains(t, b.must(t, "get", "receipt", "--user", "ben").stdout, "pay-1002")

	for _, args := range [][]string{{"payment", "pay-0"}, {"receipt", "pay-0"}, {"payment", "pay-1001", "--ledger", "test"}} {
		got := b.run(t, append([]string{"get"}, args...)...)
		require.Equal(t, exitNo, got.code)
		require.Contains(t, got.stderr, "the books have no "+args[0]+" \"")
	}
}

// produce writes a record as any Kafka client could, and waits until the projectors have passed it.
func (b books) produce(t *testing.T, record *kgo.Record) eventlog.Position {
	t.Helper()
	client, err := eventlog.NewClient(b.kafka)
	require.NoError(t, err)
	defer client.Close()
	written, err := client.ProduceSync(t.Context(), record).First()
	require.NoError(t, err)
	b.must(t, "publish", write(t, sampleLines()[0]), "--wait")
	at := eventlog.Position{Topic: written.Topic, Partition: written.Partition, Offset: written.Offset}
	require.Eventually(t, func() bool {
		report := decode[statusReport](t, b.must(t, "status", "--json").stdout)
		for _, p := range report.Projections {
			if p.LagEvents > 0 {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond)
	return at
}

func TestWhatIsRefusedIsShown(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	require.Equal(t, "nothing was refused\n", b.must(t, "quarantine", "list").stderr)
	at := b.produce(t, &kgo.Record{
		Topic: eventlog.TopicPayments, Key: []byte("k"), Value: []byte("\x1b[2Jnonsense"),
		Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte("\xff")}},
	})
	list := b.must(t, "quarantine", "list")
	require.Contains(t, list.stdout, at.String())
	require.NotContains(t, list.stdout, "\x1b")
	records := decodeLines[quarantine.Summary](t, b.must(t, "quarantine", "list", "--json").stdout)
	require.Len(t, records, 1)
	require.Empty(t, b.must(t, "quarantine", "list", "--reason", "bad_time", "--json").stdout)
	shown := b.must(t, "quarantine", "show", at.String())
	require.Contains(t, shown.stdout, records[0].Reason)
	require.NotContains(t, shown.stdout, "\x1b")
	record := decode[quarantine.Record](t, b.must(t, "quarantine", "show", at.String(), "--json").stdout)
	require.Equal(t, "\x1b[2Jnonsense", string(record.Payload))
	got := b.run(t, "quarantine", "show", "payments/0@999")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "payments/0@999")
}

func TestStatus(t *testing.T) {
	t.Parallel()
	b, projectors, _ := withSample(t)
	report := decode[statusReport](t, b.must(t, "status", "--json").stdout)
	require.Len(t, report.Kafka.Topics, 3)
	require.Empty(t, report.Unreachable)
	require.Zero(t, *report.Conflicts)
	require.Len(t, report.Projections, len(projectionNames()))
	for _, p := range report.Projections {
		if inClickHouse(p.Name) {
			require.Equal(t, stateOff, p.State, "%+v", p)
			continue
		}
		require.Equal(t, stateReady, p.State, "%+v", p)
		require.Equal(t, 1, *p.Members)
	}
	require.Contains(t, b.must(t, "status").stdout, "tributary.monetization")
	require.Equal(t, exitDone, projectors.stop(t))
	b.must(t, "publish", write(t, sample))
	got := b.must(t, "status")
	require.Contains(t, got.stdout, `balances: no projector runs: "tributary project balances"`)
	require.Contains(t, got.stdout, " 46 ")
}

func TestStatusNoticesThatTheLogIsAnother(t *testing.T) {
	t.Parallel()
	b, projectors, _ := withSample(t)
	require.Equal(t, exitDone, projectors.stop(t))
	client, err := eventlog.NewClient(b.kafka)
	require.NoError(t, err)
	defer client.Close()
	_, err = kadm.NewClient(client).DeleteTopics(t.Context(), eventlog.TopicPayments)
	require.NoError(t, err)
	b.must(t, "migrate")
	got := b.run(t, "status")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, " lost\n")
	require.Contains(t, got.stderr, "deleted and created again")
}

func TestStatusShowsWhatItCan(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.environ[0] = "TRIBUTARY_KAFKA_BROKERS=127.0.0.1:1"
	got := b.run(t, "status", "--json")
	require.Equal(t, exitUnreachable, got.code)
	report := decode[statusReport](t, got.stdout)
	require.Nil(t, report.Kafka)
	require.Len(t, report.Unreachable, 1)
	require.Equal(t, stateUnknown, report.Projections[0].State)
}

func TestVerifyFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	got := b.must(t, "verify")
	require.Contains(t, got.stdout, "proven")
	require.True(t, decode[audit.Report](t, b.must(t, "verify", "balances", "--json").stdout).Agrees())
	b.exec(t, `UPDATE balances.totals SET credits = credits + 1
		WHERE account = (SELECT id FROM balances.accounts WHERE account = 'platform:fees' AND asset_code = 'EUR')`)
	got = b.run(t, "verify")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "DIFFERS")
	require.Contains(t, got.stdout, "platform:fees")
	require.Contains(t, got.stdout, "by payment.posted at payments/")
	got = b.run(t, "verify", "--json")
	require.Equal(t, exitNo, got.code)
	require.False(t, decode[audit.Report](t, got.stdout).Agrees())
}
