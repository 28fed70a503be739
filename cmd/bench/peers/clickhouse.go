package peers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// KafkaEngine is ClickHouse reading Kafka by itself: a table of engine Kafka, from which a materialized view inserts into one like the
// product's. It is at-least-once: an offset is committed after the insert, so what is between them comes again after a crash, and an event
// that was published twice counts twice.
type KafkaEngine struct {
	// Consumers read the topic, each in a thread of its own; 0 means 2.
	Consumers int
}

// ddl is a database of its own with the tables. How large blocks are, and how long one may wait, is how the engine is tuned.
func (k KafkaEngine) ddl(brokers []string, from Prepared, group string) []string {
	table := revenue.New().Rows()
	read := make([]string, len(table.Columns))
	for i, column := range table.Columns {
		read[i], _, _ = strings.Cut(column, " CODEC")
	}
	columns := slices.Concat(table.Columns, []string{"topic LowCardinality(String)", "`partition` Int32", "kafka_offset Int64"}, table.Parts)
	return []string{
		"DROP DATABASE IF EXISTS peer SYNC",
		"CREATE DATABASE peer",
		fmt.Sprintf("CREATE TABLE peer.events (%s) ENGINE = MergeTree ORDER BY (%s)"+
			" SETTINGS fsync_after_insert = 1, fsync_part_directory = 1", strings.Join(columns, ", "), table.OrderBy),
		fmt.Sprintf("CREATE TABLE peer.queue (%s) ENGINE = Kafka SETTINGS kafka_broker_list = '%s', kafka_topic_list = '%s',"+
			" kafka_group_name = '%s', kafka_format = 'JSONEachRow', kafka_num_consumers = %d, kafka_thread_per_consumer = 1,"+
			" kafka_max_block_size = 262144, kafka_poll_max_batch_size = 65536, kafka_flush_interval_ms = 500",
			strings.Join(read, ", "), strings.Join(brokers, ","), from.Topic, group, k.Consumers),
	}
}

const kafkaEngineView = "CREATE MATERIALIZED VIEW peer.feed TO peer.events AS" +
	" SELECT *, _topic AS topic, toInt32(_partition) AS `partition`, toInt64(_offset) AS kafka_offset FROM peer.queue"

// Run reads the prepared topic of revenue to its end.
func (k KafkaEngine) Run(ctx context.Context, on Servers, from Prepared) (_ Outcome, err error) {
	if k.Consumers == 0 {
		k.Consumers = 2
	}
	conn, err := clickhouse.Open(ctx, on.ClickHouse)
	if err != nil {
		return Outcome{}, err
	}
	defer func() { _ = conn.Close() }()
	group := fmt.Sprintf("peer-clickhouse-%d", time.Now().UnixNano())
	for _, statement := range k.ddl(on.Kafka.Brokers, from, group) {
		if err := conn.Exec(ctx, statement); err != nil {
			return Outcome{}, fmt.Errorf("make the Kafka engine's tables: %w", err)
		}
	}
	if err := conn.Exec(ctx, kafkaEngineView); err != nil { // It begins to read.
		return Outcome{}, fmt.Errorf("make the Kafka engine's view: %w", err)
	}
	// The clock starts with the first rows that are visible: joining the group is no part of it.
	first, err := awaitRows(ctx, conn, 1)
	if err != nil {
		return Outcome{}, err
	}
	started := time.Now()
	if _, err := awaitRows(ctx, conn, from.Rows); err != nil {
		return Outcome{}, err
	}
	outcome := after(from, first, time.Since(started).Seconds())
	// The view stays: dropped first, it would have the consumers wait for their own end, for a quarter of a minute.
	if err := conn.Exec(ctx, "DROP TABLE peer.queue SYNC"); err != nil {
		return Outcome{}, fmt.Errorf("end the Kafka engine: %w", err)
	}
	return outcome, nil
}

// awaitRows waits until so many rows are visible, and returns how many are.
func awaitRows(ctx context.Context, conn driver.Conn, rows int64) (int64, error) {
	var visible uint64
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		if err := conn.QueryRow(ctx, "SELECT count() FROM peer.events").Scan(&visible); err != nil {
			return false, fmt.Errorf("count what the Kafka engine has read: %w", err)
		}
		return visible >= uint64(rows), nil //nolint:gosec // A count.
	})
	return int64(visible), err
}
