package eventlog

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Kept is what a reader keeps of a partition between runs.
type Kept struct {
	LogIdentity

	// Next is the offset to be read next.
	Next int64
}

// CheckKept compares what readers kept with the log as it is: ErrRecreated or ErrTruncated, with the partition and what was
// seen, where the log is another or no longer has what is next; nil when reading can go on.
//
// A consumer alone is not enough. Tried with franz-go 1.22.2: a topic recreated while it is read shows after some ten seconds
// (UNKNOWN_TOPIC_ID), and one recreated while nobody reads only where the new log is shorter: else another log is read on from
// the middle. OFFSET_OUT_OF_RANGE comes again with each poll, at once, so whoever gets it should pause the partition. A log
// that diverged from a position given with its epoch (kgo.ErrDataLoss) is told once, and then read on from elsewhere in spite
// of NoResetOffset. So ask on assignment, and now and then.
func (a *Admin) CheckKept(ctx context.Context, kept map[TopicPartition]Kept) error {
	topics := Range{To: nexts(kept)}.topics()
	if len(topics) == 0 {
		return nil
	}
	identities, err := a.Identities(ctx, topics...)
	if err != nil {
		return err
	}
	for _, p := range SortedPartitions(kept) {
		seen, known := identities[p]
		if !known {
			return &LogLostError{TopicPartition: p, Cause: ErrTruncated, Seen: "the topic has no such partition"}
		}
		// A broker that has not heard of an election says the epoch before: only the leader knows.
		seen.LeaderEpoch = -1
		if err := CheckIdentity(p, kept[p].LogIdentity, seen); err != nil {
			return err
		}
	}
	if err := a.checkEpochs(ctx, kept); err != nil {
		return err
	}
	starts, err := a.StartOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	ends, err := a.EndOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	for _, p := range SortedPartitions(kept) {
		if err := CheckRange(p, kept[p].Next, starts[p], ends[p]); err != nil {
			return err
		}
	}
	return nil
}

// checkEpochs asks the leaders whether the records before each position are those that were read: the log of a leader that was
// elected without them has others in their place, and may be longer by now.
func (a *Admin) checkEpochs(ctx context.Context, kept map[TopicPartition]Kept) error {
	request := make(kadm.OffsetForLeaderEpochRequest)
	for p, k := range kept {
		if k.LeaderEpoch >= 0 {
			request.Add(p.Topic, p.Partition, k.LeaderEpoch)
		}
	}
	if len(request) == 0 {
		return nil
	}
	answers, err := a.client.OffsetForLeaderEpoch(ctx, request)
	if err != nil {
		return unreachable(a.config, "ask for the log's epochs", err)
	}
	for _, p := range SortedPartitions(kept) {
		k := kept[p]
		answer, ok := answers[p.Topic][p.Partition]
		switch {
		case k.LeaderEpoch < 0:
		case !ok:
			return fmt.Errorf("ask for the epochs of %s: %w", p, kerr.UnknownTopicOrPartition)
		case answer.Err != nil:
			return ExplainFetch(p, fmt.Errorf("ask for the log's epochs: %w", answer.Err))
		case answer.EndOffset < 0:
			return &LogLostError{
				TopicPartition: p, Cause: ErrTruncated,
				Seen: fmt.Sprintf("leader epoch %d was seen before, and its leader does not know it", k.LeaderEpoch),
			}
		case answer.EndOffset < k.Next:
			return &LogLostError{
				TopicPartition: p, Cause: ErrTruncated,
				Seen: fmt.Sprintf("offset %d is next, and what was read of leader epoch %d ends at %d now", k.Next, k.LeaderEpoch, answer.EndOffset),
			}
		}
	}
	return nil
}

func nexts(kept map[TopicPartition]Kept) map[TopicPartition]int64 {
	offsets := make(map[TopicPartition]int64, len(kept))
	for p, k := range kept {
		offsets[p] = k.Next
	}
	return offsets
}
