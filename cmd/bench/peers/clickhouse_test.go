package peers

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

func TestKafkaEngine(t *testing.T) {
	t.Parallel()
	on := Servers{Kafka: eventlog.Config{Brokers: stacktest.Kafka(t)}, ClickHouse: stacktest.ClickHouse(t)}
	expected := fill(t, on.Kafka, 3000)
	for range 2 { // Again, over what the first left.
		from, err := PrepareRevenue(t.Context(), on.Kafka, 2)
		require.NoError(t, err)
		_, err = KafkaEngine{}.Run(t.Context(), on, from)
		require.NoError(t, err)
	}
	conn, err := clickhouse.Open(t.Context(), on.ClickHouse)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	type month struct {
		Stream, Owner, Asset string
		Year, Month          int
		Gross, Refunds, Fees string
		Events               int64
	}
	rows, err := conn.Query(t.Context(), `SELECT stream, owner, asset_code, toInt64(toYear(occurred_at)), toInt64(toMonth(occurred_at)),
		toString(sum(toDecimal256(gross, 18))), toString(sum(toDecimal256(refunds, 18))), toString(sum(toDecimal256(fees, 18))),
		toInt64(count()) FROM peer.events GROUP BY ALL`)
	require.NoError(t, err)
	var found []month
	wanted := make([]month, 0, len(expected.Revenue))
	for rows.Next() {
		var m month
		var year, number int64
		require.NoError(t, rows.Scan(&m.Stream, &m.Owner, &m.Asset, &year, &number, &m.Gross, &m.Refunds, &m.Fees, &m.Events))
		m.Year, m.Month = int(year), int(number)
		found = append(found, m)
	}
	require.NoError(t, rows.Err())
	for _, r := range expected.Revenue {
		wanted = append(wanted, month{r.Stream, r.Owner, r.AssetCode, r.Year, r.Month, r.Gross, r.Refunds, r.Fees, r.Events})
	}
	require.ElementsMatch(t, wanted, found)
}
