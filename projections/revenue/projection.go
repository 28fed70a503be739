package revenue

import (
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

// Name is the projection's, and its database's.
const Name = "revenue"

const version = 1

// Projection is the revenue.
type Projection struct{}

// New makes the projection.
func New() *Projection { return &Projection{} }

// Definition names it; it reads all topics.
func (*Projection) Definition() projections.Definition {
	return projections.Definition{
		Name: Name, Version: version,
		Topics: []string{eventlog.TopicPayments, eventlog.TopicReceivers, eventlog.TopicMonetization},
	}
}

// quarter is the quarter hour of an event, as the aggregate has it: the views group by functions of exactly this.
const quarter = "toStartOfFifteenMinutes(occurred_at)"

// sums are what is added up: in 256 bits, because a sum of Decimal(38, 18) can overflow, silently.
const sums = "sum(toDecimal256(gross, 18)), sum(toDecimal256(refunds, 18)), sum(toDecimal256(fees, 18)), count()"

// keys are what revenue is told apart by, but for time. They go from what has few values to what has many, which keeps the
// aggregate small.
const keys = "ledger, stream, owner, asset_code, pointer, post_id"

// Rows is the table of events. What an owner earned lies together, in order of time. What repeats among the events of an
// owner is LowCardinality; what is there once an event is compressed harder than usual, because it is read rarely.
func (*Projection) Rows() clickhouse.Table {
	return clickhouse.Table{
		Name: "events",
		Columns: []string{
			"ledger LowCardinality(String)",
			"stream LowCardinality(String)",
			"owner LowCardinality(String)",
			"event_id UUID CODEC(ZSTD(1))",
			"type LowCardinality(String)",
			"occurred_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))",
			"recorded_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))",
			"pointer LowCardinality(String)",
			"post_id LowCardinality(String)",
			"session_id String CODEC(ZSTD(1))",
			"asset_code LowCardinality(String)",
			"gross Decimal(38, 18) CODEC(ZSTD(1))",
			"fees Decimal(38, 18) CODEC(ZSTD(1))",
			"refunds Decimal(38, 18) CODEC(ZSTD(1))",
		},
		Parts:   []string{"PROJECTION quarter_hours (SELECT " + keys + ", " + quarter + ", " + sums + " GROUP BY " + keys + ", " + quarter + ")"},
		OrderBy: "ledger, stream, owner, occurred_at",
	}
}

// Asides are the posts, and the further copies of events. A version of a post is the time of the event, in microseconds, and below it
// the event's id.
func (*Projection) Asides() []clickhouse.Table {
	return []clickhouse.Table{{
		Name: "posts",
		Columns: []string{
			"ledger LowCardinality(String)",
			"plugin_id LowCardinality(String)",
			"post_id LowCardinality(String)",
			"title String",
			"url String",
			"category String",
			"version UInt256",
		},
		Engine:  "ReplacingMergeTree(version)",
		OrderBy: "ledger, plugin_id, post_id",
	}, {
		Name: "copies",
		Columns: []string{
			"event_id UUID",
			"recorded_at DateTime64(6, 'UTC')",
			"topic LowCardinality(String)",
			"`partition` Int32",
			"kafka_offset Int64",
		},
		Engine:  "ReplacingMergeTree",
		OrderBy: "event_id, topic, `partition`, kafka_offset",
	}}
}
