package audit

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/ledgertest"
)

// The table of rules and ledger.Postings are two statements of one thing.
func TestTheRulesAgreeWithTheLedger(t *testing.T) {
	t.Parallel()
	a := New(nil, eventlog.Config{}, nil)
	for _, info := range ledger.Types() {
		t.Run(string(info.Type), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				options := []ledgertest.Option{ledgertest.OfType(info.Type)}
				if rapid.Bool().Draw(t, "extreme") {
					options = append(options, ledgertest.Extreme())
				}
				event := ledgertest.Event(t, options...)
				require.Nil(t, ledger.Validate(event))
				type text struct{ account, side, asset, amount string }
				postings := ledger.Postings(nil, event)
				want, got := make([]text, 0, len(postings)), make([]text, 0, len(postings))
				for _, p := range postings {
					want = append(want, text{p.Account.String(), p.Direction.String(), p.Asset, p.Amount.String()})
					require.Equal(t, p.Account.DebitNormal(), debitNormal(p.Account.String()))
				}
				for _, p := range a.postings(nil, event) {
					got = append(got, text{p.account, p.side, p.asset, decimal(p.amount)})
				}
				require.Equal(t, want, got)
			})
		})
	}
}

func TestEveryRuleIsOfAType(t *testing.T) {
	t.Parallel()
	for name := range postingRules() {
		require.NotNil(t, name.New(), "%s is no type of event", name)
	}
}

func TestDecimalsAreExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "-0.5": "-0.5", "1": "1", "100": "100", "0.000000000000000001": "0.000000000000000001", "12.50": "12.5",
	} {
		n, ok := parseDecimal(text)
		require.True(t, ok)
		require.Equal(t, want, decimal(n))
	}
	for _, text := range []string{"NaN", "Infinity", "", "0.0000000000000000001", "1e3"} {
		_, ok := parseDecimal(text)
		require.False(t, ok, text)
	}
}
