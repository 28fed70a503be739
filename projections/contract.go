package projections

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Definition names a projection.
type Definition struct {
	// Name is the projection's name on the command line, in metrics and in the stores: "balances".
	Name string
	// Version changes when the fold does; each version has a consumer group of its own.
	Version int
	// Topics are those it reads.
	Topics []string
	// Rejections is set where it keeps invalid records instead of folding events.
	Rejections bool
}

// Group is the Kafka consumer group that deals out the partitions.
func (d Definition) Group() string {
	return fmt.Sprintf("tributary-%s-v%d", d.Name, d.Version)
}

// Ownership is what a store tells a new owner of a partition.
type Ownership struct {
	// Epoch is the owner's: above that of every owner before. Commits of lower epochs are refused from now on.
	Epoch int64
	// NextOffset is the offset from which on nothing is in the tables.
	NextOffset int64
	// LeaderEpoch is that of the last record that is in, -1 before the first: with it the broker can tell a log that was
	// cut and written anew from the one that was read.
	LeaderEpoch int32
	// TopicID is that of the topic that the tables were built from.
	TopicID eventlog.TopicID
	// Generation is the build of the tables that the owner writes.
	Generation int32
}

// log identifies the log that the offset belongs to.
func (o Ownership) log() eventlog.LogIdentity {
	return eventlog.LogIdentity{TopicID: o.TopicID, LeaderEpoch: o.LeaderEpoch}
}

// Claim asks for the ownership of a partition of the topic with this id.
type Claim struct {
	eventlog.TopicPartition

	// TopicID is Kafka's id of the topic, new whenever a topic is made anew.
	TopicID eventlog.TopicID
}

// Range is a stretch of one partition, From inclusive to To exclusive, that an owner commits.
type Range struct {
	eventlog.TopicPartition

	From, To int64
	// Epoch and Generation are the owner's.
	Epoch      int64
	Generation int32
	// LeaderEpoch is that of the last record.
	LeaderEpoch int32
	// RecordedAt is the Kafka timestamp of the last record.
	RecordedAt time.Time
}

// String is such as "payments/3@1042..1100".
func (r Range) String() string {
	return fmt.Sprintf("%s..%d", r.At(r.From), r.To)
}

// Batch is what is committed at once: ranges of different partitions, and their records in offset order per partition.
type Batch struct {
	Ranges  []Range
	Records []eventlog.Record
}

// String lists the ranges.
func (b Batch) String() string {
	ranges := make([]string, len(b.Ranges))
	for i, r := range b.Ranges {
		ranges[i] = r.String()
	}
	return strings.Join(ranges, ", ")
}

// Halve cuts the batch into a first and a second half of its records, each with the ranges that belong to it, so that
// committing one after the other does the same as committing the whole. It reports false for fewer than two records.
func (b Batch) Halve() (first, second Batch, ok bool) {
	middle := len(b.Records) / 2
	if middle == 0 {
		return b, Batch{}, false
	}
	lastOf := map[eventlog.TopicPartition]eventlog.Record{}
	first.Records, second.Records = b.Records[:middle], b.Records[middle:]
	for _, record := range first.Records {
		lastOf[record.TopicPartition()] = record
	}
	rest := map[eventlog.TopicPartition]bool{}
	for _, record := range second.Records {
		rest[record.TopicPartition()] = true
	}
	for _, r := range b.Ranges {
		last, inFirst := lastOf[r.TopicPartition]
		if !inFirst {
			second.Ranges = append(second.Ranges, r)
			continue
		}
		if !rest[r.TopicPartition] {
			first.Ranges = append(first.Ranges, r)
			continue
		}
		head, tail := r, r
		head.To, tail.From = last.Offset+1, last.Offset+1
		head.LeaderEpoch, head.RecordedAt = last.LeaderEpoch, last.RecordedAt
		first.Ranges = append(first.Ranges, head)
		second.Ranges = append(second.Ranges, tail)
	}
	return first, second, true
}

// Store keeps one projection's tables and how far they are. Its errors are a *FencedError, a *RefusedError, one of
// eventlog.ErrRecreated and eventlog.ErrTruncated, or else infrastructure: to be tried again.
type Store interface {
	Definition() Definition
	// Acquire makes the caller the owner of the partitions: from its return on no commit with an earlier epoch succeeds.
	Acquire(ctx context.Context, claims []Claim) (map[eventlog.TopicPartition]Ownership, error)
	// Generation is the build of the tables that Acquire would give now: after a swap it is another.
	Generation(ctx context.Context) (int32, error)
	// Prepare folds a batch into the change that it makes, reading at most what no other writer can change. It runs
	// while the change before it is being committed.
	Prepare(ctx context.Context, batch Batch) (Change, error)
}

// Change is a prepared batch.
type Change interface {
	// Commit puts in the change and the new offsets together, or nothing. Called again after an error whose outcome is
	// unknown, it finds out what happened and does it only if it was not done.
	Commit(ctx context.Context) (Committed, error)
}

// Committed tells what a commit did.
type Committed struct {
	// Conflicts is how many events came under an id that has another content.
	Conflicts int
	// Duplicates is how many events were in already.
	Duplicates int
}

// Step is called by a store between any two steps of a commit, with the name of the step that comes next. Tests make it
// fail, to be killed there. An error from it ends the commit as a crash would: nothing is rolled back in an orderly way.
type Step func(ctx context.Context, next string) error
