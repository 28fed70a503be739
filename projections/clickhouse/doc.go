// Package clickhouse keeps projections in ClickHouse, exactly once, without transactions there: Postgres says who owns a
// partition and which copy of an event counts, ClickHouse refuses the inserts of older owners, and the rows themselves say
// how far they are.
//
//	batch ─▶ Postgres: fence, claim ids ─▶ ClickHouse: one insert, one block ─▶ Postgres: move the offsets
//	               │ who owns it                 │ CHECK epoch = fence               │ only what is in
//	               ▼                             ▼                                   ▼
//	        a retry claims alike          older owners are refused            killed before it: M tells
//
// Killed anywhere, the next owner reads the range again, claims the same ids, and leaves out the rows that are in: those
// up to the highest offset M of the partition, for an insert is in whole or not at all.
package clickhouse
