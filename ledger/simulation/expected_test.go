package simulation_test

import (
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// TestStoriesTellWhatTheirEventsPost holds what the stories say of themselves against what the ledger reads out of their events.
func TestStoriesTellWhatTheirEventsPost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		options := simulation.Options{
			Seed: rapid.Uint64().Draw(t, "seed"), Events: rapid.Int64Range(1, 3_000).Draw(t, "events"),
			Accounts: rapid.IntRange(2, 2_000).Draw(t, "accounts"), Expect: true,
			Span: time.Duration(rapid.Int64Range(0, int64(10*365*24*time.Hour)).Draw(t, "span")),
		}
		s, err := simulation.New(options)
		require.NoError(t, err)
		read, types := books{}, map[ledger.Type]int64{}
		started, created, revenue := int64(0), int64(0), int64(0)
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			read.post(e)
			types[e.Type]++
			switch d := e.Data.(type) {
			case *eventsv1.PaymentStarted:
				started++
			case *eventsv1.ReceiverCreated:
				created++
			case *eventsv1.PaymentPosted, *eventsv1.PaymentRefunded, *eventsv1.PaymentDisputeLost, *eventsv1.MonetizationReceived,
				*eventsv1.ReceiverPaymentConfirmed:
				revenue++
			case *eventsv1.ReceiverPaymentReversed:
				if d.GetWasConfirmed() {
					revenue++
				}
			}
		}
		told := s.Expected()
		require.Equal(t, options.Events, told.Events)
		require.Equal(t, types, told.Types)
		require.Equal(t, read.rows(), told.Accounts)
		for _, row := range told.Payments {
			started -= row.Payments
		}
		for _, row := range told.Receivers {
			created -= row.Receivers
		}
		for _, row := range told.Revenue {
			revenue -= row.Events
		}
		require.Equal(t, []int64{0, 0, 0}, []int64{started, created, revenue}, "each payment, receiver and earning stands somewhere")
	})
}

// books are what ledger.Postings makes of events.
type books map[[2]string]*[2]ledger.Sum

func (b books) post(e *ledger.Event) {
	for _, p := range ledger.Postings(nil, e) {
		at := [2]string{p.Account.String(), p.Asset}
		if b[at] == nil {
			b[at] = new([2]ledger.Sum)
		}
		side := &b[at][0]
		if p.Direction == ledger.Credit {
			side = &b[at][1]
		}
		side.Add(p.Amount)
	}
}

func (b books) rows() []simulation.ExpectedAccount {
	keys := slices.SortedFunc(maps.Keys(b), func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	rows := make([]simulation.ExpectedAccount, 0, len(keys))
	for _, at := range keys {
		account, _ := ledger.ParseAccount(at[0])
		debits, credits := b[at][0].Big(), b[at][1].Big()
		balance := new(big.Int).Sub(credits, debits)
		if account.DebitNormal() {
			balance.Neg(balance)
		}
		rows = append(rows, simulation.ExpectedAccount{
			Account: at[0], AssetCode: at[1], Debits: ledger.FormatUnits(debits), Credits: ledger.FormatUnits(credits),
			Balance: ledger.FormatUnits(balance),
		})
	}
	return rows
}

// TestEveryStateIsReached looks for each state that docs/tables.md names.
func TestEveryStateIsReached(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		s := start(t, simulation.Options{Seed: seed, Events: 20_000, Expect: true, Accounts: 300, Span: 365 * 24 * time.Hour})
		for _, ok := s.Next(); ok; _, ok = s.Next() {
			continue
		}
		met, late, told := map[string][]string{}, int64(0), s.Expected()
		for _, row := range told.Payments {
			met["payments"] = append(met["payments"], row.State)
		}
		for _, row := range told.Refunds {
			met["refunds"] = append(met["refunds"], row.State)
		}
		for _, row := range told.Receivers {
			met["receivers"] = append(met["receivers"], row.State)
		}
		for _, row := range told.ReceiverPayments {
			met["receiver payments"] = append(met["receiver payments"], row.State)
			late += row.Late
		}
		require.NotZero(t, late)
		for kind, states := range map[string][]string{
			"payments": {
				"refunded", "partially_refunded", "disputed", "posted", "failed", "cancelled", "post_requested", "prepared", "started",
			},
			"refunds":           {"refunded", "failed", "requested"},
			"receivers":         {"overpaid", "paid", "underpaid_expired", "partial", "detected", "expired", "waiting"},
			"receiver payments": {"reversed", "confirmed", "detected"},
		} {
			slices.Sort(states)
			require.Equal(t, states, slices.Compact(met[kind]), kind)
		}
	}
}

func BenchmarkExpected(b *testing.B) {
	const events = 500_000
	b.ReportAllocs()
	for b.Loop() {
		s := start(b, simulation.Options{Seed: 1, Events: events, Expect: true})
		for _, ok := s.Next(); ok; _, ok = s.Next() {
			continue
		}
		require.EqualValues(b, events, s.Expected().Events)
	}
	b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
}
