// Package ledger is the domain, pure: what an event is, when it is valid, and what it does to the books.
//
//	JSON ──transcode──┐
//	                  ▼
//	protobuf ──▶ protobuf bytes ──check──▶ Event ──Postings──▶ debits and credits
//	                                │        └──ContentHash──▶ duplicate or conflict
//	                                └─────▶ Invalid (code, path, message)
//
// The rules stand as options beside the fields in schemas; tables made of them lead the transcoder, the checker and the
// encoder, so that a new field or type is a change of the schema alone, and JSON and protobuf cannot disagree.
//
// Nothing here does I/O, reads a clock or remembers anything: an event's validity and its postings follow from the
// event alone, so every process, at any time, comes to the same answer.
package ledger
