package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTablesAreAligned(t *testing.T) {
	t.Parallel()
	listed := newTable("NAME", ".AMOUNT", ">N", "NOTE")
	listed.row("ä", "1,250.5", "7", "short")
	listed.row("long name", "-3", "1,000", "bad\x1b[31m\nline")
	require.Equal(t, strings.Join([]string{
		"NAME        AMOUNT      N  NOTE",
		"ä          1,250.5      7  short",
		"long name     -3    1,000  bad\uFFFD[31m\uFFFDline",
		"",
	}, "\n"), listed.String())
}

func TestLongSentencesAreCut(t *testing.T) {
	t.Parallel()
	listed := newTable("POSITION", "MESSAGE")
	listed.row("payments/3@1042", strings.Repeat("word ", 40))
	for line := range strings.Lines(listed.fit(60).String()) {
		require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 60)
	}
}

func TestFiguresReadLikePrices(t *testing.T) {
	t.Parallel()
	f := newFigures()
	f.see("EUR", "12.5", "1000")
	f.see("JPY", "1500")
	require.Equal(t, "12.50", f.show("EUR", "12.5"))
	require.Equal(t, "1,000.00", f.show("EUR", "1000"))
	require.Equal(t, "-1,234,567.891", f.show("EUR", "-1234567.891"))
	require.Equal(t, "1,500", f.show("JPY", "1500"))
	require.Empty(t, f.show("EUR", ""))
}

func TestDurations(t *testing.T) {
	t.Parallel()
	require.Equal(t, "12 ms", duration(12345*time.Microsecond))
	require.Equal(t, "3.5 s", duration(3456*time.Millisecond))
}

func TestHelpIsWrapped(t *testing.T) {
	t.Parallel()
	require.Equal(t, "one two\nthree\n\n  as it is, however long\nfour", wrap("one\ntwo three\n\n  as it is, however long\nfour", 8))
}
