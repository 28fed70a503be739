package replay

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tributary-ledger/tributary/projections/postgres"
)

// swap makes the generation live, as soon as it is not behind at a moment when the live one waits.
func (r *Replay) swap(ctx context.Context) error {
	r.rebuild.Unbounded()
	// Done before the live one is caught up with, so that a swap finds little left to do.
	named := func(ctx context.Context) error { return r.Tables.Name(ctx, r.result.Before) }
	if err := r.patiently(ctx, "name the live generation", named); err != nil {
		return err
	}
	const longest, complainAt = 5 * time.Second, 10
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, longest
	for try := 1; ; try++ {
		if err := r.build(ctx, PhaseCatchingUp); err != nil {
			return err
		}
		r.enter(PhaseSwapping)
		if err := r.step(ctx, "swap"); err != nil {
			return err
		}
		err := r.Tables.Swap(ctx, r.result.Generation, r.rebuild.To)
		if err != nil && ctx.Err() == nil && !errors.Is(err, postgres.ErrBehind) {
			if !passing(err) {
				return err
			}
			r.Logger.Warn("the swap failed; looking what became of it", "err", err)
		}
		if done, err := r.swapped(ctx, err); done || err != nil {
			return err
		}
		if try%complainAt == 0 {
			r.notef("events come too fast to catch up in the moment of a swap: trying again (%d times by now)", try)
		}
		timer := time.NewTimer(pause.NextBackOff())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// swapped finds out whether the generation is live now; after an error whose outcome is not known, too.
func (r *Replay) swapped(ctx context.Context, outcome error) (bool, error) {
	if errors.Is(outcome, postgres.ErrBehind) {
		return false, nil
	}
	err := r.patiently(ctx, "look which generation is live", func(ctx context.Context) error {
		current, _, err := r.liveReached(ctx)
		r.result.Live = current.Number == r.result.Generation
		return err
	})
	if err != nil || !r.result.Live {
		return false, err
	}
	return true, r.step(ctx, "swapped")
}
