package peers

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// fill writes simulated events, and returns what they come to by the simulation's own account.
func fill(t *testing.T, kafka eventlog.Config, events int64) *simulation.Expected {
	t.Helper()
	admin, err := eventlog.NewAdmin(kafka)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{Partitions: 4})
	require.NoError(t, err)
	writer, err := eventlog.NewWriter(kafka)
	require.NoError(t, err)
	defer writer.Close()
	all, err := simulation.New(simulation.Options{Seed: 8, Events: events, Accounts: 100, Expect: true})
	require.NoError(t, err)
	for {
		event, more := all.Next()
		if !more {
			break
		}
		writer.Publish(t.Context(), event, func(_ eventlog.Position, err error) {
			if err != nil {
				t.Errorf("publish: %v", err)
			}
		})
	}
	require.NoError(t, writer.Flush(t.Context()))
	return all.Expected()
}

// sums are what accounts have, as account, asset, debits, credits.
type sums = [][4]string

// expectedSums are what they must have.
func expectedSums(expected *simulation.Expected) sums {
	all := make(sums, 0, len(expected.Accounts))
	for _, a := range expected.Accounts {
		all = append(all, [4]string{a.Account, a.AssetCode, a.Debits, a.Credits})
	}
	return all
}

// ask is what a query says, of four texts a row.
func ask(t *testing.T, url, sql string) sums {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (all [4]string, err error) {
		err = row.Scan(&all[0], &all[1], &all[2], &all[3])
		return all, err
	})
	require.NoError(t, err)
	return all
}
