// Package comparison holds two generations of a projection against each other, as readers see them, at one vector of offsets:
// which rows differ, in which columns, by how much, and from which events.
//
//	each generation: one scan ──▶ per bucket of keys: rows, and sums of hashes of 128 bits
//	                                  │ of the buckets that are not alike, and only of those
//	                                  ▼
//	               rows of both, in order of their keys ──merge──▶ differences ──▶ events behind them
//
// Rows are reduced to texts that are the same for equal values: amounts without trailing zeros, times in UTC. Columns that only
// tell which copy of an event a row was made from may differ. Rows that differ because the generations met the two sides of a
// conflict in another order are told apart: neither generation is wrong there.
//
// Memory: two rows and the buckets' sums, about half a megabyte, whatever the size of the tables; at most MaxDifferences
// differences of a view, their values cut at a kilobyte; at most MaxSuspects conflicts and rows that sum up others. What is beyond
// is counted, and never taken for a conflict. Postgres sorts the rows of buckets that differ, on its disk where they are many.
package comparison
