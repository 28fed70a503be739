package main

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/currency"
)

// figures writes the amounts of a table for people.
type figures struct {
	fractional map[string]bool // assets of which some amount has decimals
}

func newFigures() *figures { return &figures{map[string]bool{}} }

// see notes amounts that will be shown.
func (f *figures) see(asset string, amounts ...string) {
	for _, amount := range amounts {
		f.fractional[asset] = f.fractional[asset] || strings.Contains(amount, ".")
	}
}

// show is an amount for people, with commas for thousands. A currency has its usual decimals; what else has decimals has two at
// least, as prices have.
func (f *figures) show(asset, amount string) string {
	const ofPrices = 2
	least := usualDecimals(asset)
	if f.fractional[asset] {
		least = max(least, ofPrices)
	}
	if amount == "" || least == 0 {
		return thousands(amount)
	}
	whole, fraction, _ := strings.Cut(amount, ".")
	return thousands(whole + "." + fraction + strings.Repeat("0", max(least-len(fraction), 0)))
}

// usualDecimals of a currency; none of an asset that is no currency of ISO 4217.
func usualDecimals(asset string) int {
	unit, err := currency.ParseISO(asset)
	if err != nil {
		return 0
	}
	decimals, _ := currency.Standard.Rounding(unit)
	return decimals
}

// duration is a time span for people: 12 ms, 3.4 s.
func duration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
