package product

import (
	"slices"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
)

// Measures are all of them.
func Measures() []measure.Measure {
	return slices.Concat(rebuilds())
}
