package peers

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

func TestTransactions(t *testing.T) {
	t.Parallel()
	on := Servers{Kafka: eventlog.Config{Brokers: stacktest.Kafka(t)}, Postgres: stacktest.Postgres(t)}
	const events = 1000
	expected := expectedSums(fill(t, on.Kafka, events))
	for _, how := range []Transactions{{}, {Workers: 4}, {Pipelined: true}, {Workers: 4, Pipelined: true}} {
		outcome, err := how.Run(t.Context(), on)
		require.NoError(t, err)
		require.EqualValues(t, events, outcome.Events)
		require.ElementsMatch(t, expected, ask(t, on.Postgres,
			`SELECT account, asset_code, trim_scale(debits)::text, trim_scale(credits)::text FROM peer_transactions.balances`), "%+v", how)
		require.ElementsMatch(t, expected, ask(t, on.Postgres, `SELECT account, asset_code,
				trim_scale(coalesce(sum(amount) FILTER (WHERE NOT credit), 0))::text, trim_scale(coalesce(sum(amount) FILTER (WHERE credit), 0))::text
			FROM peer_transactions.entries GROUP BY account, asset_code`), "%+v", how)
	}
	outcome, err := Transactions{Workers: 2, Pipelined: true, Events: 100}.Run(t.Context(), on)
	require.NoError(t, err)
	require.InDelta(t, 100, outcome.Events, 12) // Each of the twelve partitions has its part.
}
