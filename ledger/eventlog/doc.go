// Package eventlog keeps events in Kafka: the topics and their settings, the writers, the readers, and every wire format.
//
//	Event ──Encode──▶ Writer (acks=all, idempotent) ─────────▶┌───────────────────────┐
//	Events ─Encode──▶ AtomicWriter (one transaction) ────────▶│ tributary.payments  … │
//	any Kafka client (protobuf, JSON, structured, framed) ───▶└──────────┬────────────┘
//	                                                                     │ read committed
//	       Record (Event │ Rejected │ Control) ◀──Decode── ReadRange, or a consumer of the caller's
//
// The log is the only truth, so this package never guesses about it. A topic is never made by accident, never repaired
// behind an operator's back, and a reader whose position the log no longer has gets an error that says so (ErrRecreated,
// ErrTruncated, Classify) and never a silent jump. What a record holds is decided from the record alone: a record that is
// no valid event comes out of Decode as a Rejection that keeps each of its bytes.
package eventlog
