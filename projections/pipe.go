package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// pipe leads batches into the store: one is committed while the next is prepared.
type pipe struct {
	*feeder

	// changes hands prepared changes to the committer.
	changes chan pending
}

func newPipe(f *feeder) *pipe { return &pipe{f, make(chan pending)} }

// pending is a batch with its change.
type pending struct {
	batch  Batch
	change Change
}

// takeOver makes the caller the owner of partitions, and sees to it that the log is the one that the store was built from.
func (f *feeder) takeOver(
	ctx context.Context, admin *eventlog.Admin, partitions []eventlog.TopicPartition,
) (map[eventlog.TopicPartition]Ownership, error) {
	var owned map[eventlog.TopicPartition]Ownership
	err := f.retry(ctx, "acquire", func(ctx context.Context) error {
		identities, err := admin.Identities(ctx, f.store.Definition().Topics...)
		if err != nil {
			return err
		}
		claims := make([]Claim, len(partitions))
		for i, at := range partitions {
			claims[i] = Claim{TopicPartition: at, TopicID: identities[at].TopicID}
		}
		if owned, err = f.store.Acquire(ctx, claims); err != nil {
			return err
		}
		kept := make(map[eventlog.TopicPartition]eventlog.Kept, len(claims))
		for at, o := range owned {
			kept[at] = eventlog.Kept{LogIdentity: o.log(), Next: o.NextOffset}
		}
		return admin.CheckKept(ctx, kept)
	})
	return owned, err
}

func (p *pipe) handOver(ctx context.Context, batch Batch) error {
	var change Change
	err := p.retry(ctx, "prepare", func(ctx context.Context) error {
		var err error
		change, err = p.store.Prepare(ctx, batch)
		return err
	})
	if _, ok := errors.AsType[*RefusedError](err); ok {
		// The committer finds out which event it is.
		change, err = brokenChange{err}, nil
	}
	if err != nil {
		return err
	}
	select {
	case p.changes <- pending{batch, change}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// brokenChange is a batch that could not be folded.
type brokenChange struct{ err error }

// Commit gives the error of the fold.
func (b brokenChange) Commit(context.Context) (Committed, error) { return Committed{}, b.err }

// commit puts changes in, one after the other. After each it tells how that ended, and ends with the error that it gets back.
func (p *pipe) commit(ctx context.Context, ended func(context.Context, Batch, error) error) error {
	for next := range p.changes {
		if err := ended(ctx, next.batch, p.commitOne(ctx, next)); err != nil {
			return err
		}
	}
	return nil
}

// slowError says that a commit of several records did not end within its time. The same again might never: a half of it
// has the time to itself. Should it be in all the same, the store refuses the half, and the next session sees that it is in.
type slowError struct{ err error }

func (e *slowError) Error() string { return e.err.Error() }

func (e *slowError) Unwrap() error { return e.err }

// commitOne commits a change. One that the store refuses is cut in halves until the event that it refuses stands alone:
// all before it is in, and the error names its position.
func (p *pipe) commitOne(ctx context.Context, next pending) error {
	started := time.Now()
	var committed Committed
	err := p.retry(ctx, "commit", func(ctx context.Context) error {
		try, cancel := context.WithTimeout(ctx, p.settings.CommitTimeout)
		defer cancel()
		var err error
		committed, err = next.change.Commit(try)
		if err != nil && try.Err() != nil && ctx.Err() == nil && len(next.batch.Records) > 1 {
			return &slowError{err}
		}
		return err
	})
	if slow, ok := errors.AsType[*slowError](err); ok {
		p.metrics.retries.WithLabelValues("commit").Inc()
		p.health.fail("commit", slow.err)
		p.log.Warn("a commit took too long; trying again with half of it", "records", len(next.batch.Records), "err", slow.err)
		return p.commitHalves(ctx, next.batch, slow.err)
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		refused.Batch = next.batch
		return p.commitHalves(ctx, next.batch, err)
	}
	if err != nil {
		return err
	}
	p.metrics.observe(next.batch, committed, time.Since(started))
	p.health.committed(next.batch)
	return nil
}

func (p *pipe) commitHalves(ctx context.Context, batch Batch, refusal error) error {
	first, second, ok := batch.Halve()
	if !ok {
		return refusal
	}
	for _, half := range []Batch{first, second} {
		change, err := p.store.Prepare(ctx, half)
		var refused *RefusedError
		switch {
		case errors.As(err, &refused):
			change = brokenChange{err}
		case err != nil:
			return fmt.Errorf("prepare half of a batch: %w", err)
		}
		if err := p.commitOne(ctx, pending{half, change}); err != nil {
			return err
		}
	}
	return nil
}
