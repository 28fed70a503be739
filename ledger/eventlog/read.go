package eventlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"
)

const (
	// readBytes is how large a piece should be once it is uncompressed.
	readBytes = 2 << 20
	// readFetchBytes bound a fetch, as sent. One batch comes even when it is larger.
	readFetchBytesLeast, readFetchBytesFirst, readFetchBytesMost = 64 << 10, 256 << 10, 1 << 20
	// readPatience is how long a partition may make no progress before the reader gives up.
	readPatience = 30 * time.Second
)

// Range is a part of the log, for ReadRange.
type Range struct {
	// From is the first offset of each partition to read; 0 for a partition of To that it lacks.
	From map[TopicPartition]int64
	// To is the offset after the last, at most the partition's committed end (Admin.EndOffsets).
	To map[TopicPartition]int64
	// Expect are the topics' ids where the caller knows which log its offsets belong to; others are not checked.
	Expect map[string]TopicID
	// Patience is how long a partition may make no progress before the reading ends with an error; half a minute when 0.
	Patience time.Duration
	// AtOnce is how many partitions are read at the same time; when 0, two for each core.
	AtOnce int
	// PieceBytes is how large a batch should be once it is uncompressed, about; 2 MiB when 0.
	PieceBytes int
}

// Batch is what was read of one partition in one piece.
type Batch struct {
	TopicPartition

	// From is the first offset that the batch covers, Next the one after the last. Records may be fewer, or none, because
	// control records and aborted ones take up offsets.
	From, Next int64
	// Records are in offset order. None is a Control record.
	Records []Record
	// LeaderEpoch and RecordedAt are those of what is before Next, be it a record, a control record or an aborted one. -1 and
	// a zero time where that is not known.
	LeaderEpoch int32
	RecordedAt  time.Time
}

// ReadRange reads the committed records of a part of the log without a consumer group, and ends exactly at its end, also
// where the last offsets hold control or aborted records. fn gets each partition's batches in order, one at a time, and
// together they cover the range without a gap; batches of different partitions come at the same time from different
// goroutines. The first error of fn ends the reading and is returned.
//
// Memory is bounded by AtOnce times some 10 MiB, whatever the range. Errors: ErrRecreated and ErrTruncated where the log is
// not the one that the offsets belong to or no longer has them, ErrUnreachable when brokers stay away for Patience.
func ReadRange(ctx context.Context, config Config, part Range, fn func(context.Context, Batch) error) error {
	r, err := newReader(config)
	if err != nil {
		return err
	}
	defer r.client.Close()
	r.expect, r.patience = part.Expect, cmp.Or(part.Patience, readPatience)
	r.pieceBytes = cmp.Or(part.PieceBytes, readBytes)
	if err := r.refresh(ctx, part.topics()...); err != nil {
		return err
	}
	if err := r.checkRange(ctx, part); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(part.atOnce())
	for _, p := range SortedPartitions(part.To) {
		if part.From[p] >= part.To[p] {
			continue
		}
		group.Go(func() error { return r.readPartition(ctx, p, part.From[p], part.To[p], fn) })
	}
	return group.Wait()
}

func (part Range) atOnce() int {
	if part.AtOnce > 0 {
		return part.AtOnce
	}
	return 2 * runtime.GOMAXPROCS(0)
}

// topics are those that have something to read, and those of which an id is expected.
func (part Range) topics() []string {
	seen := make(map[string]bool)
	var topics []string
	for _, p := range SortedPartitions(part.To) {
		if !seen[p.Topic] {
			seen[p.Topic] = true
			topics = append(topics, p.Topic)
		}
	}
	return topics
}

// checkRange refuses a range that the log does not have, before anything of it is read.
func (r *reader) checkRange(ctx context.Context, part Range) error {
	topics := part.topics()
	if len(topics) == 0 {
		return nil
	}
	starts, err := r.admin.StartOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	ends, err := r.admin.EndOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	for _, p := range SortedPartitions(part.To) {
		end, known := ends[p]
		if !known {
			return &LogLostError{TopicPartition: p, Cause: ErrTruncated, Seen: "the topic has no such partition"}
		}
		if err := CheckRange(p, part.To[p], 0, end); err != nil {
			return err
		}
		if part.From[p] >= part.To[p] {
			continue
		}
		if err := CheckRange(p, part.From[p], starts[p], end); err != nil {
			return err
		}
	}
	return nil
}

// readPartition fetches the next piece while fn works on the one before.
func (r *reader) readPartition(
	ctx context.Context, p TopicPartition, from, to int64, fn func(context.Context, Batch) error,
) error {
	group, ctx := errgroup.WithContext(ctx)
	pieces := make(chan Batch, 1)
	group.Go(func() error {
		defer close(pieces)
		fetchBytes := min(readFetchBytesFirst, r.pieceBytes)
		for next := from; next < to; {
			batch, err := r.fetch(ctx, span{TopicPartition: p, next: next, to: to, fetchBytes: fetchBytes})
			if err != nil {
				return err
			}
			next, fetchBytes = batch.Next, nextFetchBytes(fetchBytes, r.pieceBytes, batch)
			select {
			case pieces <- batch:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	group.Go(func() error {
		for batch := range pieces {
			if err := fn(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// nextFetchBytes adapts a fetch to how well the records compress, for that may be a hundredfold.
func nextFetchBytes(now, pieceBytes int, batch Batch) int {
	size := 1
	for i := range batch.Records {
		size += batch.Records[i].Bytes
	}
	return min(max(int(int64(now)*int64(pieceBytes)/int64(size)), readFetchBytesLeast), 2*now, readFetchBytesMost)
}

// span is what to ask of a partition: what is at next, before to, of so many bytes as sent.
type span struct {
	TopicPartition

	next, to   int64
	fetchBytes int
	// wanted, where it is set, picks records by their offset. These share no memory with what was fetched.
	wanted *wanted
}

// fetch gets the piece at next, however often it must ask. It gives up when nothing came for as long as its patience.
func (r *reader) fetch(ctx context.Context, s span) (Batch, error) {
	const firstPause, longestPause = 50 * time.Millisecond, 2 * time.Second
	start, pause := time.Now(), firstPause
	for {
		batch, err := r.fetchOnce(ctx, s)
		switch {
		case err == nil && batch.Next > s.next:
			return batch, nil
		case ctx.Err() != nil:
			return Batch{}, fmt.Errorf("read %s: %w", s.At(s.next), context.Cause(ctx))
		case errors.Is(err, kerr.UnknownTopicID): // a broker may not have heard of a new topic; refresh tells if it was recreated
		case Classify(err) == KindLogLost, Classify(err) == KindFatal:
			return Batch{}, r.lost(ctx, s.TopicPartition, s.next, err)
		case time.Since(start) > r.patience:
			if err == nil {
				err = errors.New("the broker sends nothing, though the log goes on")
			}
			return Batch{}, unreachable(r.config, "read "+s.At(s.next).String(), err)
		default:
		}
		if err := sleep(ctx, pause); err != nil {
			return Batch{}, fmt.Errorf("read %s: %w", s.At(s.next), err)
		}
		pause = min(2*pause, longestPause)
		if err := r.refresh(ctx, s.Topic); Classify(err) == KindLogLost {
			return Batch{}, err
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lost says as exactly as can be found out in what way the log is gone.
func (r *reader) lost(ctx context.Context, p TopicPartition, next int64, cause error) error {
	if err := r.refresh(ctx, p.Topic); errors.Is(err, ErrRecreated) {
		return err
	}
	starts, err := r.admin.StartOffsets(ctx, p.Topic)
	if err != nil {
		return ExplainFetch(p, cause)
	}
	ends, err := r.admin.EndOffsets(ctx, p.Topic)
	if err != nil {
		return ExplainFetch(p, cause)
	}
	if err := CheckRange(p, next, starts[p], ends[p]); err != nil {
		return err
	}
	return ExplainFetch(p, cause)
}
