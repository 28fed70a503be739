// Package postgres is the store of projections whose tables are in Postgres: exactly once, fenced, in generations.
//
// A batch is one transaction, in this order:
//
//	fence       progress: next_offset from → to, where the epoch is still mine         (else: fenced)
//	identity    one row an event id, first come first kept                             (else: a duplicate)
//	rows        what the projection's fold made of the events that were new
//
// The fence refuses a batch that is in already and an owner that was replaced; identity refuses an event that is in
// already, from whatever partition. Both stand in the same transaction as the rows, so a crash at any point leaves all
// three or none.
//
// Every table is partitioned by generation. A generation's leaves are made and filled on their own, and which generation
// readers see is one row of tributary.live: a rebuild never disturbs them, and a swap is one update.
package postgres
