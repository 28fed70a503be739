package projections

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A rebalance that gave up waiting must not disturb the batches that come after it.
func TestFlightsAreCountedWhileSomebodyWaitsForThem(t *testing.T) {
	t.Parallel()
	var all flights
	<-all.landed()
	const times = 1_000
	waiting := make([]<-chan struct{}, 0, times)
	for range times {
		all.begin()
		waiting = append(waiting, all.landed())
		all.begin()
		all.end()
		select {
		case <-all.landed():
			require.Fail(t, "one is still under way")
		default:
		}
		all.end()
	}
	for _, landed := range waiting {
		<-landed
	}
}

var errTest = errors.New("down")

func TestWhatNobodyRetriesAnyMoreIsNoReasonToBeRed(t *testing.T) {
	t.Parallel()
	health := newHealth(time.Minute)
	health.assigned(1)
	health.fail("commit", errTest)
	require.ErrorIs(t, health.Ready(), errTest)
	health.left()
	require.ErrorContains(t, health.Ready(), "not yet a member")
	health.fail("session", errTest)
	health.left()
	require.ErrorIs(t, health.Ready(), errTest)
	health.spare()
	require.NoError(t, health.Ready())
}
