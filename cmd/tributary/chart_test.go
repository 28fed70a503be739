package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBars(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"████████", "████", "▌", "", "▏"}, bars([]float64{16, 8, 1, 0, 0.001}, 8))
	require.Equal(t, []string{"   │████▊", "███│", "   │▏", "   │"}, bars([]float64{8, -5, 0.1, 0}, 9))
	require.Equal(t, []string{"███████│", "   ▐███│"}, bars([]float64{-14, -7}, 8))
	require.Equal(t, []string{"", ""}, bars([]float64{0, 0}, 8))
	require.Equal(t, []string{""}, bars([]float64{3}, 0))
}

func TestWhatWasMeantIsGuessed(t *testing.T) {
	t.Parallel()
	require.Equal(t, 3, distance("kitten", "sitting"))
	require.Equal(t, `: did you mean "Asia/Kolkata"?`, didYouMean("Asia/Kolkatta", []string{"Europe/Paris", "Asia/Kolkata"}))
	require.Equal(t, []string{"acme", "cm"}, nearest("acm", []string{"zebra", "acme", "cm", "acme"}))
	require.Empty(t, didYouMean("x", []string{"Europe/Paris"}))
	for _, typed := range []string{"Kolkata", "asia/kolkata", "kolkata"} {
		require.Equal(t, `: did you mean "Asia/Kolkata"?`, zoneMeant(typed))
	}
	require.Equal(t, `: did you mean "America/New_York"?`, zoneMeant("new york"))
	for _, typed := range []string{"", "+05:30"} {
		require.Equal(t, "; they are named as Europe/Paris is", zoneMeant(typed))
	}
}
