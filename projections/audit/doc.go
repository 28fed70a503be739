// Package audit proves the tables from the log. It folds the log a second time, in another way than the projectors do,
// and compares every row.
//
//	              ┌─ next offsets, identities, tables ──┐   one REPEATABLE READ snapshot
//	Postgres ─────┤                                     ▼
//	              └─ next offsets ─▶ log ─▶ fold ─▶ sums by bucket ─▶ those that differ, row by row ─▶ Report
//
// It shares no code with a projector but package ledger, which says what a valid event is; what an event does to the
// books is stated here once more, as a table, so that a mistake in ledger.Postings shows as well. Sums are math/big.
//
// Of several copies of an event one counts, and it is the store that chose which: the identity row names its position.
// The audit folds exactly that copy. So which copy was first never matters, the two sides of a conflict least of all,
// and still each column of each row can be compared, times and positions included.
//
// Memory is bounded. The rows that should be there, and those that are, are added up by keyed 64-bit digests in buckets (tally); of
// sums, such as an account's, the pieces are, each times its key's random weight (sumsTally). Which copies count is a bit each
// (positions). What many events say of one payment or receiver is sorted together, on disk as far as it must be (groups, spill).
// Only what does not come to the same is read again, log and table, and compared row by row; that misses a difference about once
// in 2^60. What grows all the same: the receiver with the most payments, some 700 bytes each while it is folded; posts, some 300
// bytes each; and what a ledger and asset are, which are few.
//
// ClickHouse has no snapshot that lasts. But rows there are only added, and before the offsets move: so what Postgres says is in, is
// in, and what is past its offsets is left out of the comparison. The sums that views read are asked for in one statement
// with those of the rows that are left out, because one statement sees one state. Of its rows of events it adds up the digests itself
// (rowDigests), under keys that are drawn for each audit: what is read is a number a bucket.
package audit
