package balances

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/evidence"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func asOfBegan() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) }

// refunded gives back a fifth of what posted posts, days later.
func refunded(i int, at time.Time) *ledger.Event {
	scale := uint32(2)
	return ledger.NewEvent(uuid.New(), at, "urn:test", &eventsv1.PaymentRefunded{
		PaymentId: fmt.Sprintf("pay-%d", i), RefundId: "r", TransactionId: "t", Provider: "till", MerchantId: fmt.Sprintf("m%d", i%10),
		Amount: &eventsv1.Money{Value: "200", AssetCode: "EUR", AssetScale: &scale},
	})
}

// lateLog is a log of so many events, in the order in which they were recorded: about half of them late, by up to days, some of them
// more than once, on any partition.
func lateLog(random *rand.Rand, events int) []eventlog.Record {
	const partitions = 3
	var log []eventlog.Record
	next := [partitions]int64{}
	append1 := func(event *ledger.Event, at time.Time) {
		p := random.Int32N(partitions)
		record := foldtest.Record(event, p, next[p])
		record.RecordedAt = at
		next[p]++
		log = append(log, record)
	}
	for i := range events {
		now := asOfBegan().Add(time.Duration(i) * time.Hour).Add(time.Duration(random.IntN(1000)) * time.Microsecond)
		event := posted(i)
		if random.IntN(3) == 0 {
			event = refunded(i, now)
		}
		event.Time = now
		if random.IntN(2) == 0 {
			event.Time = now.Add(-time.Duration(random.IntN(72*3600)) * time.Second)
		}
		append1(event, now)
		for len(log) > 0 && random.IntN(3) == 0 {
			append1(log[random.IntN(len(log))].Event, now)
		}
	}
	return log
}

// commitShuffled puts a log in, each partition in its order, but otherwise as it comes: what was recorded later may be in earlier.
func commitShuffled(t *testing.T, random *rand.Rand, owner *foldtest.Owner, log []eventlog.Record) {
	t.Helper()
	byPartition := map[eventlog.TopicPartition][]eventlog.Record{}
	for _, record := range log {
		byPartition[record.TopicPartition()] = append(byPartition[record.TopicPartition()], record)
	}
	for len(byPartition) > 0 {
		var batch []eventlog.Record
		for _, p := range eventlog.SortedPartitions(byPartition) {
			n := random.IntN(min(len(byPartition[p]), 20) + 1)
			batch = append(batch, byPartition[p][:n]...)
			if byPartition[p] = byPartition[p][n:]; len(byPartition[p]) == 0 {
				delete(byPartition, p)
			}
		}
		if len(batch) > 0 {
			owner.Commit(t, batch...)
		}
	}
}

// model is what the books must say: the prefix of each partition up to a recorded time, each event once, up to an event time.
func model(log []eventlog.Record, asOf AsOf) []Balance {
	sums := map[string]*[2]ledger.Sum{}
	seen := map[uuid.UUID]bool{}
	for _, record := range log {
		late := !asOf.At.IsZero() && record.Event.Time.After(asOf.At) || !asOf.KnownAt.IsZero() && record.RecordedAt.After(asOf.KnownAt)
		if late || seen[record.Event.ID] {
			continue
		}
		seen[record.Event.ID] = true
		for _, posting := range ledger.Postings(nil, record.Event) {
			sum := sums[posting.Account.String()]
			if sum == nil {
				sum = new([2]ledger.Sum)
				sums[posting.Account.String()] = sum
			}
			if posting.Direction == ledger.Credit {
				sum[credits].Add(posting.Amount)
			} else {
				sum[debits].Add(posting.Amount)
			}
		}
	}
	all := make([]Balance, 0, len(sums))
	for name, sum := range sums {
		account, _ := ledger.ParseAccount(name)
		total := sum[credits].Big()
		total.Sub(total, sum[debits].Big())
		if account.DebitNormal() {
			total.Neg(total)
		}
		all = append(all, Balance{
			Ledger: "main", Account: name, AssetCode: "EUR", Debits: ledger.FormatUnits(sum[debits].Big()),
			Credits: ledger.FormatUnits(sum[credits].Big()), Balance: ledger.FormatUnits(total),
		})
	}
	slices.SortFunc(all, func(a, b Balance) int { return strings.Compare(a.Account, b.Account) })
	return all
}

// check holds what the reader says against the model.
func check(t *testing.T, pool *pgxpool.Pool, log []eventlog.Record, asOf AsOf) {
	t.Helper()
	want := model(log, asOf)
	got, err := List(t.Context(), pool, Filter{AsOf: asOf})
	require.NoError(t, err)
	require.Equal(t, want, got, "%+v", asOf)
	for _, balance := range want {
		one, err := List(t.Context(), pool, Filter{Account: balance.Account, AsOf: asOf})
		require.NoError(t, err)
		require.Equal(t, []Balance{balance}, one)
	}
	if len(want) == 0 {
		return
	}
	account := want[0].Account
	entries, err := Entries(t.Context(), pool, EntryFilter{Account: account, AsOf: asOf, Limit: len(log)})
	require.NoError(t, err)
	tx, err := postgres.BeginSnapshot(t.Context(), pool)
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // It was only read.
	figures, err := Figures(t.Context(), tx, Filter{Account: account, AsOf: asOf})
	require.NoError(t, err)
	require.Len(t, figures, 1)
	parts, claimed := evidence.NewSum(2), evidence.NewSum(2) //nolint:mnd // Debits and credits.
	for _, part := range figures[0].Parts {
		parts.Add(part.Amounts)
	}
	for claim, err := range figures[0].Claims {
		require.NoError(t, err)
		claimed.Add(claim.Amounts)
	}
	require.Equal(t, want[0].Debits, ledger.FormatUnits(claimed.Amounts[debits]))
	require.Equal(t, want[0].Credits, ledger.FormatUnits(claimed.Amounts[credits]))
	require.Equal(t, claimed.Amounts, parts.Amounts)
	require.Equal(t, claimed.Amounts, figures[0].Stored.Amounts)
	require.Len(t, entries, int(figures[0].Expected))
}

func TestBalancesAsOf(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			pool := open(t)
			const events = 200
			log := lateLog(random, events)
			commitShuffled(t, random, foldtest.Own(t, pool, New(pool, nil)), log)
			check(t, pool, log, AsOf{})
			check(t, pool, log, AsOf{KnownAt: asOfBegan().Add(-time.Hour)})
			moment := func() time.Time {
				if random.IntN(2) == 0 {
					return log[random.IntN(len(log))].RecordedAt // The very moment is included.
				}
				return asOfBegan().Add(time.Duration(random.IntN(events*3600)) * time.Second)
			}
			for range 10 {
				check(t, pool, log, AsOf{At: moment()})
				check(t, pool, log, AsOf{KnownAt: moment()})
				check(t, pool, log, AsOf{At: moment(), KnownAt: moment()})
			}
		})
	}
}

// An event counts by the copy that came in first, and is known by the one that was recorded first. (That a batch is noted once, copies
// and all, is the store's promise: storetest holds it.)
func TestTheFirstCopyTellsWhenAnEventIsKnown(t *testing.T) {
	t.Parallel()
	pool := open(t)
	event := posted(1)
	late, early := foldtest.Record(event, 0, 7), foldtest.Record(event, 1, 3)
	late.RecordedAt, early.RecordedAt = asOfBegan().Add(2*time.Hour), asOfBegan().Add(time.Hour)
	foldtest.Own(t, pool, New(pool, nil)).Commit(t, late)
	known := func(at time.Time) int {
		found, err := List(t.Context(), pool, Filter{AsOf: AsOf{KnownAt: at}})
		require.NoError(t, err)
		return len(found)
	}
	require.Zero(t, known(early.RecordedAt))
	require.Equal(t, 3, known(late.RecordedAt))
	require.Equal(t, 1, foldtest.Own(t, pool, New(pool, nil)).Commit(t, early).Duplicates)
	require.Equal(t, 3, known(early.RecordedAt))
	require.Zero(t, known(early.RecordedAt.Add(-time.Microsecond)))
	var copies int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM balances.copies`).Scan(&copies))
	require.Equal(t, 1, copies)
}

// BenchmarkAsOf asks for the balance of an account with a million entries, among as many of others.
//
//	go test -run '^$' -bench AsOf -benchtime 5x ./projections/balances
func BenchmarkAsOf(b *testing.B) {
	pool := foldtest.Open(b, New(nil, nil))
	const fill = `
		WITH a AS (INSERT INTO balances.accounts (ledger, account, asset_code)
			SELECT 'main', 'merchant:m' || i || ':payable', 'EUR' FROM generate_series(0, 999) i RETURNING id),
		g AS (SELECT generation FROM tributary.live WHERE projection = 'balances'),
		l AS (INSERT INTO tributary.labels (label) VALUES ('tributary.payments'), ('tributary.payment.posted.v1') RETURNING id)
		INSERT INTO balances.entries (event_id, occurred_at, recorded_at, kafka_offset, account, entry, "partition", generation, topic,
			event_type, credit, amount, reference)
		SELECT gen_random_uuid(), at, at + random() * interval '3 days', i, CASE WHEN i % 2 = 0 THEN first ELSE first + 1 + i % 999 END, 0,
			i % 12, (SELECT generation FROM g), topic, topic + 1, i % 3 = 0, 12.34, 'pay-' || i
		FROM (SELECT i, timestamptz '2026-01-01 00:00Z' + i * interval '10 seconds' AS at FROM generate_series(1, 2000000) i) t,
			(SELECT min(id) AS first FROM a) a, (SELECT min(id) AS topic FROM l) l`
	_, err := pool.Exec(b.Context(), fill)
	require.NoError(b, err)
	_, err = pool.Exec(b.Context(), `VACUUM ANALYZE balances.entries`)
	require.NoError(b, err)
	first, half := asOfBegan().AddDate(0, -1, 0), asOfBegan().AddDate(0, 2, 0)
	for _, c := range []struct {
		name string
		asOf AsOf
	}{
		{"at", AsOf{At: half}},
		{"early", AsOf{At: first}},
		{"known", AsOf{KnownAt: half}},
		{"known-early", AsOf{KnownAt: first}},
		{"both", AsOf{half, half}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				found, err := List(b.Context(), pool, Filter{Account: "merchant:m0:payable", AsOf: c.asOf})
				require.NoError(b, err)
				require.Len(b, found, 1)
			}
		})
	}
}
