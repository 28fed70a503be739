package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
)

// gives is a measure that gives these rates in turn.
func gives(name string, of Of, rates ...float64) Measure {
	return Measure{Name: name, Of: of, Unit: "events/s", Run: func(context.Context, *Bed) (Result, error) {
		rate := rates[0]
		rates = rates[1:]
		return Result{Rate: rate}, nil
	}}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	product := gives("rebuild/balances", Product, 90, 40, 80)
	product.Against, product.Goal = "floor/postgres", 0.75
	peer := gives("peer/sink", Peer, 30, 20, 40)
	peer.Against, peer.Goal = "rebuild/balances", 2.5
	slow := gives("growth/20M", Product)
	slow.Slow = true
	latency := gives("freshness", Product, 40, 60, 70)
	latency.Goal, latency.Less = 50, true
	all := []Measure{gives("floor/postgres", Floor, 100, 50, 200), product, peer, latency, slow}

	bed := &Bed{Options: Options{Say: func(string, ...any) {}}}
	report, err := Run(t.Context(), bed, Plan{Repeat: 3}, all)
	require.NoError(t, err)
	require.Len(t, report.Lines, 4)
	floor, made := report.Find("floor/postgres"), report.Find("rebuild/balances")
	sink, waited := report.Find("peer/sink"), report.Find("freshness")
	require.InDelta(t, 100, floor.Rate, 0)
	require.InDelta(t, 1.5, floor.Spread, 0)
	require.Nil(t, floor.Met)
	require.InDelta(t, 0.8, made.Ratio, 0, "0.9, 0.8 and 0.4")
	require.True(t, *made.Met)
	require.InDelta(t, 2, sink.Ratio, 0, "the product divided by the peer: 3, 2 and 2")
	require.False(t, *sink.Met)
	require.False(t, *waited.Met, "60 is above 50")

	var out bytes.Buffer
	require.NoError(t, report.Print(&out))
	require.Contains(t, out.String(), "rebuild/balances ÷ this")
	path := t.TempDir() + "/report.json"
	require.NoError(t, Write(path, report))
	again, err := Read[Report](path)
	require.NoError(t, err)
	require.Equal(t, report, again)
}

func TestWithAMeasureComesWhatItIsDividedBy(t *testing.T) {
	t.Parallel()
	product := gives("rebuild/balances", Product)
	product.Against = "floor/postgres"
	all := []Measure{gives("floor/postgres", Floor), gives("floor/other", Floor), product}
	names := make([]string, 0, 2)
	for _, m := range (Plan{Select: regexp.MustCompile("balances")}).Choose(all) {
		names = append(names, m.Name)
	}
	require.Equal(t, []string{"floor/postgres", "rebuild/balances"}, names)
}

func TestAFailureEndsOneMeasure(t *testing.T) {
	t.Parallel()
	fails := func(err error) Measure {
		return Measure{Name: err.Error(), Run: func(context.Context, *Bed) (Result, error) { return Result{}, err }}
	}
	all := []Measure{fails(errors.New("broken")), fails(fmt.Errorf("%w: no Java", ErrMissing)), gives("whole", Product, 1, 2)}
	bed := &Bed{Options: Options{Say: func(string, ...any) {}}}
	report, err := Run(t.Context(), bed, Plan{Repeat: 2}, all)
	require.NoError(t, err)
	require.ErrorContains(t, report.Failed(), "broken")
	require.NotContains(t, report.Failed().Error(), "Java")
	require.InDelta(t, 1.5, report.Find("whole").Rate, 0)
}

func TestFillsAreValidEventsThatRepeat(t *testing.T) {
	t.Parallel()
	for _, fill := range []Fill{
		{Events: 500, Accounts: 100, Seed: 1},
		{Events: 500, Accounts: 100, Seed: 1, RandomIDs: true},
		{Events: 500, Accounts: 100, Payments: true},
		{Events: 500, Accounts: 100, Hot: true},
	} {
		t.Run(fill.String(), func(t *testing.T) {
			t.Parallel()
			var ids []string
			versions := map[string]int{}
			for event := range fill.All() {
				require.Nil(t, ledger.Validate(event))
				ids = append(ids, event.ID.String())
				versions[event.ID.Version().String()]++
			}
			require.Len(t, versions, 1)
			require.Len(t, ids, 500)
			var again []string
			for event := range fill.All() {
				again = append(again, event.ID.String())
			}
			require.Equal(t, ids, again)
		})
	}
}
