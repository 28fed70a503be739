// Package balances keeps the books: what each account has, the entries it comes from, and what was refused because its
// event id was taken.
//
//	event ──ledger.Postings──▶ entries (a row a posting)
//	                    └────▶ totals  (a row an account and source partition: debits, credits)
//
// Totals only grow and sums commute, so the order in which partitions arrive never shows. A batch's entries and totals
// stand in one transaction and each event's debits equal its credits, so every committed state of the books balances.
package balances
