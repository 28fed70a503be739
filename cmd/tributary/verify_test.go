package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVerifySaysWhatItHasNotJudged(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	require.Equal(t, exitDone, b.feed(t, document(1, nil), "publish", "-").code)
	got := b.must(t, "verify", "balances")
	require.Contains(t, got.stderr, "balances has 1 records of the log still before it")
	report := decode[struct{ Projections []verified }](t, b.must(t, "verify", "balances", "--json").stdout)
	require.Equal(t, int64(1), report.Projections[0].Behind)
}
