package projections

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// worker rebuilds some of the partitions.
type worker struct {
	*pipe

	limit *rate.Limiter
	meter *meter
	owned map[eventlog.TopicPartition]*Ownership
}

// run reads a part of the log, and ends when all of it is committed.
func (w *worker) run(ctx context.Context, part eventlog.Range) error {
	group, ctx := errgroup.WithContext(ctx)
	pieces := make(chan eventlog.Batch)
	group.Go(func() error {
		defer close(pieces)
		return eventlog.ReadRange(ctx, w.kafka, part, func(ctx context.Context, piece eventlog.Batch) error {
			return w.pass(ctx, piece, pieces)
		})
	})
	group.Go(func() error {
		defer close(w.changes)
		for {
			batch, err := w.gather(ctx, pieces)
			if err != nil || len(batch.Ranges) == 0 {
				return err
			}
			if err := w.handOver(ctx, batch); err != nil {
				return err
			}
		}
	})
	group.Go(func() error {
		return w.commit(ctx, func(_ context.Context, batch Batch, err error) error {
			if err == nil {
				w.meter.add(batch)
			}
			return err
		})
	})
	return group.Wait()
}

// pass hands a piece on, in parts that are no more than may come at once.
func (w *worker) pass(ctx context.Context, piece eventlog.Batch, pieces chan<- eventlog.Batch) error {
	most := w.settings.BatchEvents
	if w.limit != nil {
		most = min(most, w.limit.Burst())
	}
	for more := true; more; {
		var part eventlog.Batch
		part, piece, more = cut(piece, most)
		if w.limit != nil {
			if err := w.limit.WaitN(ctx, len(part.Records)); err != nil {
				return fmt.Errorf("wait for the turn of %d events: %w", len(part.Records), err)
			}
		}
		select {
		case pieces <- part:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// cut cuts so many records off a piece, and tells whether there is a rest.
func cut(piece eventlog.Batch, most int) (first, rest eventlog.Batch, more bool) {
	if len(piece.Records) <= most {
		return piece, eventlog.Batch{}, false
	}
	first, rest = piece, piece
	first.Records, rest.Records = piece.Records[:most], piece.Records[most:]
	last := &first.Records[most-1]
	first.Next, first.LeaderEpoch, first.RecordedAt = last.Offset+1, last.LeaderEpoch, last.RecordedAt
	rest.From = first.Next
	return first, rest, true
}

// linger is how long a batch that is not full waits for more: commits of few events are dear.
const linger = 200 * time.Millisecond

// gather makes a batch of pieces: of what is there when it is full or has waited long enough; it is empty when no piece is left.
func (w *worker) gather(ctx context.Context, pieces <-chan eventlog.Batch) (Batch, error) {
	var batch Batch
	ranges := map[eventlog.TopicPartition]int{}
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(batch.Records) < w.settings.BatchEvents {
		select {
		case piece, more := <-pieces:
			if !more {
				return batch, ctx.Err()
			}
			w.put(&batch, ranges, piece)
		case <-timer.C:
			if len(batch.Ranges) > 0 {
				return batch, nil
			}
			timer.Reset(linger)
		case <-ctx.Done():
			return batch, context.Cause(ctx)
		}
	}
	return batch, nil
}

// put adds a piece to a batch, under the owner's epoch.
func (w *worker) put(batch *Batch, ranges map[eventlog.TopicPartition]int, piece eventlog.Batch) {
	owner := w.owned[piece.TopicPartition]
	at, seen := ranges[piece.TopicPartition]
	if !seen {
		at = len(batch.Ranges)
		ranges[piece.TopicPartition] = at
		batch.Ranges = append(batch.Ranges, Range{
			TopicPartition: piece.TopicPartition, From: piece.From, Epoch: owner.Epoch, Generation: owner.Generation,
		})
	}
	r := &batch.Ranges[at]
	r.To, r.LeaderEpoch, r.RecordedAt = piece.Next, piece.LeaderEpoch, piece.RecordedAt
	owner.NextOffset, owner.LeaderEpoch = piece.Next, piece.LeaderEpoch
	batch.Records = append(batch.Records, piece.Records...)
}
