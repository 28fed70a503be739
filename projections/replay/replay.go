package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/comparison"
)

// Phase is what a replay is at.
type Phase string

// The phases, in their order. A replay may come back to an earlier one.
const (
	PhaseBuilding   Phase = "building"
	PhaseProving    Phase = "proving"
	PhaseComparing  Phase = "comparing"
	PhaseCatchingUp Phase = "catching up"
	PhaseSwapping   Phase = "swapping"
)

// Replay replays one projection. All but Pool, Kafka, Tables and Audit may be zero.
type Replay struct {
	Pool   *pgxpool.Pool
	Kafka  eventlog.Config
	Tables Tables
	// Audit proves a generation from the log; nil where there is no proof of the projection.
	Audit func(ctx context.Context, target audit.Target, progress audit.Progress) (audit.Projection, error)
	// Rate is the most events a second that are read to build; 0 means no bound.
	Rate int
	// Workers share out the partitions; 0 means one for each core.
	Workers int
	// Accept swaps although the proof found differences.
	Accept bool
	// NoSwap stops before the swap.
	NoSwap bool
	// Restart drops what an unfinished replay has built, and begins anew.
	Restart bool
	// Progress is told of each phase that begins (done and total are 0), and how far it is: in offsets, rows or whatever the phase
	// counts.
	Progress func(phase Phase, done, total int64)
	// Note is told what an operator wants to know, a sentence each.
	Note func(sentence string)
	// Logger is told of retries.
	Logger *slog.Logger
	// Step is called before each step, with its name. Tests make it fail, to be killed there.
	Step func(ctx context.Context, next string) error

	rebuild *projections.Rebuild
	result  *Result
	phase   Phase
	// liveProven is set where live, too, was proven from the log, because conflicts made it differ.
	liveProven bool
}

// Result is what a replay did.
type Result struct {
	Projection string `json:"projection"`
	Generation int32  `json:"generation"`
	Version    int    `json:"version"`
	// Before is the generation that was live when it began.
	Before int32 `json:"live_before"`
	// Live tells whether the generation is live now.
	Live bool `json:"live"`
	// Resumed is how many offsets were in when it began, of a replay that was not finished; 0 for one that began anew.
	Resumed int64 `json:"resumed_at"`
	// Offsets is how many this run put in, and Seconds how long it took to build, until it had caught up.
	Offsets int64   `json:"offsets"`
	Seconds float64 `json:"build_seconds"`
	// Until is what a side generation ends at; empty for others.
	Until string `json:"until,omitempty"`
	// Proof is what the proof from the log found; null where there was none.
	Proof *audit.Projection `json:"proof"`
	// Comparison is in what the generation differs from the live one, at one vector of offsets; null where it was not compared.
	Comparison *comparison.Report `json:"comparison"`
}

// ErrDiffers says that a generation is not what the log, or the live generation, says, and was not accepted.
var ErrDiffers = errors.New("the generation differs: it was not made live")

// Run builds a generation, or goes on with one that was not finished, proves it, and makes it live.
func (r *Replay) Run(ctx context.Context) (Result, error) {
	return r.locked(ctx, "replay", func(ctx context.Context) error {
		return r.bringChosen(ctx, r.choose)
	})
}

// Rollback makes a generation live that was before: the last one where number is 0. It first catches up from where it stopped, and
// is proven as a new one is.
func (r *Replay) Rollback(ctx context.Context, number int32) (Result, error) {
	return r.locked(ctx, "replay rollback", func(ctx context.Context) error {
		return r.bringChosen(ctx, func(_ context.Context, all []Generation) (Generation, error) { return r.chooseOld(all, number) })
	})
}

// bringChosen has a generation chosen, and makes it live.
func (r *Replay) bringChosen(ctx context.Context, choose func(context.Context, []Generation) (Generation, error)) error {
	var g Generation
	err := r.choosing(ctx, func(ctx context.Context, all []Generation) error {
		var err error
		g, err = choose(ctx, all)
		return err
	})
	if err != nil {
		return err
	}
	return r.bring(ctx, g)
}

// chooseOld is the generation of that number, or the last that was live, if it can be made live again.
func (r *Replay) chooseOld(all []Generation, number int32) (Generation, error) {
	name, version := r.Tables.Definition().Name, r.Tables.Definition().Version
	if number == 0 {
		if number = lastLive(all); number == 0 {
			return Generation{}, fmt.Errorf("%s has no generation that was live before: there is nothing to go back to", name)
		}
	}
	g, err := find(all, name, number)
	switch {
	case err != nil:
		return g, err
	case g.Live:
		return g, fmt.Errorf("generation %d of %s is live already", number, name)
	case g.State != StateReady:
		return g, fmt.Errorf("generation %d of %s is %s, and was never live: a rollback is for one that was", number, name, g.State)
	case g.Version != version:
		return g, fmt.Errorf("generation %d of %s was built by version %d of it, and this program has version %d: roll back with the "+
			"program that built it, and run its projectors", number, name, g.Version, version)
	default:
		return g, nil
	}
}

// choosing reads which generations there are, and has one chosen; from the start again where a server was away, because what was
// done by then is there to be found.
func (r *Replay) choosing(ctx context.Context, choose func(context.Context, []Generation) error) error {
	return r.patiently(ctx, "choose a generation", func(ctx context.Context) error {
		all, err := generations(ctx, r.Pool, r.result.Projection)
		if err != nil {
			return err
		}
		current, err := live(all)
		if err != nil {
			return fmt.Errorf("%s: %w", r.result.Projection, err)
		}
		r.result.Before = current.Number
		return choose(ctx, all)
	})
}

// locked takes the projection's lock, looks whether the log is whole, and does the work.
func (r *Replay) locked(ctx context.Context, what string, work func(context.Context) error) (Result, error) {
	r.defaults()
	definition := r.Tables.Definition()
	r.result = &Result{Projection: definition.Name, Version: definition.Version}
	held, release, err := takeLock(ctx, r.Pool, definition.Name, what)
	if err != nil {
		return *r.result, err
	}
	defer release()
	err = func() error {
		if err := r.step(held, "check"); err != nil {
			return err
		}
		if err := checkWhole(held, r.Kafka, definition.Topics); err != nil {
			return err
		}
		return work(held)
	}()
	if cause := context.Cause(held); err != nil && ctx.Err() == nil && cause != nil {
		err = cause // the lock was lost
	}
	return *r.result, err
}

func (r *Replay) defaults() {
	if r.Progress == nil {
		r.Progress = func(Phase, int64, int64) {}
	}
	if r.Note == nil {
		r.Note = func(string) {}
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	if r.Step == nil {
		r.Step = func(context.Context, string) error { return nil }
	}
}

func (r *Replay) step(ctx context.Context, next string) error {
	if err := r.Step(ctx, next); err != nil {
		return fmt.Errorf("stopped before the step %s: %w", next, err)
	}
	return ctx.Err()
}

func (r *Replay) notef(format string, args ...any) { r.Note(fmt.Sprintf(format, args...)) }

// choose is the generation to be filled: one that was left unfinished by this version, or a new one.
func (r *Replay) choose(ctx context.Context, all []Generation) (Generation, error) {
	definition := r.Tables.Definition()
	var left []Generation
	for _, g := range all {
		switch {
		case g.State == StateBuilding && g.Version == definition.Version:
			left = append(left, g)
		case g.State == StateBuilding:
			r.notef("generation %d of %s is unfinished, of version %d: `tributary replay drop %s %d` removes it",
				g.Number, g.Projection, g.Version, g.Projection, g.Number)
		case g.State == StateDropping:
			r.notef("generation %d of %s was not dropped to the end: `tributary replay drop %s %d` goes on",
				g.Number, g.Projection, g.Projection, g.Number)
		}
	}
	for _, g := range left {
		if !r.Restart {
			break
		}
		if err := r.step(ctx, "drop"); err != nil {
			return Generation{}, err
		}
		r.notef("dropping the unfinished generation %d", g.Number)
		if err := r.Tables.Drop(ctx, g.Number); err != nil {
			return Generation{}, err
		}
	}
	if n := len(left); n > 0 && !r.Restart {
		return left[n-1], r.resume(ctx, left[n-1])
	}
	return r.create(ctx)
}

func (r *Replay) resume(ctx context.Context, g Generation) error {
	at, err := readReached(ctx, r.Pool, g.Number)
	if err != nil {
		return err
	}
	r.result.Resumed = at.sum()
	r.notef("going on with generation %d, made %s, which has %d records already; --restart drops it and begins anew",
		g.Number, g.Made.UTC().Format(time.DateTime), at.sum())
	return touch(ctx, r.Pool, g.Number)
}

func (r *Replay) create(ctx context.Context) (Generation, error) {
	if err := r.step(ctx, "create"); err != nil {
		return Generation{}, err
	}
	definition := r.Tables.Definition()
	number, err := r.Tables.Create(ctx)
	if err != nil {
		return Generation{}, fmt.Errorf("make a generation of %s: %w", definition.Name, err)
	}
	return Generation{Projection: definition.Name, Number: number, Version: definition.Version, State: StateBuilding}, r.step(ctx, "created")
}

// bring brings a generation up to the live one, proves it, and swaps.
func (r *Replay) bring(ctx context.Context, g Generation) error {
	if err := r.begin(ctx, g.Number); err != nil {
		return err
	}
	if err := r.build(ctx, PhaseBuilding); err != nil {
		return err
	}
	if err := r.finish(ctx, r.prove); err != nil {
		return err
	}
	if !r.agrees() && !r.Accept {
		return ErrDiffers
	}
	if r.NoSwap {
		return nil
	}
	return r.swap(ctx)
}

// finish makes full tables ready to be read, and has them proven.
func (r *Replay) finish(ctx context.Context, prove func(context.Context) error) error {
	if err := r.step(ctx, "finish"); err != nil {
		return err
	}
	finish := func(ctx context.Context) error { return r.Tables.Finish(ctx, r.result.Generation) }
	if err := r.patiently(ctx, "finish", finish); err != nil {
		return err
	}
	if err := r.step(ctx, "prove"); err != nil {
		return err
	}
	return r.patiently(ctx, "prove", prove)
}

// begin prepares to fill a generation, and names it.
func (r *Replay) begin(ctx context.Context, number int32) error {
	r.result.Generation = number
	store, settings := r.Tables.Feed(number, projections.Settings{
		Workers: r.Workers, EventsPerSecond: r.Rate, Logger: r.Logger,
		Progress: func(done, total int64) { r.Progress(r.phase, done, total) },
	})
	r.rebuild = projections.NewRebuild(store, r.Kafka, settings)
	return r.patiently(ctx, "name", func(ctx context.Context) error { return r.Tables.Name(ctx, number) })
}
