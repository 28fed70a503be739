package chaos

import (
	"context"
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
		return r.command("rollbacks", "replay", "rollback", name)
	case 1:
		old, err := r.old()
		if err != nil || len(old) == 0 {
			return err
		}
		one := old[r.random.IntN(len(old))]
		return r.command("generations dropped", "replay", "drop", one.Projection, strconv.Itoa(int(one.Generation)))
	default:
		return r.command("replays", "replay", name)
	}
}

// command runs one, whose process faults may find.
func (r *replayer) command(what string, args ...string) error {
	p, err := r.c.start(args...)
	if err != nil {
		return err
	}
	r.now.Store(p)
	select {
	case <-p.ended:
	case <-time.After(2 * patience):
		return fmt.Errorf("%v does not end:\n%s", args, p.tail())
	}
	switch {
	case p.code() == 0:
		r.c.report.note(what + " done")
	case p.told.Load():
		r.c.report.note(what + " killed or stopped on the way")
	case strings.Contains(p.said(), "differs"): // whatever else there was, equal logs make equal tables
		return fmt.Errorf("%v ended with %d:\n%s", args, p.code(), p.tail())
	case strings.Contains(p.said(), "nothing to go back to"):
		r.c.report.note(what + " refused, for there was nothing to go back to")
	case r.c.anyAway(p.born):
		r.c.report.note(what + " ended while a server was away, and resumed later")
	default:
		return fmt.Errorf("%v ended with %d:\n%s", args, p.code(), p.tail())
	}
	return nil
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
		require.NoError(r.c, r.command("replays at the end", "replay", definition.Name))
	}
	old, err := r.old()
	require.NoError(r.c, err)
	for _, one := range old {
		require.NoError(r.c, r.command("generations dropped at the end", "replay", "drop", one.Projection, strconv.Itoa(int(one.Generation))))
	}
	old, err = r.old()
	require.NoError(r.c, err)
	require.Empty(r.c, old, "each projection has one generation, which is live")
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
