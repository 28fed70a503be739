package floors

import "github.com/tributary-ledger/tributary/cmd/bench/internal/measure"

// The floors' names.
const (
	Postgres   = "floor/postgres"
	Postgres4  = "floor/postgres-4"
	ClickHouse = "floor/clickhouse"
	Produce    = "floor/kafka-produce"
	Consume    = "floor/kafka-consume"
	Read       = "floor/read"
	Decode     = "floor/decode"

	BeyondIDs     = "beyond/ids-and-totals"
	BeyondEntries = "beyond/with-entries"
)

// Measures are all floors.
func Measures() []measure.Measure {
	return []measure.Measure{
		{
			Name: Postgres, Of: measure.Floor, Unit: measure.EventsPerSecond, Run: intoPostgres(1),
			About: "the same events as rows that are ready in memory: unique ids, entries, totals, offset, in transactions of 20,000 events",
		},
		{
			Name: Postgres4, Of: measure.Floor, Unit: measure.EventsPerSecond, Run: intoPostgres(4),
			About: "the same by four connections",
		},
		{
			Name: ClickHouse, Of: measure.Floor, Unit: measure.EventsPerSecond, Run: intoClickHouse,
			About: "the rows that revenue makes of the same events, as blocks that are ready in memory, into a table of the same columns",
		},
		{
			Name: Produce, Of: measure.Floor, Unit: measure.EventsPerSecond, Run: produce,
			About: "the same events as records that are ready in memory, by a bare client, until all are acknowledged",
		},
		{
			Name: Consume, Of: measure.Floor, Unit: measure.EventsPerSecond, Run: consume,
			About: "all records of the log, by a bare client that looks at nothing",
		},
		{
			Name: Read, Of: measure.Floor, Unit: measure.EventsPerSecond, Run: read,
			About: "all records of the log, read and decoded to events, and nothing done with them",
		},
		{
			Name: Decode, Of: measure.Floor, Unit: measure.EventsPerSecond, Run: decode,
			About: "the protobuf of the same events alone, in memory, on one processor",
		},
		{
			Name: BeyondIDs, Of: measure.Floor, Unit: measure.EventsPerSecond, Slow: true, Run: beyondRows(false),
			About: "no row an event: unique ids as sorted runs behind a Bloom filter, totals, offset; from decoded events to the commit",
		},
		{
			Name: BeyondEntries, Of: measure.Floor, Unit: measure.EventsPerSecond, Slow: true, Run: beyondRows(true),
			About: "the same with the entries of a batch as a compressed blob",
		},
	}
}
