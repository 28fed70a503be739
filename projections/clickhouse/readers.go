package clickhouse

import (
	"fmt"
	"strings"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// ReaderView is what readers see of a projection's generation, and how the same row is found in another one.
type ReaderView struct {
	// ReaderView says it as of one in Postgres; its From is a SELECT over one generation, and is always set.
	postgres.ReaderView

	// Version is the column by which a row takes the place of an earlier one of its key, of tables whose rows name no position: the
	// live generation may have such rows ahead of its offsets. It is a number, and empty where rows name their positions.
	Version string
}

// Readable is a projection that declares what readers see of it.
type Readable interface {
	Projection
	// Readers are what readers see of a generation by the rows for which the SQL condition below holds.
	Readers(generation Generation, below string) []ReaderView
}

// Below is a condition for rows whose positions are below offsets, of the partitions that have one; of others none are.
func Below(offsets map[eventlog.TopicPartition]int64) string {
	if len(offsets) == 0 {
		return "kafka_offset < 0"
	}
	partitions := eventlog.SortedPartitions(offsets)
	places, ends := make([]string, len(partitions)), make([]string, len(partitions))
	for i, p := range partitions {
		places[i], ends[i] = fmt.Sprintf("%s/%d", p.Topic, p.Partition), fmt.Sprintf("toInt64(%d)", offsets[p])
	}
	return fmt.Sprintf("kafka_offset < transform(concat(topic, '/', toString(`partition`)), [%s], [%s], toInt64(0))",
		literals(places), strings.Join(ends, ", "))
}
