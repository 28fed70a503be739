package revenue

import (
	"fmt"
	"strings"

	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// quartersSQL is what the periods add up, asked as they ask it, so that the aggregate answers as it answers them; less what the rows
// past the offsets come to.
const quartersSQL = `SELECT %[1]s, quarter, sum(g) AS gross, sum(r) AS refunds, sum(f) AS fees, sum(n) AS events FROM (
		SELECT %[1]s, %[2]s AS quarter, sum(toDecimal256(gross, 18)) AS g, sum(toDecimal256(refunds, 18)) AS r,
			sum(toDecimal256(fees, 18)) AS f, toInt64(count()) AS n FROM %[3]s GROUP BY %[1]s, quarter
		UNION ALL SELECT %[1]s, %[2]s AS quarter, -sum(toDecimal256(gross, 18)) AS g, -sum(toDecimal256(refunds, 18)) AS r,
			-sum(toDecimal256(fees, 18)) AS f, -toInt64(count()) AS n FROM %[3]s WHERE NOT (%[4]s) GROUP BY %[1]s, quarter
	) GROUP BY %[1]s, quarter HAVING gross != 0 OR refunds != 0 OR fees != 0 OR events != 0`

// Readers are the events, what all periods add up, and the posts.
func (*Projection) Readers(generation clickhouse.Generation, below string) []clickhouse.ReaderView {
	const columns = "ledger, stream, owner, event_id, type, occurred_at, " + quarter + " AS quarter, recorded_at, pointer, post_id," +
		" session_id, asset_code, gross, fees, refunds, topic, `partition`, kafka_offset"
	events := generation.Table("events")
	return []clickhouse.ReaderView{
		{ReaderView: postgres.ReaderView{
			Name: Name + ".events", From: "SELECT " + columns + " FROM " + events + " WHERE " + below,
			Key: []string{"event_id"}, Copy: append(postgres.PositionColumns(), "recorded_at"),
		}},
		{ReaderView: postgres.ReaderView{
			Name: Name + ".quarter_hours", From: fmt.Sprintf(quartersSQL, keys, quarter, events, below),
			Key: append(strings.Split(keys, ", "), "quarter"), Sums: Name + ".events",
		}},
		{
			ReaderView: postgres.ReaderView{
				Name: Name + ".posts", From: "SELECT ledger, plugin_id, post_id, title, url, category, version FROM " +
					generation.Table("posts") + " FINAL",
				Key: postgres.KeyInLedger("plugin_id", "post_id"), Copy: []string{"version"},
			},
			Version: "version",
		},
	}
}
