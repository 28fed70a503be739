package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAmountsHaveTheDecimalsOfTheirAsset(t *testing.T) {
	t.Parallel()
	figures := newFigures()
	figures.see("DASH", "2", "0.001")
	for _, c := range []struct{ asset, amount, shown string }{
		{"EUR", "120", "120.00"},
		{"EUR", "-1234.5", "-1,234.50"},
		{"EUR", "0.00125", "0.00125"},
		{"JPY", "212162", "212,162"},
		{"KWD", "1.5", "1.500"},
		{"DASH", "2", "2.00"},
		{"POINTS", "2000", "2,000"},
		{"EUR", "", ""},
	} {
		require.Equal(t, c.shown, figures.show(c.asset, c.amount), c.asset)
	}
}
