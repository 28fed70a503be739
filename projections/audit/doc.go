// Package audit proves the tables from the log. It folds the log a second time, in another way than the projectors do,
// and compares every row.
//
//	              ┌─ next offsets, identities, tables ─┐   one REPEATABLE READ snapshot
//	Postgres ─────┤                                    ▼
//	              └─ next offsets ─▶ log ─▶ fold ─▶ compare ─▶ Report: what differs, and the events behind it
//
// It shares no code with a projector but package ledger, which says what a valid event is; what an event does to the
// books is stated here once more, as a table, so that a mistake in ledger.Postings shows as well. Sums are math/big.
//
// Of several copies of an event one counts, and it is the store that chose which: the identity row names its position.
// The audit folds exactly that copy. So which copy was first never matters, the two sides of a conflict least of all,
// and still each column of each row can be compared, times and positions included.
//
// The reference is kept in memory: about a hundred bytes an event and what its accounts, payments and receivers need.
// Tables are streamed. Entries, the largest of them, are compared by a keyed 64-bit digest an event, which misses a
// difference once in 2^64; the rows of the events that differ are then read again, to say in which column.
//
// ClickHouse has no snapshot that lasts. But rows there are only added, and before the offsets move: so what Postgres says is in, is
// in, and what is past its offsets is left out of the comparison. The sums that views read are asked for in one statement
// with those of the rows that are left out, because one statement sees one state.
package audit
