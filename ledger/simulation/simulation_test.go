package simulation_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func start(t testing.TB, options simulation.Options) *simulation.Simulation {
	t.Helper()
	s, err := simulation.New(options)
	require.NoError(t, err)
	return s
}

// digest hashes a stream's NDJSON.
func digest(t testing.TB, options simulation.Options) string {
	t.Helper()
	return digestOf(start(t, options))
}

func digestOf(s *simulation.Simulation) string {
	sum := sha256.New()
	var line []byte
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		line = append(ledger.AppendJSON(line[:0], e), '\n')
		sum.Write(line)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// The bytes of a seed are a promise within a version: whoever changes them on purpose says so in the changelog.
const firstTenThousandOfSeed1 = "cd3722cab42bb651686ace20fe341221c16bd4a52f6b8fc9c1081822144a4065"

func TestSeedNamesItsBytes(t *testing.T) {
	t.Parallel()
	require.Equal(t, firstTenThousandOfSeed1, digest(t, simulation.Options{Seed: 1, Events: 10_000}))
}

func TestShorterIsTheBeginningOfLonger(t *testing.T) {
	t.Parallel()
	short, long := start(t, simulation.Options{Seed: 3, Events: 2_000}), start(t, simulation.Options{Seed: 3, Events: 3_000})
	for e, ok := short.Next(); ok; e, ok = short.Next() {
		same, ok := long.Next()
		require.True(t, ok)
		require.Equal(t, ledger.AppendJSON(nil, same), ledger.AppendJSON(nil, e))
	}
}

func TestSeedsAndOptionsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]simulation.Options{}
	for _, options := range []simulation.Options{
		{Seed: 1},
		{Seed: 2},
		{Seed: 1, Accounts: 20},
		{Seed: 1, Span: time.Hour},
		{Seed: 1, Ledger: "test"},
		{Seed: 1, Start: simulation.DefaultStart().Add(time.Second)},
	} {
		options.Events = 500
		found := digest(t, options)
		require.NotContains(t, seen, found)
		seen[found] = options
	}
}

// It sets what all goroutines of the process run on, so it runs alone.
func TestProcessorsChangeNothing(t *testing.T) { //nolint:paralleltest // see above
	options := simulation.Options{Seed: 9, Events: 5_000}
	want := digest(t, options)
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	for _, processors := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(processors)
		found := make(chan string)
		for range 4 { // streams beside each other share nothing
			s := start(t, options)
			go func() { found <- digestOf(s) }()
		}
		for range 4 {
			require.Equal(t, want, <-found, "on %d processors", processors)
		}
	}
}

func TestEventsAreValidAndInOrder(t *testing.T) {
	t.Parallel()
	for _, options := range []simulation.Options{
		{Seed: 1, Events: 100_000},
		{Seed: 1<<64 - 1, Events: 100_000, Ledger: "test", Accounts: 200_000},
		{Seed: 2, Events: 20_000, Accounts: 2},
		{Seed: 3, Events: 20_000, Span: time.Minute},
		{Seed: 4, Events: 20_000, Span: 20 * 365 * 24 * time.Hour},
		{Seed: 5, Events: 100_000, Start: time.Unix(0, 0), Span: time.Nanosecond},
	} {
		t.Run(fmt.Sprintf("seed %d", options.Seed), func(t *testing.T) {
			t.Parallel()
			s := start(t, options)
			last, ids := options.Start, map[uuid.UUID]bool{}
			for e, ok := s.Next(); ok; e, ok = s.Next() {
				if bad := ledger.Validate(e); bad != nil {
					require.Fail(t, bad.Error(), "%s %v", e.Type, e.Data)
				}
				if e.Time.Before(last) || ids[e.ID] || e.ID.Version() != 7 || e.ID.Variant() != uuid.RFC4122 {
					require.Fail(t, "out of order, twice, or no UUIDv7", "%s at %s, after %s", e.ID, e.Time, last)
				}
				last, ids[e.ID] = e.Time, true
			}
			require.Len(t, ids, int(options.Events))
		})
	}
}

func TestAllTypesComeEarly(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		options := simulation.Options{Seed: seed, Events: 5_000, Accounts: 2 + int(seed*seed*seed)}
		if seed%3 == 1 {
			options.Span = time.Duration(seed*seed) * time.Hour
		}
		met := map[ledger.Type]int{}
		s := start(t, options)
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			met[e.Type]++
		}
		for _, info := range ledger.Types() {
			require.NotZero(t, met[info.Type], "%s in %+v", info.Type, options)
		}
	}
}

// TestBooksBalance adds up every posting, and holds the accounts to what the stories say: a provider, a chain and a
// merchant's pending and disputed amounts never owe more than they took.
func TestBooksBalance(t *testing.T) {
	t.Parallel()
	type key struct {
		account ledger.Account
		asset   string
	}
	for seed := range uint64(2) {
		sides := map[string]*[2]ledger.Sum{}
		balances := map[key]*big.Int{}
		s := start(t, simulation.Options{Seed: seed, Events: 50_000, Accounts: 500})
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			for _, p := range ledger.Postings(nil, e) {
				if sides[p.Asset] == nil {
					sides[p.Asset] = new([2]ledger.Sum)
				}
				at := key{p.Account, p.Asset}
				if balances[at] == nil {
					balances[at] = new(big.Int)
				}
				side, amount := &sides[p.Asset][0], p.Amount.Big()
				if p.Direction == ledger.Credit {
					side = &sides[p.Asset][1]
				}
				if (p.Direction == ledger.Debit) != p.Account.DebitNormal() {
					amount.Neg(amount)
				}
				side.Add(p.Amount)
				balances[at].Add(balances[at], amount)
				switch p.Account.Leaf {
				case "pending", "disputed", "unconfirmed", "wallet":
					if balances[at].Sign() < 0 {
						require.Fail(t, "below zero", "%s %s after %s", p.Account, p.Asset, e.Subject)
					}
				}
			}
		}
		require.Len(t, sides, 8)
		for asset, both := range sides {
			require.Equal(t, both[0], both[1], asset)
			require.False(t, both[0].IsZero())
		}
	}
}

// TestStoriesAreInOrder follows each payment and receiver.
func TestStoriesAreInOrder(t *testing.T) {
	t.Parallel()
	posted, refunded := map[string]ledger.Amount{}, map[string]ledger.Amount{}
	requested, disputed, coins := map[string]bool{}, map[string]bool{}, map[string]string{}
	started, created, sites := map[string]bool{}, map[string]bool{}, map[string]bool{}
	partial := 0
	s := start(t, simulation.Options{Seed: 7, Events: 60_000, Span: 365 * 24 * time.Hour})
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		switch d := e.Data.(type) {
		case *eventsv1.PaymentStarted:
			started[d.GetPaymentId()] = true
		case *eventsv1.PaymentPosted:
			require.True(t, started[d.GetPaymentId()])
			posted[d.GetPaymentId()] = ledger.MoneyAmount(d.GetAmount())
		case *eventsv1.PaymentRefundRequested:
			require.Contains(t, posted, d.GetPaymentId())
			requested[d.GetRefundId()] = true
		case *eventsv1.PaymentRefunded:
			require.True(t, requested[d.GetRefundId()])
			sum := refunded[d.GetPaymentId()].Add(ledger.MoneyAmount(d.GetAmount()))
			require.LessOrEqual(t, sum.Cmp(posted[d.GetPaymentId()]), 0)
			if sum != posted[d.GetPaymentId()] {
				partial++
			}
			refunded[d.GetPaymentId()] = sum
		case *eventsv1.PaymentDisputeOpened:
			require.Equal(t, posted[d.GetPaymentId()], ledger.MoneyAmount(d.GetAmount()))
			disputed[d.GetDisputeId()] = true
		case *eventsv1.PaymentDisputeLost:
			require.True(t, disputed[d.GetDisputeId()])
		case *eventsv1.PaymentDisputeWon:
			require.True(t, disputed[d.GetDisputeId()])
		case *eventsv1.ReceiverCreated:
			created[d.GetReceiverId()] = true
		case *eventsv1.ReceiverPaymentDetected:
			require.True(t, created[d.GetReceiverId()])
			coins[d.GetTxid()] = "detected"
		case *eventsv1.ReceiverPaymentConfirmed:
			require.Equal(t, "detected", coins[d.GetTxid()])
			coins[d.GetTxid()] = "confirmed"
		case *eventsv1.ReceiverPaymentReversed:
			require.Equal(t, d.GetWasConfirmed(), coins[d.GetTxid()] == "confirmed")
			coins[d.GetTxid()] = "reversed"
		case *eventsv1.SiteRegistered:
			require.False(t, sites[d.GetPluginId()])
			sites[d.GetPluginId()] = true
		case *eventsv1.MonetizationReceived:
			require.True(t, sites[d.GetPluginId()])
		}
	}
	require.Greater(t, partial, 50)
	require.Greater(t, len(refunded), 200)
}

func TestBusyMerchantsAreFarBusier(t *testing.T) {
	t.Parallel()
	payments := map[string]int{}
	s := start(t, simulation.Options{Seed: 7, Events: 50_000})
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		if d, ok := e.Data.(*eventsv1.PaymentStarted); ok {
			payments[d.GetMerchantId()]++
		}
	}
	require.Greater(t, payments["m-000001"], 10*payments["m-000020"])
	require.Greater(t, len(payments), 1_000)
}

func TestEventsTakeTheirSpan(t *testing.T) {
	t.Parallel()
	for _, options := range []simulation.Options{{Events: 200_000}, {Events: 100_000, Span: 90 * 24 * time.Hour}} {
		s := start(t, options)
		var last time.Time
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			last = e.Time
		}
		took := last.Sub(simulation.DefaultStart())
		require.InEpsilon(t, s.Options().Span.Seconds(), took.Seconds(), 0.1)
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	t.Parallel()
	for want, options := range map[string]simulation.Options{
		"ask for 1 or more":                {},
		"ask for 2 to 10000000":            {Events: 1, Accounts: 1},
		"is not a ledger":                  {Events: 1, Ledger: "Main"},
		"happen from 1970 to 2105":         {Events: 1, Start: time.Unix(-1, 0)},
		"give a shorter span":              {Events: 1 << 40},
		"and some after the span":          {Events: 1, Span: 99 * 365 * 24 * time.Hour},
		"a span of -1ns":                   {Events: 1, Span: -1},
		"start of 2106-01-01T00:00:00Z is": {Events: 1, Start: time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := simulation.New(options)
		require.ErrorContains(t, err, want)
	}
}

// Half a million events, so that as many stories are open as in a long run.
func benchmark(b *testing.B, each func(*ledger.Event)) {
	b.Helper()
	const events = 500_000
	b.ReportAllocs()
	for b.Loop() {
		s := start(b, simulation.Options{Seed: 1, Events: events})
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			each(e)
		}
	}
	b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkEvents(b *testing.B) { benchmark(b, func(*ledger.Event) {}) }

func BenchmarkNDJSON(b *testing.B) {
	var line []byte
	benchmark(b, func(e *ledger.Event) { line = append(ledger.AppendJSON(line[:0], e), '\n') })
}
