package queries

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

const (
	// lookEvery is how often a store is looked at, lookSoon how often while somebody waits for a position.
	lookEvery, lookSoon = 100 * time.Millisecond, 5 * time.Millisecond
	// lookPatience is how long a store may take to answer before it counts as down.
	lookPatience = time.Second
	// lagAllowed is how far behind the primary a standby may be for reads that name no position. Looks are compared that are so far
	// apart at least, and at most twice that and lookEvery.
	lagAllowed = 200 * time.Millisecond
)

var errDown = errors.New("the Postgres does not answer")

// store is a Postgres that reads may go to: the primary or a standby. A goroutine of its own looks at it now and then.
type store struct {
	name    string
	pool    *pgxpool.Pool
	replica bool
	// alive is nil while the store does not answer.
	alive atomic.Pointer[life]
	// seen is the last look, earlier one that is older than lagAllowed, and pending the one that will be earlier next.
	seen, earlier atomic.Pointer[look]
	pending       *look
	wake          chan struct{}
}

// life is the time between two times of not answering. Reads of a standby end with it, and go on elsewhere.
type life struct {
	ctx context.Context //nolint:containedctx // it is the end of one that is told
	end context.CancelFunc
}

// look is what a store showed of the projections. It never changes.
type look struct {
	asked time.Time
	at    map[string]*standing
}

// standing is how far a projection was.
type standing struct {
	postgres.Progress

	// asked is when it was looked up; since is from when on it was seen to be so: nothing was committed between.
	asked, since time.Time
}

func newStore(pool *pgxpool.Pool, replica bool) *store {
	host := pool.Config().ConnConfig
	s := &store{name: fmt.Sprintf("%s:%d", host.Host, host.Port), pool: pool, replica: replica, wake: make(chan struct{}, 1)}
	s.seen.Store(&look{})
	return s
}

func (s *store) up() bool { return s.alive.Load() != nil }

// standing is nil where it is not known.
func (s *store) standing(projection string) *standing { return s.seen.Load().at[projection] }

// quiet tells whether what was read at a moment is what would be read now: nothing was committed since, as was seen just now.
func (s *store) quiet(projection string, read, now time.Time) bool {
	at := s.standing(projection)
	return at != nil && s.up() && at.since.Before(read) && now.Sub(at.asked) < 2*lookEvery
}

// keepsUp tells whether a standby shows what its primary showed lagAllowed ago.
func (s *store) keepsUp(primary *store, projection string) bool {
	ours := s.standing(projection)
	for _, theirs := range []*look{primary.earlier.Load(), primary.seen.Load()} {
		if theirs == nil || theirs.at[projection] == nil || ours != nil && ours.Covers(&theirs.at[projection].Progress) {
			return true
		}
	}
	return false
}

// watch looks at the store until the context ends. names says what to look for, and whether somebody waits; looked is called
// after each look that was answered.
func (s *store) watch(ctx context.Context, log *slog.Logger, names func() ([]string, bool), looked func(*store)) {
	defer s.fails()
	var conn *pgx.Conn
	defer func() { closeConn(ctx, conn) }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		wanted, _ := names()
		var err error
		if conn, err = s.look(ctx, conn, wanted); err == nil {
			looked(s)
		} else if s.fails() && ctx.Err() == nil {
			log.Warn("a Postgres does not answer; reads go elsewhere", "store", s.name, "error", err)
		}
		pace := lookEvery
		if _, waited := names(); waited && err == nil {
			pace = lookSoon
		}
		timer.Reset(pace)
	}
}

// look reads how far projections are, by a connection of its own: one of the pool's is not to be had when many read.
func (s *store) look(ctx context.Context, conn *pgx.Conn, names []string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	if conn == nil || conn.IsClosed() {
		var err error
		if conn, err = pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig); err != nil {
			return nil, fmt.Errorf("connect to %s: %w", s.name, err)
		}
	}
	asked := time.Now()
	found, err := postgres.ReadProgress(ctx, conn, names)
	if err != nil {
		closeConn(ctx, conn)
		return nil, err
	}
	s.keep(asked, time.Now(), names, found)
	return conn, nil
}

func closeConn(ctx context.Context, conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookPatience)
	defer cancel()
	_ = conn.Close(ctx) // It was read, and is of no use any more.
}

func (s *store) keep(asked, answered time.Time, names []string, found map[string]*postgres.Progress) {
	before := s.seen.Load()
	now := &look{asked, maps.Clone(before.at)}
	if now.at == nil {
		now.at = map[string]*standing{}
	}
	for _, name := range names {
		progress, was := found[name], before.at[name]
		switch {
		case progress == nil:
			delete(now.at, name)
		case was != nil && s.up() && was.Equal(progress):
			now.at[name] = &standing{was.Progress, asked, was.since}
		default:
			now.at[name] = &standing{*progress, asked, answered}
		}
	}
	if s.pending == nil || asked.Sub(s.pending.asked) >= lagAllowed {
		s.earlier.Store(s.pending)
		s.pending = now
	}
	s.seen.Store(now)
	if !s.up() {
		ctx, end := context.WithCancel(context.Background())
		s.alive.Store(&life{ctx, end})
	}
}

// fails ends the life of a store that does not answer, until a look is answered again. It tells whether it had one.
func (s *store) fails() bool {
	ended := s.alive.Swap(nil)
	if ended == nil {
		return false
	}
	ended.end()
	return true
}

// lookNow makes the store be looked at without delay.
func (s *store) lookNow() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// past tells whether the store shows these positions in a projection.
func (s *store) past(p projection, positions []eventlog.Position) bool {
	at := s.standing(p.name)
	return at != nil && s.up() && at.Past(p.topics, positions)
}
