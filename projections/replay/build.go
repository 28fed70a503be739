package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// WholeError says that the log does not have, or may not keep, all that was ever written to it: nothing can be built from it.
type WholeError struct {
	Problems []eventlog.Problem
}

// Error names the first problem and how to mend it.
func (e *WholeError) Error() string {
	p := e.Problems[0]
	more := ""
	if n := len(e.Problems) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more like it: `tributary status` lists them)", n)
	}
	return fmt.Sprintf("the log does not keep everything, so that tables cannot be built from it: %s%s", p, more)
}

// checkWhole refuses a log that does not begin with its first record, or that may delete some.
func checkWhole(ctx context.Context, kafka eventlog.Config, topics []string) error {
	admin, err := eventlog.NewAdmin(kafka)
	if err != nil {
		return err
	}
	defer admin.Close()
	problems, err := admin.Check(ctx)
	if err != nil {
		return err
	}
	if found := eventlog.Incomplete(problems, topics); len(found) > 0 {
		return &WholeError{found}
	}
	return nil
}

// enter begins a phase.
func (r *Replay) enter(phase Phase) {
	r.phase = phase
	r.Progress(phase, 0, 0)
}

// near is how long the last round of catching up may have taken: what came meanwhile is little.
const near = time.Second

// build goes after the live generation until it is near, and never past it.
func (r *Replay) build(ctx context.Context, phase Phase) error {
	r.enter(phase)
	started := time.Now()
	from, err := readReached(ctx, r.Pool, r.result.Generation)
	if err != nil {
		return err
	}
	for last := time.Duration(-1); ; {
		if err := r.step(ctx, "build"); err != nil {
			return err
		}
		var to reached
		err := r.patiently(ctx, "look how far the live generation is", func(ctx context.Context) error {
			var err error
			_, to, err = r.liveReached(ctx)
			return err
		})
		if err != nil {
			return err
		}
		round := time.Now()
		if err := r.rebuild.To(ctx, to.next); err != nil {
			return r.explain(err)
		}
		took := time.Since(round)
		if took < near {
			if phase == PhaseBuilding {
				r.result.Offsets, r.result.Seconds = to.sum()-from.sum(), time.Since(started).Seconds()
			}
			return nil
		}
		if last > 0 && took > last && r.Rate > 0 {
			r.notef("events come about as fast as --rate %d lets them be read: it does not get nearer to the live tables", r.Rate)
		}
		last = took
	}
}

// liveReached is which generation is live, and how far it is.
func (r *Replay) liveReached(ctx context.Context) (Generation, reached, error) {
	all, err := generations(ctx, r.Pool, r.result.Projection)
	if err != nil {
		return Generation{}, reached{}, err
	}
	current, err := live(all)
	if err != nil {
		return Generation{}, reached{}, err
	}
	at, err := readReached(ctx, r.Pool, current.Number)
	return current, at, err
}

// explain says what to do about an end of the rebuild.
func (r *Replay) explain(err error) error {
	return fmt.Errorf("build generation %d of %s: %w", r.result.Generation, r.result.Projection, err)
}

// patiently does a thing again while servers are away, and says so.
func (r *Replay) patiently(ctx context.Context, what string, do func(context.Context) error) error {
	const longest = 15 * time.Second
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, longest
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := do(ctx)
		if err != nil && (ctx.Err() != nil || !passing(err)) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err //nolint:wrapcheck // it is the same error, marked
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, in time.Duration) {
		r.Logger.Warn("trying again", "what", what, "in", in.Round(time.Millisecond), "err", err)
	}))
	return err //nolint:wrapcheck // it is what the work ended with
}

// passing tells whether an error is of a server that is away, or out of something, and may be back.
func passing(err error) bool {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code[:2] {
		case "08", "53", "57", "58", "40": // connection, resources, intervention, system, rollback
			return true
		default:
			return refused.Code == "55P03" || refused.Code == "25P03" || refused.Code == "25P04" // waited or idled too long
		}
	}
	if refused, ok := errors.AsType[*clickhouse.Exception](err); ok {
		const timeout, socketTimeout, network, tooMany = 159, 209, 210, 202
		return refused.Code == timeout || refused.Code == socketTimeout || refused.Code == network || refused.Code == tooMany
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, errUnsettled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) ||
		errors.Is(err, eventlog.ErrUnreachable) || errors.Is(err, net.ErrClosed)
}
