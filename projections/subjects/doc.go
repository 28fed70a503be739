// Package subjects is the log's index by what its records are about: where each payment, receiver, site, journal, payout and
// settlement is spoken of. It is how a story is found without reading the log.
//
//	event    ──subject──────────────▶ places   a row a record and name: the name's hash, and the position
//	rejected ──key, subject, fields──▶
//
// A row is a record at a position, so copies of an event are there, each of them, and so is what was refused. Nothing is said
// of what a record means: whoever finds it reads it from the log. The hash may be that of another name, too, which the reader
// then sees in the record.
package subjects
