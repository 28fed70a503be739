package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// errUnsettled says that the generations are not where they can be compared: a moment later they are.
var errUnsettled = errors.New("the live tables are between two commits")

// prove brings the generation to where one snapshot of the live tables is, holds it there, and proves it: from the log, and against
// that snapshot. Nobody waits for it meanwhile.
func (r *Replay) prove(ctx context.Context) error {
	snapshot, err := postgres.BeginSnapshot(ctx, r.Pool)
	if err != nil {
		return err
	}
	defer func() { _ = snapshot.Rollback(context.WithoutCancel(ctx)) }() // it was only read
	all, err := generations(ctx, snapshot, r.result.Projection)
	if err != nil {
		return err
	}
	current, err := live(all)
	if err != nil {
		return err
	}
	at, err := readReached(ctx, snapshot, current.Number)
	if err != nil {
		return err
	}
	if !at.settled() {
		return fmt.Errorf("generation %d of %s: %w (where no projector runs, it does not end: `tributary project %s`)",
			current.Number, r.result.Projection, errUnsettled, r.result.Projection)
	}
	if err := r.rebuild.To(ctx, at.next); err != nil {
		return r.explain(err)
	}
	if err := r.holds(ctx, at.next); err != nil {
		return err
	}
	if err := r.audit(ctx); err != nil {
		return err
	}
	return r.compare(ctx, snapshot, current, at.next)
}

// holds makes sure that the generation is exactly there. It may be past it where another generation was made live meanwhile.
func (r *Replay) holds(ctx context.Context, at vector) error {
	ours, err := readReached(ctx, r.Pool, r.result.Generation)
	if err != nil {
		return err
	}
	if !atLeast(at, ours.next) || !atLeast(ours.next, at) || !ours.settled() {
		return fmt.Errorf("generation %d of %s: %w", r.result.Generation, r.result.Projection, errUnsettled)
	}
	return nil
}

// audit proves the generation from the log.
func (r *Replay) audit(ctx context.Context) error {
	if r.Audit == nil {
		return nil
	}
	r.enter(PhaseProving)
	proof, err := r.verify(ctx, r.result.Generation)
	if err != nil {
		return err
	}
	r.result.Proof = &proof
	return r.step(ctx, "compare")
}

func (r *Replay) verify(ctx context.Context, generation int32) (audit.Projection, error) {
	target := audit.Target{Name: r.result.Projection, Generation: generation}
	inner := audit.Phase("")
	proof, err := r.Audit(ctx, target, func(phase audit.Phase, done, total int64) {
		if phase != inner { // a bar of its own, for it counts something else
			inner = phase
			r.Progress(r.phase, 0, 0)
		}
		r.Progress(r.phase, done, total)
	})
	if err != nil {
		return proof, fmt.Errorf("prove generation %d of %s from the log: %w", generation, r.result.Projection, err)
	}
	return proof, nil
}

// compare compares the generation with the live one, as readers see them, both at one vector. Where they kept different sides of
// conflicts, the live one is proven from the log, too: then neither is wrong.
func (r *Replay) compare(ctx context.Context, snapshot pgx.Tx, current Generation, at vector) error {
	r.enter(PhaseComparing)
	found, err := r.Tables.Compare(ctx, snapshot, current.Number, r.result.Generation, at,
		func(done, total int64) { r.Progress(PhaseComparing, done, total) })
	if err != nil || found == nil {
		return err
	}
	r.result.Comparison = found
	if found.Agrees() || !found.OnlyConflicts() || r.Audit == nil {
		return nil
	}
	r.enter(PhaseProving)
	proof, err := r.verify(ctx, current.Number)
	r.liveProven = err == nil && proof.DifferencesTotal == 0
	return err
}

// agrees tells whether the generation is what the log and the live one say.
func (r *Replay) agrees() bool {
	if r.result.Proof != nil && r.result.Proof.DifferencesTotal > 0 {
		return false
	}
	found := r.result.Comparison
	return found == nil || found.Agrees() || found.OnlyConflicts() && r.liveProven
}
