package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// replayer rebuilds projections while they serve, one after another, goes back to old generations and drops others.
type replayer struct {
	c      *chaos
	random *rand.Rand

	now atomic.Pointer[process]
	// cut are the projections whose last command did not come to its end: its session in Postgres may outlive it for a while.
	cut map[string]time.Time
}

// canReplay tells whether the program has replays.
func (c *chaos) canReplay() bool {
	p, err := c.start("replay", "--help")
	require.NoError(c, err)
	<-p.ended
	return p.code() == 0 && strings.Contains(p.said(), "rollback")
}

func (r *replayer) run() {
	for !r.c.quiet.heard() && !r.c.Failed() {
		if err := r.step(); err != nil {
			r.c.Errorf("replay: %v", err)
			return
		}
		pause(r.c.Context(), 300*time.Millisecond)
	}
}

// step does one thing that an operator may do.
func (r *replayer) step() error {
	all := definitions()
	name := all[r.random.IntN(len(all))].Name
	switch r.random.IntN(5) {
	case 0:
		return r.command("rollbacks", name, "rollback", name)
	case 1, 2:
		old, err := r.old()
		if err != nil || len(old) == 0 {
			return err
		}
		return r.drop("generations dropped", old[r.random.IntN(len(old))])
	default:
		return r.command("replays", name, name)
	}
}

func (r *replayer) drop(what string, one generation) error {
	return r.command(what, one.Projection, "drop", one.Projection, strconv.Itoa(int(one.Generation)))
}

// command runs one, whose process faults may find.
func (r *replayer) command(what, projection string, args ...string) error {
	p, err := r.c.start(append([]string{"replay"}, args...)...)
	if err != nil {
		return err
	}
	r.now.Store(p)
	select {
	case <-p.ended:
	case <-time.After(2 * patience):
		return fmt.Errorf("%v does not end:\n%s", args, p.tail())
	}
	if p.code() == 0 {
		delete(r.cut, projection)
		r.c.report.note(what + " done")
		return nil
	}
	how, err := r.ending(p, projection)
	if err != nil {
		return fmt.Errorf("%v ended with %d: %w:\n%s", args, p.code(), err, p.tail())
	}
	r.c.report.note(what + " " + how)
	return nil
}

// ending says why a command did not do what it is for, where it may be so.
func (r *replayer) ending(p *process, projection string) (string, error) {
	said := p.said()
	cut, wasCut := r.cut[projection]
	switch {
	case p.told.Load():
		r.cut[projection] = time.Now()
		return "killed or stopped on the way", nil
	case strings.Contains(said, "NOT made live"): // whatever else there was, equal logs make equal tables
		return "", errors.New("the generations differ")
	case strings.Contains(said, "nothing to go back to"):
		return "refused, for there was nothing to go back to", nil
	case strings.Contains(said, "another replay, rollback or drop") && wasCut && time.Since(cut) < patience:
		return "refused, for the session of one that was cut had not ended yet", nil
	case r.c.anyAway(p.born):
		r.cut[projection] = time.Now()
		return "ended while a server was away, and resumed later", nil
	default:
		return "", errors.New("no server was away")
	}
}

// generation is one that is not live.
type generation struct {
	Projection string
	Generation int32
}

// old are the generations that are not live. A store that is away has none.
func (r *replayer) old() ([]generation, error) {
	ctx, cancel := context.WithTimeout(r.c.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	found, err := r.ask(ctx)
	if err != nil && r.c.stack.down.since(began, ofPostgres) {
		return nil, nil
	}
	return found, err
}

func (r *replayer) ask(ctx context.Context) ([]generation, error) {
	conn, err := pgx.Connect(ctx, r.c.stack.postgres.URL())
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it only read
	rows, err := conn.Query(ctx, `SELECT projection, generation FROM tributary.generations g
		WHERE NOT EXISTS (SELECT FROM tributary.live l WHERE l.generation = g.generation) ORDER BY generation`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[generation])
}

// finish resumes what was killed, and drops all that is not live: that ends in one generation of each projection.
func (r *replayer) finish() {
	r.c.Helper()
	for _, definition := range definitions() {
		r.insist(definition.Name, func() error { return r.command("replays at the end", definition.Name, definition.Name) })
	}
	old, err := r.old()
	require.NoError(r.c, err)
	for _, one := range old {
		r.insist(one.Projection, func() error { return r.drop("generations dropped at the end", one) })
	}
	old, err = r.old()
	require.NoError(r.c, err)
	require.Empty(r.c, old, "each projection has one generation, which is live")
}

// insist does a thing until nothing was in its way.
func (r *replayer) insist(projection string, do func() error) {
	r.c.Helper()
	r.cut[projection] = time.Now()
	r.c.await(patience, "a command on generations of "+projection+" comes to its end", func() bool {
		require.NoError(r.c, do())
		_, again := r.cut[projection]
		return !again
	})
}

// ofReplay are the faults of a replay that is under way.
func (c *chaos) ofReplay() []fault {
	harm := func(what string, do func(ctx context.Context, p *process, random *rand.Rand)) fault {
		return fault{"replay: " + what, ofReplay, func(ctx context.Context, random *rand.Rand) (string, error) {
			var p *process
			if !until(ctx, func() bool {
				p = c.replays.now.Load()
				return c.Failed() || p != nil && p.running()
			}) {
				return "", ctx.Err()
			}
			if p == nil {
				return "", nil
			}
			pause(ctx, time.Duration(random.IntN(2_000))*time.Millisecond) // somewhere on its way
			do(ctx, p, random)
			return ", " + strings.Join(p.command.Args[1:], " "), nil
		}}
	}
	return []fault{
		harm("killed", func(_ context.Context, p *process, _ *rand.Rand) { p.kill() }),
		harm("restarted", func(_ context.Context, p *process, _ *rand.Rand) { _ = p.stop() }),
		harm("paused", func(ctx context.Context, p *process, random *rand.Rand) { stopped(ctx, p, long(random)) }),
	}
}
