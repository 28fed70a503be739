package audit

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// warehouse is a ClickHouse whose tables are compared. Its queries make every column a text.
type warehouse struct{ conn driver.Conn }

// blockRows is how many rows come at once.
const blockRows = 4096

// stream makes it a source. ClickHouse has no snapshots that last: a row that is read late may be newer than one read before.
func (w warehouse) stream(ctx context.Context, what, sql string, arguments []any, fn func(row [][]byte) error) error {
	// A block is in memory several times: as it comes, and as it is taken apart.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_block_size": blockRows}))
	rows, err := w.conn.Query(ctx, sql, arguments...)
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close() //nolint:errcheck // Err tells whether all was read.
	cells := make([]string, len(rows.Columns()))
	targets, row := make([]any, len(cells)), make([][]byte, len(cells))
	for i := range cells {
		targets[i], row[i] = &cells[i], []byte{} // An empty text is no NULL.
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
		for i, cell := range cells {
			row[i] = append(row[i][:0], cell...)
		}
		if err := fn(row); err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// The kinds of column in ClickHouse, each a text, as the kinds for Postgres are.
const (
	warehouseText = `ifNull(toString(%s), '\0')`
	warehouseTime = `toString(%s, 'UTC')`
)

func warehouseTexts(names ...string) []column {
	columns := texts(names...)
	for i := range columns {
		columns[i].kind = warehouseText
	}
	return columns
}

func warehouseTimes(names ...string) []column {
	columns := texts(names...)
	for i := range columns {
		columns[i].kind = warehouseTime
	}
	return columns
}
