package floors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// intoClickHouse inserts what revenue would, as blocks that were encoded before, into a table of the same columns. There is no
// aggregate beside it and no fence, and nobody says how far it is.
func intoClickHouse(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
	if err := bed.NeedClickHouse(); err != nil {
		return result, err
	}
	stores, err := bed.Stores(ctx)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, stores.Drop(ctx)) }()
	rows := revenue.New().Rows()
	for _, statement := range []string{
		"CREATE DATABASE floor",
		fmt.Sprintf("CREATE TABLE floor.events (%s) ENGINE = MergeTree ORDER BY (%s)", strings.Join(rows.Columns, ", "), rows.OrderBy),
	} {
		if err := stores.ClickHouse.Exec(ctx, statement); err != nil {
			return result, fmt.Errorf("make the floor's table: %w", err)
		}
	}
	bodies, inserted, err := blocks(bed.Fill)
	if err != nil {
		return result, err
	}
	names := make([]string, len(rows.Columns))
	for i, column := range rows.Columns {
		names[i], _, _ = strings.Cut(column, " ")
	}
	insert := fmt.Sprintf("INSERT INTO floor.events (%s)", strings.Join(names, ", "))
	began := time.Now()
	for _, body := range bodies {
		if err := stores.ClickHouse.InsertFormat(ctx, "Native", insert, bytes.NewReader(body)); err != nil {
			return result, fmt.Errorf("insert into the floor's table: %w", err)
		}
	}
	result = measure.Per(bed.Fill.Events, time.Since(began).Seconds())
	result.Extra = map[string]float64{"rows": float64(inserted), "rows_per_second": float64(inserted) / result.Seconds}
	return result, nil
}

// blocks are the rows of all events that count, of as many events each as the product inserts at once.
func blocks(fill measure.Fill) (bodies [][]byte, rows int, err error) {
	projection := revenue.New()
	var records []eventlog.Record
	flush := func() error {
		if len(records) == 0 {
			return nil
		}
		columns := projection.Fold(records)
		var buf proto.Buffer
		if err := (proto.Block{Columns: len(columns), Rows: len(records)}).EncodeRawBlock(&buf, 0, columns); err != nil {
			return fmt.Errorf("encode rows: %w", err)
		}
		bodies, rows, records = append(bodies, buf.Buf), rows+len(records), records[:0]
		return nil
	}
	n := 0
	for event := range fill.All() {
		record := eventlog.Record{Event: event, RecordedAt: event.Time}
		if projection.Counts(&record) {
			records = append(records, record)
		}
		n++
		if n%clickhouse.BatchEvents == 0 {
			if err := flush(); err != nil {
				return nil, 0, err
			}
		}
	}
	return bodies, rows, flush()
}
