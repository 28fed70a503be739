package main

import "strings"

// figures writes the amounts of a table for people: all of one asset with as many decimals, and commas for thousands.
type figures struct {
	decimals map[string]int // by asset
}

func newFigures() *figures { return &figures{map[string]int{}} }

// see notes amounts that will be shown.
func (f *figures) see(asset string, amounts ...string) {
	for _, amount := range amounts {
		if _, fraction, ok := strings.Cut(amount, "."); ok {
			f.decimals[asset] = max(f.decimals[asset], len(fraction))
		}
	}
}

// show is an amount for people. Where an asset has decimals at all it has two at least, as prices have.
func (f *figures) show(asset, amount string) string {
	if amount == "" {
		return ""
	}
	want := f.decimals[asset]
	if want == 1 {
		want = 2
	}
	_, fraction, has := strings.Cut(amount, ".")
	if !has && want > 0 {
		amount += "."
	}
	return thousands(amount + strings.Repeat("0", max(want-len(fraction), 0)))
}
