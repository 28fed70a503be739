package simulation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// TestYearsHaveTheirRhythm counts sales by the clock of where they are made.
func TestYearsHaveTheirRhythm(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	require.NoError(t, err)
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	var hoursInParis, hoursInTokyo [24]int
	months := map[time.Time]int{}
	weekdays, office := map[time.Weekday]int{}, map[time.Weekday]int{}
	s := start(t, simulation.Options{Seed: 4, Events: 200_000, Span: 4 * 365 * 24 * time.Hour})
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		switch d := e.Data.(type) {
		case *eventsv1.PaymentStarted:
			switch d.GetAmount().GetAssetCode() {
			case "EUR":
				hoursInParis[e.Time.In(paris).Hour()]++
			case "JPY":
				hoursInTokyo[e.Time.In(tokyo).Hour()]++
			}
			months[time.Date(e.Time.Year(), e.Time.Month(), 1, 0, 0, 0, 0, time.UTC)]++
			weekdays[e.Time.Weekday()]++
		case *eventsv1.SettlementReceived:
			office[e.Time.Weekday()]++
		}
	}
	for _, hours := range [][24]int{hoursInParis, hoursInTokyo} {
		require.Greater(t, hours[20], 4*hours[4], "evenings are busier than nights: %v", hours)
		require.Greater(t, hours[12], hours[7], "%v", hours)
	}
	require.Greater(t, weekdays[time.Friday], weekdays[time.Sunday]*5/4)
	require.Less(t, office[time.Saturday]+office[time.Sunday], 10, "banks are closed at weekends: %v", office)
	for year := 2026; year < 2029; year++ {
		in := func(year int, month time.Month) int { return months[time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)] }
		require.Greater(t, in(year, time.December), in(year, time.August)*5/4, "before Christmas: %v", months)
		require.Greater(t, in(year+1, time.May), in(year, time.May), "from year to year: %v", months)
	}
}
