// Package quarantine keeps every record of the log that holds no valid event: why it was refused, where it lies, and all
// of it, byte for byte, so that it can be looked at, mended and published again.
//
//	record ──eventlog.Decode──▶ Rejection ──▶ a row: the reason in words, headers and payload as they came
//
// What a broken record says may hold anything: NUL, invalid UTF-8, times of other ages. What is there to be read is made
// readable; what is there to be kept is kept as bytes; nothing of it can be refused by the store, which would stop the
// projector for good.
package quarantine
