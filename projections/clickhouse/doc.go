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
// up to the highest offset M of the partition, for an insert is in whole or not at all (or, if the server split it after
// all, as a prefix in the order of offsets).
//
// # Why M is true
//
// To secure a partition, an owner raises the fence to an epoch E of its own, ends the inserts into the partition that are
// under way, waits until they have ended, and reads M. From then on nobody else changes M unless this owner's next insert is
// refused, because:
//
//   - E is sent in one request only, and used only after that was answered. A request without an answer may come in at any
//     time, so the next try takes the next E. The fence therefore never comes back to an E that it has left, neither by a late
//     request nor by a restart: it is in memory, and empty after one.
//   - An insert under another epoch F came past the fence before E did, and then it was under way and was ended, or is in and
//     counted; or it came past the fence after somebody moved it from E to F, and then this owner is refused. The latter may
//     be a later owner's right. It cannot be an earlier owner's: before each insert, and after it secured its F, an owner has
//     claimed the ids in Postgres, under the epoch there; this owner had raised that epoch before it sent E. So a late F of an
//     earlier owner costs a round at most: this one is refused once and secures again.
//   - What this owner itself does not know the outcome of, it treats like another's: it secures again.
//
// How many rows there must be is counted in Postgres with each move of the offsets, and compared with what ClickHouse has at
// each takeover and each batch. A difference means that a server lost what it had acknowledged; then nothing is written.
package clickhouse
