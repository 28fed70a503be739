package main

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tributary-ledger/tributary/projections/revenue"
)

// query is the question to the projection.
func (f *revenueFlags) query() revenue.Query {
	return revenue.Query{
		Ledger: f.ledger, Stream: f.stream, Owner: f.owner, Pointer: f.pointer, PostID: f.post, Asset: f.asset,
		By: revenue.By(f.by), Year: f.year, From: f.fromText, To: f.toText, TZ: f.tz, KnownAt: f.known, Generation: f.generation,
	}
}

// readRevenue asks the projection, and tells hours as the zone's clocks do.
func readRevenue(ctx context.Context, conn clickhouse.Conn, flags revenueFlags) ([]revenueRow, error) {
	rows, err := revenue.List(ctx, conn, flags.query())
	found := make([]revenueRow, len(rows))
	for i := range rows {
		found[i] = revenueRow(rows[i])
		if hour := found[i].Hour; hour != nil {
			found[i].Hour = new(hour.In(flags.zone))
		}
	}
	return found, err
}

// namesIn are the values of a column of revenue.events, the busiest first.
func namesIn(ctx context.Context, conn clickhouse.Conn, column string) ([]string, error) {
	rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT toString(%[1]s) FROM revenue.events WHERE %[1]s != ''
		GROUP BY %[1]s ORDER BY count() DESC LIMIT 10000`, column))
	if err != nil {
		return nil, fmt.Errorf("read the names that revenue has: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells whether all was read
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read the names that revenue has: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
