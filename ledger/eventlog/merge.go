package eventlog

import (
	"cmp"
	"container/heap"
	"context"

	"golang.org/x/sync/errgroup"
)

// mergeBytes is how much of all partitions together is held at a time, about: a merge reads all of them at once.
const mergeBytes = 48 << 20

// ReadMerged reads as ReadRange does, and gives fn the records of all partitions one by one, those that were recorded earlier
// first; the order of each partition is kept, also where a writer set the times and they go back. keep picks the records, and
// is called by several goroutines at a time, so that what is not wanted costs one of them little. A record shares memory with
// its batch; fn's error ends the reading.
//
// Memory is bounded by some 10 MiB for each partition, whatever the range: all of them are read at the same time.
func ReadMerged(ctx context.Context, config Config, part Range, keep func(*Record) bool, fn func(*Record) error) error {
	streams := make(map[TopicPartition]*stream)
	var all []*stream
	for _, p := range SortedPartitions(part.To) {
		if part.From[p] < part.To[p] {
			streams[p] = &stream{batches: make(chan []Record, 1)}
			all = append(all, streams[p])
		}
	}
	if len(all) == 0 {
		return nil
	}
	part.AtOnce = len(all)
	part.PieceBytes = min(max(mergeBytes/4/len(all), readFetchBytesLeast), readBytes) //nolint:mnd // about so many pieces a partition
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return ReadRange(ctx, config, part, func(ctx context.Context, batch Batch) error {
			to := streams[batch.TopicPartition]
			if err := to.send(ctx, picked(batch.Records, keep)); err != nil {
				return err
			}
			if batch.Next >= part.To[batch.TopicPartition] {
				close(to.batches)
			}
			return nil
		})
	})
	group.Go(func() error {
		if err := merge(ctx, all, fn); err != nil {
			return err
		}
		return ctx.Err()
	})
	return group.Wait()
}

// picked are the records to keep, in the place of all.
func picked(records []Record, keep func(*Record) bool) []Record {
	kept := records[:0]
	for i := range records {
		if keep(&records[i]) {
			kept = append(kept, records[i])
		}
	}
	return kept
}

// stream is what comes of one partition.
type stream struct {
	batches chan []Record
	records []Record
}

func (s *stream) send(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	select {
	case s.batches <- records:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fill waits for the stream's next record; false at its end.
func (s *stream) fill(ctx context.Context) (bool, error) {
	if len(s.records) > 0 {
		return true, nil
	}
	select {
	case records, more := <-s.batches:
		s.records = records
		return more, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// merge gives the streams' records in the order of their times.
func merge(ctx context.Context, all []*stream, fn func(*Record) error) error {
	var heads streamHeap
	for _, s := range all {
		more, err := s.fill(ctx)
		if err != nil {
			return err
		}
		if more {
			heads = append(heads, s)
		}
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		soonest := heads[0]
		if err := fn(&soonest.records[0]); err != nil {
			return err
		}
		soonest.records = soonest.records[1:]
		more, err := soonest.fill(ctx)
		if err != nil {
			return err
		}
		if more {
			heap.Fix(&heads, 0)
		} else {
			heap.Pop(&heads)
		}
	}
	return nil
}

// CompareRecorded orders records by recorded time and then position: negative when a is before b, 0 when they are one.
func CompareRecorded(a, b *Record) int {
	return cmp.Or(a.RecordedAt.Compare(b.RecordedAt), a.TopicPartition().Compare(b.TopicPartition()), cmp.Compare(a.Offset, b.Offset))
}

// streamHeap has the stream with the earliest record on top.
type streamHeap []*stream

func (h *streamHeap) Len() int { return len(*h) }
func (h *streamHeap) Less(i, j int) bool {
	return CompareRecorded(&(*h)[i].records[0], &(*h)[j].records[0]) < 0
}
func (h *streamHeap) Swap(i, j int) { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }

// Push is heap.Interface's; streams are only taken away.
func (h *streamHeap) Push(x any) {
	if s, ok := x.(*stream); ok {
		*h = append(*h, s)
	}
}

// Pop takes the last away.
func (h *streamHeap) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	*h = (*h)[:last]
	return s
}
