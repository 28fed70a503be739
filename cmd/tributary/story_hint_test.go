package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is asked for and is not there is told apart from what has no story, and a hint never offers what was asked for.
func TestWhatHasNoStoryIsNamed(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	for want, args := range map[string][]string{
		`site tea-blog has no post "nosuch"`:                       {"tea-blog", "--post", "nosuch"},
		"in ledger nosuch; it has payment pay-1002 in ledger main": {"pay-1002", "--ledger", "nosuch"},
		"of kind receiver; it has payment pay-1002 in ledger main": {"pay-1002", "--kind", "receiver"},
		"tributary get payment --merchant acme":                    {"acme"},
		"try tributary explain balance merchant:acme:payable":      {"merchant:acme:payable"},
		"payments/2@999: the log has no record there":              {"payments/2@999"},
	} {
		got := b.run(t, append([]string{"story"}, args...)...)
		require.Equal(t, exitNo, got.code, want)
		require.Contains(t, got.stderr, want)
		require.NotContains(t, got.stderr, "did you mean")
		require.NotContains(t, got.stderr, "this is its story")
	}
	at := b.story(t, "pay-1002").Events[0].Position
	require.Equal(t, b.must(t, "story", "pay-1002").stdout, b.must(t, "story", at).stdout)
}
