// Package sandbox is a payment provider to try things with: a server that keeps a durable book of what it took and gave back, and
// the Provider that calls it. The last two digits of an amount, or the beginning of a transaction id, choose what goes wrong.
//
//	Client ──HTTP──▶ Server ──▶ journal (a line an act, on disk before the answer)
//	  ▲                 │          └──▶ GET /book: every charge and refund, and their sums
//	  └── webhook ◀─────┘ signed, sent until it is accepted
//
// What it did it never forgets: kill it between any two steps, open the journal again, and the same key has the same answer.
package sandbox
