package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lockClass sets our advisory locks apart from those of others: "trpl".
const lockClass = 0x7472706c

// Holder is who replays, swaps or drops a generation of a projection right now.
type Holder struct {
	// Who is the session's application_name: "tributary replay balances, process 4711 on host".
	Who string `json:"who"`
	// Address is where it connects from; empty for a local socket.
	Address string `json:"address"`
	// Since is when it connected.
	Since time.Time `json:"since"`
	// PID is that of its session in Postgres.
	PID int32 `json:"pid"`
}

// BusyError says that another is at work on the projection's generations.
type BusyError struct {
	Projection string
	Holder     *Holder // nil where it has just ended
}

// Error says who, since when, and what to do.
func (e *BusyError) Error() string {
	if e.Holder == nil {
		return fmt.Sprintf("another replay, rollback or drop of %s was under way just now: try again", e.Projection)
	}
	from := e.Holder.Address
	if from != "" {
		from = " from " + from
	}
	return fmt.Sprintf("another replay, rollback or drop of %s is under way: %s%s, since %s; wait for it (`tributary replay status %s` shows "+
		"how far it is), or end it, or, if its machine is gone, run SELECT pg_terminate_backend(%d) in Postgres",
		e.Projection, e.Holder.Who, from, e.Holder.Since.UTC().Format(time.RFC3339), e.Projection, e.Holder.PID)
}

// lock is held on a connection of its own, for as long as the work on a projection's generations takes.
type lock struct {
	pool       *pgxpool.Pool
	projection string
	what       string
	conn       *pgx.Conn
}

// errLockLost says that another has the lock that was ours.
var errLockLost = errors.New("the lock was lost, and another has it")

// takeLock takes the lock of a projection; a *BusyError where another has it. The context that it returns ends when the lock is
// lost to another; release ends it, too.
func takeLock(ctx context.Context, pool *pgxpool.Pool, projection, what string) (_ context.Context, release func(), err error) {
	l := &lock{pool: pool, projection: projection, what: what}
	if err := l.take(ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		l.keep(ctx, cancel)
	}()
	return ctx, func() {
		cancel(nil)
		<-kept
		l.drop(ctx)
	}, nil
}

// take connects and asks for the lock.
func (l *lock) take(ctx context.Context) error {
	config := l.pool.Config().ConnConfig.Copy()
	host, _ := os.Hostname() // who knows it needs no name
	config.RuntimeParams["application_name"] = fmt.Sprintf("tributary %s %s, process %d on %s", l.what, l.projection, os.Getpid(), host)
	config.RuntimeParams["idle_session_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to Postgres for the lock of %s: %w", l.projection, err)
	}
	l.conn = conn
	var ours bool
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, hashtext($2))`, lockClass, l.projection).Scan(&ours)
	if err == nil && ours {
		return nil
	}
	l.drop(ctx)
	if err != nil {
		return fmt.Errorf("take the lock of %s: %w", l.projection, err)
	}
	busy := &BusyError{Projection: l.projection}
	if busy.Holder, err = holder(ctx, l.pool, l.projection); err != nil {
		return err
	}
	return busy
}

// keep looks after the connection. Where it broke, as with a restart of the server, the lock is taken again; where another has it
// by then, the work ends.
func (l *lock) keep(ctx context.Context, lost context.CancelCauseFunc) {
	const every, patience = time.Second, 10 * time.Second
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		ping, cancel := context.WithTimeout(ctx, patience)
		err := l.conn.Ping(ping)
		cancel()
		if err == nil || ctx.Err() != nil {
			continue
		}
		l.drop(ctx)
		_, err = backoff.Retry(ctx, func() (struct{}, error) {
			err := l.take(ctx)
			if _, busy := errors.AsType[*BusyError](err); busy {
				err = backoff.Permanent(err)
			}
			return struct{}{}, err //nolint:wrapcheck // it is the same error, marked
		}, backoff.WithMaxElapsedTime(0))
		if err != nil {
			lost(fmt.Errorf("%w: %w", errLockLost, err))
			return
		}
	}
}

// drop closes the connection, which frees the lock.
func (l *lock) drop(ctx context.Context) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = l.conn.Close(ctx) // the server notices one way or another
}

const holderSQL = `
	SELECT a.application_name, coalesce(host(a.client_addr), ''), a.backend_start, a.pid
	FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND l.classid = $1::int8::oid AND l.objid::int8 = hashtext($2)::int8 & 4294967295`

// holder is who has the lock of a projection; nil where nobody has.
func holder(ctx context.Context, pool *pgxpool.Pool, projection string) (*Holder, error) {
	var h Holder
	err := pool.QueryRow(ctx, holderSQL, int64(lockClass), projection).Scan(&h.Who, &h.Address, &h.Since, &h.PID)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // nobody is an answer
	case err != nil:
		return nil, fmt.Errorf("look who works on the generations of %s: %w", projection, err)
	default:
		return &h, nil
	}
}
