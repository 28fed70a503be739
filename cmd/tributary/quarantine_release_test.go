package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/quarantine"
)

// older is a store of a version that does not know a type yet: to it such events are no events.
type older struct {
	projections.Store

	unknown ledger.Type
	log     *eventlog.Lookup
}

func (o older) Prepare(ctx context.Context, batch projections.Batch) (projections.Change, error) {
	batch.Records = slices.Clone(batch.Records)
	var unknown []int
	var positions []eventlog.Position
	for i := range batch.Records {
		if record := &batch.Records[i]; record.Event != nil && record.Event.Type == o.unknown {
			unknown, positions = append(unknown, i), append(positions, record.Position)
		}
	}
	raw, err := o.log.Raw(ctx, positions)
	if err != nil {
		return nil, err
	}
	for n, i := range unknown {
		record := &batch.Records[i]
		record.Event, record.Rejected = nil, raw[n].Rejected
		record.Rejected.Invalid = ledger.Invalid{Code: ledger.CodeUnknownType, Path: "type", Message: "there is no such type"}
	}
	return o.Store.Prepare(ctx, batch)
}

// projectAsOlder runs the projectors of a version that does not know a type until they have all that is in the log.
func (b books) projectAsOlder(t *testing.T, unknown ledger.Type) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	log, err := eventlog.NewLookup(b.kafka)
	require.NoError(t, err)
	defer log.Close()
	var stores []projections.Store
	for _, projection := range postgresProjections(pool, nil) {
		stores = append(stores, postgres.NewStore(pool, projection, postgres.Options{}))
	}
	if b.clickhouse != "" {
		for _, projection := range clickhouseProjections() {
			stores = append(stores, clickhouse.NewStore(pool, b.warehouse(t), projection, clickhouse.Options{Logger: slog.New(slog.DiscardHandler)}))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, store := range stores {
		runner := projections.NewRunner(older{store, unknown, log}, b.kafka, projections.Settings{})
		running.Go(func() { _ = runner.Run(ctx) })
	}
	b.waitForAll(t)
	cancel()
	running.Wait()
}

// balancesOf are all, by account and asset.
func (b books) balancesOf(t *testing.T) []balances.Balance {
	t.Helper()
	return decodeLines[balances.Balance](t, b.must(t, "get", "balance", "--json", "--limit", "10000").stdout)
}

const refunded = ledger.Type("tributary.payment.refunded.v1")

// An upgrade learns a type that was refused until now. What was refused is released: then the live books are what a rebuild
// by the new version makes, and both verify.
func TestAReleaseMakesTheBooksWhatARebuildMakesThem(t *testing.T) {
	t.Parallel()
	b := migrated(t).withClickHouse(t)
	b.must(t, "publish", write(t, sample))
	client, err := eventlog.NewClient(b.kafka)
	require.NoError(t, err)
	defer client.Close()
	broken, err := client.ProduceSync(t.Context(), &kgo.Record{Topic: eventlog.TopicPayments, Value: []byte("{ broken")}).First()
	require.NoError(t, err)
	where := eventlog.Position{Topic: broken.Topic, Partition: broken.Partition, Offset: broken.Offset}.String()
	b.projectAsOlder(t, refunded)

	got := b.run(t, "verify")
	require.Equal(t, exitNo, got.code, "the log says more than the books have")
	require.Contains(t, got.stderr, "quarantined records that are valid events to this version: 1;")
	projectors, _ := b.project(t)
	end := b.logEnd(t)
	got = b.run(t, "quarantine", "release", "--all")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "nothing was published: --yes publishes")
	change, invalid, _ := strings.Cut(got.stdout, "\nstill invalid\n")
	require.Equal(t, releasePlanOfSample, change)
	require.Contains(t, invalid, where+"  undecodable")
	require.Equal(t, end, b.logEnd(t))

	got = b.run(t, "quarantine", "release", "--all", "--json")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "nothing was published: --yes publishes")

	got = b.run(t, "quarantine", "release", "--all", "--yes", "--wait", "--by", "ops@example")
	require.Equal(t, exitNo, got.code, "one is still invalid")
	require.Contains(t, got.stdout, "published 1 event again, as ops@example\n")
	require.Equal(t, end+1, b.logEnd(t))
	require.Contains(t, b.must(t, "verify").stdout, "proven")
	for _, record := range decodeLines[quarantine.Summary](t, b.must(t, "quarantine", "list", "--json").stdout) {
		require.Equal(t, record.Reason == "unknown_type", record.ReleasedAt != nil)
		if record.ReleasedAt == nil {
			continue
		}
		require.Equal(t, "ops@example", *record.ReleasedBy)
		shown := b.must(t, "quarantine", "show", record.Position().String()).stdout
		require.Contains(t, shown, "UTC by ops@example as payments/1@")
		require.Equal(t, exitDone, b.run(t, "quarantine", "release", record.Position().String(), "--yes").code)
	}
	require.Contains(t, b.must(t, "quarantine", "list").stdout, "RELEASED")
	require.Contains(t, b.must(t, "status").stdout, "quarantine  2, 1 of them released (")
	require.EqualValues(t, 1, *decode[statusReport](t, b.must(t, "status", "--json").stdout).Released)
	require.Equal(t, exitNo, b.run(t, "quarantine", "release", "--all", "--yes").code)
	require.Equal(t, exitDone, b.run(t, "quarantine", "release", "--reason", "unknown_type", "--yes").code)
	require.Equal(t, end+1, b.logEnd(t), "what was released is not released again")
	b.must(t, "explain", "balance", "merchant:acme:payable", "EUR")
	require.Equal(t, exitDone, projectors.stop(t))

	rebuilt := booksAt(b.kafka.Brokers, stacktest.Postgres(t))
	rebuilt.must(t, "migrate")
	rebuilt.project(t)
	rebuilt.waitForAll(t)
	rebuilt.must(t, "verify")
	require.Equal(t, rebuilt.balancesOf(t), b.balancesOf(t))
	require.Len(t, decodeLines[quarantine.Summary](t, rebuilt.must(t, "quarantine", "list", "--json").stdout), 1)
}

const releasePlanOfSample = `      1  to be published again: payment.refunded 1
      1  still invalid

what would change
ACCOUNT                   DEBITS  CREDITS  BALANCE  ASSET  LEDGER
merchant:acme:payable     +29.22     0.00   -29.22  EUR    main
platform:fees              +0.78     0.00    -0.78  EUR    main
provider:stripe:clearing    0.00   +30.00   -30.00  EUR    main

REVENUE   OWNER  GROSS  REFUNDS   FEES  ASSET
payments  acme    0.00   +30.00  -0.78  EUR

payments: pay-1002
`

// refusals gives the test books whose quarantine has so many records that are valid by now, and no projectors.
func refusals(t *testing.T, events int) books {
	t.Helper()
	b := migrated(t)
	line := sampleLines()[slices.IndexFunc(sampleLines(), func(line string) bool { return strings.Contains(line, string(refunded)) })]
	event, invalid := ledger.DecodeJSON([]byte(line), ledger.Strict)
	require.Nil(t, invalid)
	var lines strings.Builder
	for i := range events {
		event.ID[15], event.ID[14] = byte(i), byte(i>>8)
		lines.Write(ledger.AppendJSON(nil, event))
		lines.WriteByte('\n')
	}
	b.must(t, "publish", write(t, lines.String()))
	b.projectAsOlder(t, refunded)
	return b
}

// settled runs projectors until all is in, and expects each of the released to count once and to be marked.
func (b books) settled(t *testing.T, events int) {
	t.Helper()
	b.project(t)
	b.waitForAll(t)
	b.must(t, "verify")
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	var all, released, counting int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*), count(released_at) FROM books.quarantine`).Scan(&all, &released))
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(DISTINCT event_id) FROM books.entries`).Scan(&counting))
	require.Equal(t, []int{events, events, events}, []int{all, released, counting})
}

// Nobody has recorded what the first has published when the second begins, nor when somebody does it all again.
func TestTwoReleaseAtOnceAndAgain(t *testing.T) {
	t.Parallel()
	const events = 100
	b := refusals(t, events)
	end := b.logEnd(t)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			var plan releasePlan
			got := b.run(t, "quarantine", "release", "--reason", "unknown_type", "--yes", "--json")
			if got.code != exitDone || json.Unmarshal([]byte(got.stdout), &plan) != nil || plan.Published != events {
				t.Errorf("%d %s%s", got.code, got.stdout, got.stderr)
			}
		})
	}
	both.Wait()
	b.must(t, "quarantine", "release", "--reason", "unknown_type", "--yes")
	require.Equal(t, end+3*events, b.logEnd(t))
	b.settled(t, events)
}

// Killed in the middle of it, the same command does the rest.
func TestAReleaseIsKilled(t *testing.T) {
	t.Parallel()
	const events = 4000
	b := refusals(t, events)
	end := b.logEnd(t)
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), self, "quarantine", "release", "--all", "--yes")
	command.Env = append(append(os.Environ(), programVariable+"=1"), b.environ...)
	require.NoError(t, command.Start())
	require.Eventually(t, func() bool { return b.logEnd(t) > end }, time.Minute, time.Millisecond)
	require.NoError(t, command.Process.Kill())
	_ = command.Wait()
	released := b.logEnd(t) - end
	require.Less(t, released, int64(events), "it was through before it was killed")
	b.must(t, "quarantine", "release", "--all", "--yes")
	b.settled(t, events)
}

// Each record is judged by what it is now, and by what counts.
func TestAReleaseTellsWhatItWillNotDo(t *testing.T) {
	t.Parallel()
	b := refusals(t, 4)
	projectors, _ := b.project(t)
	records := decodeLines[quarantine.Summary](t, b.must(t, "quarantine", "list", "--json").stdout)
	line := sampleLines()[slices.IndexFunc(sampleLines(), func(line string) bool { return strings.Contains(line, string(refunded)) })]
	original, _ := ledger.DecodeJSON([]byte(line), ledger.Strict)
	again := func(at int) string { return strings.ReplaceAll(line, original.ID.String(), *records[at].EventID) }
	other := strings.Replace(again(1), `"reason":"`, `"reason":"another `, 1)
	require.NotEqual(t, again(1), other, line)
	b.must(t, "publish", write(t, again(0)+"\n"+other+"\n"), "--wait")

	got := b.run(t, "quarantine", "release", "--all", "--json", "--yes")
	require.Equal(t, exitNo, got.code, "there is a conflict")
	plan := decode[releasePlan](t, got.stdout)
	require.Equal(t, 4, plan.Records)
	require.Equal(t, map[string]int{string(refunded): 2}, plan.Ready)
	require.Equal(t, *records[0].EventID, plan.Counting[0].EventID)
	require.Equal(t, *records[1].EventID, plan.Conflicts[0].EventID)
	require.Equal(t, 2, plan.Published)
	require.Len(t, plan.Positions, 2)
	require.Equal(t, []string{"pay-1002"}, plan.Payments)
	require.NotEmpty(t, plan.Accounts)
	require.NotEmpty(t, plan.Revenue)
	b.waitForAll(t)
	b.must(t, "verify", "quarantine", "receipts")
	require.Equal(t, exitDone, projectors.stop(t))

	for args, says := range map[string]string{
		"":                         "name positions, or --reason, or --all",
		"--all --reason bad_time":  "only one of positions, --reason and --all",
		"payments/0@0 --all":       "only one of positions, --reason and --all",
		"--reason nosuch":          "--reason is one of bad_envelope, unknown_type,",
		"--reason unknown_typ":     `did you mean "unknown_type"?`,
		"payments/0":               "is no position",
		"payments/0@99999 --yes":   "the quarantine has no record there",
		"--all --fix /nowhere":     "--fix is for one position",
		"payments/0@0 --fix /none": "cannot read /none",
	} {
		got := b.run(t, append([]string{"quarantine", "release"}, strings.Fields(args)...)...)
		require.NotEqual(t, exitDone, got.code, args)
		require.Contains(t, got.stderr, says, args)
	}
}

// What no version will ever take is mended by hand, and is released by the event that stands in its place.
func TestARecordIsMendedByHand(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.project(t)
	good := sampleLines()[slices.IndexFunc(sampleLines(), func(line string) bool { return strings.Contains(line, "payment.posted") })]
	bad := strings.Replace(good, `"value":"`, `"value":"x`, 1)
	at := b.produce(t, &kgo.Record{Topic: eventlog.TopicPayments, Value: []byte(bad)}).String()
	got := b.run(t, "quarantine", "release", at, "--yes")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "still invalid")
	require.Contains(t, got.stdout, "bad_amount")
	another := write(t, sampleLines()[0])
	got = b.run(t, "quarantine", "release", at, "--yes", "--fix", another)
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "the record claims the id")
	got = b.run(t, "quarantine", "release", at, "--yes", "--fix", write(t, bad))
	require.Contains(t, got.stderr, "holds no valid event")
	b.must(t, "quarantine", "release", at, "--yes", "--wait", "--fix", write(t, good))
	record := decode[quarantine.Record](t, b.must(t, "quarantine", "show", at, "--json").stdout)
	require.NotNil(t, record.ReleasedAt)
	require.NotEmpty(t, *record.ReleasedBy)
	b.must(t, "verify")
}
