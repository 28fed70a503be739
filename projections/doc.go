// Package projections turns the log into tables, exactly once: the contract that a store keeps, and the runner that
// drives any store.
//
//	Kafka ──▶ Feed ──▶ session ──▶ Store.Prepare ──▶ Change.Commit ──▶ readers
//	           │          │   (overlaps the commit before it)   │
//	           │          └── group: who owns a partition       └── fence + rows + next offset, at once or not at all
//	           └── fetched and decoded once for all runners of a process
//
// A store holds, beside its tables, how far each partition is in (next offset) and who may write it (epoch). The Kafka
// group only deals partitions out; it holds no offsets. A runner that lost a partition without knowing, because it was
// paused or cut off, is refused by the store itself: its epoch is old.
//
// A Rebuild does the same for a build of the tables that nobody reads yet: without a group, up to given offsets and no further.
package projections
