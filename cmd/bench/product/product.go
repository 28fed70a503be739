package product

import (
	"slices"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
)

// Measures are all of them, in the order in which they run: those that read books come one after the other, for they share them.
func Measures() []measure.Measure {
	following := []measure.Measure{{
		Name: follow, Of: measure.Product, Unit: measure.EventsPerSecond, Goal: 50_000, Run: sustained,
		About: "tributary project, all projections in one process, on a log that is being written, until all have all",
	}}
	return slices.Concat(rebuilds(), following, freshnesses(), commands(), reads(), periods(), hotAccounts(), growths())
}
