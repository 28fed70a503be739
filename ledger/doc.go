// Package ledger is the domain, pure: what an event is, when it is valid, and what it does to the books.
//
//	bytes ──Decode──▶ Event ──Postings──▶ debits and credits
//	          │
//	          └─────▶ Invalid (code, path, message)
//
// Nothing here does I/O, reads a clock or remembers anything: an event's validity and its postings follow from the
// event alone, so every process, at any time, comes to the same answer.
package ledger
