package queries

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// readPatience bounds a read, wherever it goes.
const readPatience = 15 * time.Second

// choose gives the store for a read that names no position: the standbys in turn, those that keep up, else the primary, else
// any that answers; at last one that did not answer when it was looked at. nil where none is left.
func (q *Queries) choose(p projection, not []*store) *store {
	turn := int(q.turn.Add(1) % (1 << 30))
	var answers, last *store
	for i := range q.replicas {
		s := q.replicas[(turn+i)%len(q.replicas)]
		switch {
		case slices.Contains(not, s):
		case !s.up():
			last = s
		case s.keepsUp(q.primary, p.name):
			return s
		default:
			answers = s
		}
	}
	if slices.Contains(not, q.primary) {
		return firstOf(answers, last)
	}
	if q.primary.up() || answers == nil {
		return q.primary
	}
	return answers
}

func firstOf(stores ...*store) *store {
	for _, s := range stores {
		if s != nil {
			return s
		}
	}
	return nil
}

// ask asks a store that is past the positions. One that fails is left for another: a read can be repeated.
func ask[T any](
	ctx context.Context, q *Queries, p projection, after []eventlog.Position, question func(context.Context, *store) (T, error),
) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	var failed []*store
	var last error
	for {
		s, err := q.next(ctx, p, after, failed)
		if s == nil {
			var none T
			return none, q.problem(p, errors.Join(last, err))
		}
		answer, err := from(ctx, s, question)
		if err == nil || errors.Is(err, postgres.ErrNotFound) || ctx.Err() != nil {
			return answer, q.problem(p, err)
		}
		if away(err) {
			s.fails()
			s.lookNow()
		}
		failed, last = append(failed, s), err
	}
}

func (q *Queries) next(ctx context.Context, p projection, after []eventlog.Position, failed []*store) (*store, error) {
	if len(after) == 0 {
		return q.choose(p, failed), nil
	}
	if len(failed) > len(q.replicas) {
		return nil, nil //nolint:nilnil // none is left
	}
	return q.pastAll(ctx, p, after, failed)
}

// from asks one store. That of a standby ends when it is seen not to answer.
func from[T any](ctx context.Context, s *store, ask func(context.Context, *store) (T, error)) (T, error) {
	alive := s.alive.Load()
	if !s.replica || alive == nil {
		return ask(ctx, s)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(alive.ctx, cancel)() //nolint:contextcheck // it ends this one, and is no parent of it
	answer, err := ask(ctx, s)
	if err != nil && alive.ctx.Err() != nil {
		err = fmt.Errorf("%s: %w", s.name, errDown)
	}
	return answer, err
}

// away tells whether the server is why, and not the question.
func away(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return !ok || strings.HasPrefix(refused.Code, "57P") // It shuts down, crashed, or starts.
}

// snapshot asks several questions of one state of a store.
func snapshot[T any](ask func(context.Context, postgres.Querier) (T, error)) func(context.Context, *store) (T, error) {
	return func(ctx context.Context, s *store) (T, error) {
		var answer T
		err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
			answer, err = ask(ctx, tx)
			return err
		})
		return answer, err //nolint:wrapcheck // ask tells the driver's errors apart, and logs them
	}
}

// problem is the error as a caller may see it: what broke inside is for the log.
func (q *Queries) problem(p projection, err error) error {
	problem, known := errors.AsType[*web.Problem](err)
	switch {
	case err == nil || errors.Is(err, postgres.ErrNotFound):
		return err
	case known:
		return problem
	case errors.Is(err, context.Canceled):
		return err // Nobody is there to be told.
	}
	q.log.Error("a read failed", "projection", p.name, "error", err)
	return web.NewProblem(http.StatusServiceUnavailable, web.CodeUnavailable, "the books cannot be read just now: ask again").
		After(time.Second)
}

// notFound is the answer where there is no such thing, and where it is not the caller's to know of: they are the same.
func notFound(what, id string) error {
	return web.NewProblem(http.StatusNotFound, web.CodeNotFound, fmt.Sprintf(
		"there is no %s %q; of one that was written a moment ago, ask with ?after= and the position that the write was answered with", what, id))
}

// orNotFound makes an error of a reader one for the caller.
func orNotFound(err error, what, id string) error {
	if errors.Is(err, postgres.ErrNotFound) {
		return notFound(what, id)
	}
	return err
}

var _ postgres.Querier = (*pgxpool.Pool)(nil)
