package peers

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// TestOnJava runs the peers that need Java, one after the other: each fills a machine.
func TestOnJava(t *testing.T) {
	t.Parallel()
	kafka := stacktest.ApacheKafka(t, devstack.ApacheKafkaConfig{})
	on := Servers{Kafka: eventlog.Config{Brokers: kafka.Brokers()}, Postgres: stacktest.Postgres(t), Dir: stacktest.Dir(t)}
	expected := expectedSums(fill(t, on.Kafka, 3000))

	from, err := PrepareEntries(t.Context(), on.Kafka, 2)
	require.NoError(t, err)
	_, err = JDBCSink{}.Run(t.Context(), on, from)
	require.NoError(t, err)
	require.ElementsMatch(t, expected, ask(t, on.Postgres, `SELECT account, asset_code,
			trim_scale(coalesce(sum(amount) FILTER (WHERE direction = 'debit'), 0))::text,
			trim_scale(coalesce(sum(amount) FILTER (WHERE direction = 'credit'), 0))::text
		FROM peer_jdbc.entries GROUP BY account, asset_code`))

	_, balances, err := Streams{}.Run(t.Context(), on, from)
	require.NoError(t, err)
	require.ElementsMatch(t, expected, sumsOf(t, balances))
}

func sumsOf(t *testing.T, balances map[string]AccountSums) sums {
	t.Helper()
	all := make(sums, 0, len(balances))
	for key, b := range balances {
		parts := strings.Split(key, "/")
		require.Len(t, parts, 3)
		all = append(all, [4]string{parts[1], parts[2], decimal(b.Debits), decimal(b.Credits)})
	}
	return all
}

func decimal(units *big.Int) string {
	return ledger.FormatUnits(units)
}
