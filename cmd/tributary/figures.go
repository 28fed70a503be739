package main

import (
	"fmt"
	"strings"
	"time"
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

// show is an amount for people, with commas for thousands. Where an asset has decimals it has two at least, as prices have.
func (f *figures) show(asset, amount string) string {
	const least = 2
	if amount == "" || !f.fractional[asset] {
		return thousands(amount)
	}
	whole, fraction, _ := strings.Cut(amount, ".")
	return thousands(whole + "." + fraction + strings.Repeat("0", max(least-len(fraction), 0)))
}

// duration is a time span for people: 12 ms, 3.4 s.
func duration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
