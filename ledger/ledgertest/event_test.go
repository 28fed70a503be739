package ledgertest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/ledgertest"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := ledgertest.Event(t, ledgertest.OfType(ledger.TypePaymentCancelled, ledger.TypePayoutSent),
			ledgertest.InLedger("books-9"), ledgertest.Repeats())
		require.Contains(t, []ledger.Type{ledger.TypePaymentCancelled, ledger.TypePayoutSent}, e.Type)
		require.Equal(t, "books-9", e.Ledger)
		require.Contains(t, []string{"one", "two", "three"}, e.Subject)
		require.Nil(t, ledger.Validate(e))
	})
}

// Among the extremes are events whose amounts are the largest that are valid.
func TestExtremesReachTheEnds(t *testing.T) {
	t.Parallel()
	largest := false
	rapid.Check(t, func(t *rapid.T) {
		e := ledgertest.Event(t, ledgertest.OfType(ledger.TypePayoutSent), ledgertest.Extreme())
		require.Nil(t, ledger.Validate(e))
		for _, p := range ledger.Postings(nil, e) {
			largest = largest || strings.HasPrefix(p.Amount.String(), strings.Repeat("9", ledger.MaxWholeDigits))
		}
	})
	require.True(t, largest)
}
