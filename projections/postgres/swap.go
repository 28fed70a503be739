package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// ErrBehind says that a generation cannot become live yet: a reader would see time go back. To catch up and try again helps.
var ErrBehind = errors.New("the generation is behind the live one")

// SwapPatience is how long a swap may keep the owners of the live generation waiting, about.
const SwapPatience = time.Second

// CatchUp brings the generation that is to become live up to a vector: at most that far, and quickly, because the owners of the
// live one wait meanwhile.
type CatchUp func(ctx context.Context, to map[eventlog.TopicPartition]int64) error

// Swap makes a generation live, if it is as far as the live one on every partition, which catchUp may bring about; nil does
// nothing. Else it returns ErrBehind, and the same one is live; so, too, where that takes longer than SwapPatience. The owners of both
// generations are fenced, so that they look again which one is live. The one that is live until then gets its names first, before
// anybody waits: killed behind that, it has names while it is live, which harms nobody.
func Swap(ctx context.Context, pool *pgxpool.Pool, projection projections.Definition, to int32, catchUp CatchUp) error {
	name := func(ctx context.Context, generation int32) error {
		return NameGeneration(ctx, pool, projection.Name, generation)
	}
	return swap(ctx, pool, swapping{projection: projection, to: to, name: name, catchUp: catchUp})
}

// Elsewhere is what a swap has another server do.
type Elsewhere struct {
	// Name gives a generation its names, in Postgres too.
	Name func(ctx context.Context, generation int32) error
	// Settle finds out how far its rows can be.
	Settle Settle
}

// Settle finds out, while no owner of the generation can move its offsets, how far its rows in another server can be: at most the
// vector that it returns, for ever.
type Settle func(ctx context.Context, generation int32, epochs map[eventlog.TopicPartition]int64) (map[eventlog.TopicPartition]int64, error)

// SwapElsewhere is Swap for a projection whose rows are in another server. Its readers there may see rows past the offsets, so the
// other generation must have those as well: Settle tells which. epochs are those that the owners had. Until ShownElsewhere is called
// books.progress tells what is in both generations.
func SwapElsewhere(
	ctx context.Context, pool *pgxpool.Pool, projection projections.Definition, to int32, elsewhere Elsewhere, catchUp CatchUp,
) error {
	return swap(ctx, pool, swapping{projection: projection, to: to, name: elsewhere.Name, settle: elsewhere.Settle, catchUp: catchUp})
}

// ErrNotShown says that the views of another server may still show a generation from before the last swap.
var ErrNotShown = errors.New("the views of the other server do not surely show the live generation yet")

// ShownElsewhere notes that the views of another server show a generation, if it is live.
func ShownElsewhere(ctx context.Context, pool *pgxpool.Pool, projection string, generation int32) error {
	_, err := pool.Exec(ctx, `UPDATE tributary.live SET elsewhere = NULL
		WHERE projection = $1 AND generation = $2 AND elsewhere IS NOT NULL`, projection, generation)
	if err != nil {
		return fmt.Errorf("note that the views of %s show generation %d: %w", projection, generation, explain(err))
	}
	return nil
}

type swapping struct {
	projection projections.Definition
	from, to   int32
	named      int32 // what was live when the swap began
	name       func(ctx context.Context, generation int32) error
	settle     Settle // nil where the rows are here
	catchUp    CatchUp
	flipped    bool // only the commit is left to do
}

func swap(ctx context.Context, pool *pgxpool.Pool, s swapping) error {
	if err := s.nameLive(ctx, pool); err != nil {
		return fmt.Errorf("swap %s to generation %d: %w", s.projection.Name, s.to, err)
	}
	bounded, cancel := context.WithTimeout(ctx, 2*SwapPatience) //nolint:mnd // What waits for locks, and what holds them.
	defer cancel()
	err := inTx(bounded, pool, func(tx pgx.Tx) error { return s.run(bounded, tx) })
	switch {
	case err == nil, errors.Is(err, ErrBehind), ctx.Err() != nil:
		return err
	case s.flipped:
		return fmt.Errorf("swap %s to generation %d, which may be live now: %w", s.projection.Name, s.to, err)
	case bounded.Err() != nil, errors.Is(err, context.DeadlineExceeded), sqlState(err) == stateLockNotAvailable:
		return fmt.Errorf("swap %s to generation %d: %w, or its owners did not pause in time: %w", s.projection.Name, s.to, ErrBehind, err)
	default:
		return fmt.Errorf("swap %s to generation %d: %w", s.projection.Name, s.to, err)
	}
}

// nameLive gives the generation its names that is to be live no more.
func (s *swapping) nameLive(ctx context.Context, pool *pgxpool.Pool) error {
	err := pool.QueryRow(ctx, `SELECT generation FROM tributary.live WHERE projection = $1`, s.projection.Name).Scan(&s.named)
	if err != nil {
		return fmt.Errorf("read the live generation: %w", explain(err))
	}
	if s.named == s.to {
		return nil
	}
	return s.name(ctx, s.named)
}

// run swaps within a transaction. It locks the live generation's progress first, which its owners then wait for; that of the
// other only when it has caught up.
func (s *swapping) run(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", SwapPatience.Milliseconds())); err != nil {
		return fmt.Errorf("bound the waiting: %w", err)
	}
	if err := s.lock(ctx, tx); err != nil || s.from == s.to {
		return err
	}
	if s.from != s.named {
		return fmt.Errorf("%s was swapped to generation %d meanwhile: %w", s.projection.Name, s.from, ErrBehind)
	}
	held, cancel := context.WithTimeout(ctx, SwapPatience)
	defer cancel()
	target, epochs, err := lockProgress(held, tx, s.from)
	if err != nil {
		return err
	}
	if err := s.settled(ctx, held, target, epochs); err != nil {
		return err
	}
	if s.catchUp != nil {
		if err := s.catchUp(held, target); err != nil {
			if held.Err() != nil && ctx.Err() == nil {
				return fmt.Errorf("generation %d of %s: %w: it did not catch up in %s: %w", s.to, s.projection.Name, ErrBehind, SwapPatience, err)
			}
			return fmt.Errorf("catch up with the live generation: %w", err)
		}
	}
	if err := s.compare(ctx, tx, target); err != nil {
		return err
	}
	return s.flip(ctx, tx)
}

// settled adds to a vector what readers of another server may have seen past it. Killed behind this the epochs are as they were, and the
// other server's fence may be past them: owners take over anew then.
func (s *swapping) settled(ctx, held context.Context, target, epochs map[eventlog.TopicPartition]int64) error {
	if s.settle == nil {
		return nil
	}
	ends, err := s.settle(held, s.from, epochs)
	switch {
	case err != nil && held.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("generation %d of %s: %w: how far it is was not found out in %s: %w",
			s.from, s.projection.Name, ErrBehind, SwapPatience, err)
	case err != nil:
		return fmt.Errorf("find out how far generation %d is: %w", s.from, err)
	}
	for p, next := range ends {
		target[p] = max(target[p], next)
	}
	return nil
}

// lock locks which generation is live, and the state of the other.
func (s *swapping) lock(ctx context.Context, tx pgx.Tx) error {
	var elsewhere *int32
	err := tx.QueryRow(ctx, `SELECT generation, elsewhere FROM tributary.live WHERE projection = $1 FOR NO KEY UPDATE`, s.projection.Name).
		Scan(&s.from, &elsewhere)
	if err != nil {
		return fmt.Errorf("lock the live generation: %w", err)
	}
	if elsewhere != nil {
		return ErrNotShown
	}
	var state string
	err = tx.QueryRow(ctx, `SELECT state FROM tributary.generations WHERE generation = $1 AND projection = $2 FOR NO KEY UPDATE`,
		s.to, s.projection.Name).Scan(&state)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errNoGeneration
	case err != nil:
		return fmt.Errorf("lock generation %d: %w", s.to, err)
	case state == stateSide || state == stateDropping:
		return fmt.Errorf("generation %d is never live again: its state is %q", s.to, state)
	default:
		return nil
	}
}

// States of a generation, as tributary.generations has them.
const (
	stateSide     = "side"
	stateDropping = "dropping"
)

// errNoGeneration says that a projection has no generation of that number.
var errNoGeneration = errors.New("there is no such generation (any more)")

// lockProgress locks the progress of a generation, and reads it: the next offsets, and the epochs of the owners.
func lockProgress(ctx context.Context, tx pgx.Tx, generation int32) (next, epochs map[eventlog.TopicPartition]int64, err error) {
	rows, err := tx.Query(ctx, `SELECT topic, "partition", next_offset, epoch FROM tributary.progress WHERE generation = $1
		ORDER BY topic, "partition" FOR UPDATE`, generation)
	next, epochs = map[eventlog.TopicPartition]int64{}, map[eventlog.TopicPartition]int64{}
	if err == nil {
		var p eventlog.TopicPartition
		var offset, epoch int64
		_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &offset, &epoch}, func() error {
			next[p], epochs[p] = offset, epoch
			return nil
		})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lock the progress of generation %d: %w", generation, err)
	}
	return next, epochs, nil
}

// compare requires that the other generation has all that is to be in it, and that nobody was promised more of the live one.
func (s *swapping) compare(ctx context.Context, tx pgx.Tx, target map[eventlog.TopicPartition]int64) error {
	reached, _, err := lockProgress(ctx, tx, s.to)
	if err != nil {
		return err
	}
	var behind []string
	for _, p := range eventlog.SortedPartitions(target) {
		if reached[p] < target[p] {
			behind = append(behind, fmt.Sprintf("%s (%d of %d)", p, reached[p], target[p]))
		}
	}
	if len(behind) == 0 {
		err = tx.QueryRow(ctx, `
			SELECT coalesce(array_agg(old.topic || '/' || old."partition"), '{}') FROM tributary.visible old
			LEFT JOIN tributary.visible new ON new.generation = $2 AND new.topic = old.topic AND new."partition" = old."partition"
			WHERE old.generation = $1 AND old.visible_offset > coalesce(new.visible_offset, 0)`, s.from, s.to).Scan(&behind)
	}
	if err != nil {
		return fmt.Errorf("compare the progress of both generations: %w", err)
	}
	if len(behind) > 0 {
		return fmt.Errorf("generation %d of %s, at %s: %w", s.to, s.projection.Name, strings.Join(behind, ", "), ErrBehind)
	}
	return nil
}

// flip fences the owners of both generations, and makes the other one live.
func (s *swapping) flip(ctx context.Context, tx pgx.Tx) error {
	both := []int32{s.from, s.to}
	if _, err := tx.Exec(ctx, `UPDATE tributary.progress SET epoch = epoch + 1 WHERE generation = ANY($1)`, both); err != nil {
		return fmt.Errorf("fence the owners of both generations: %w", err)
	}
	var elsewhere *int32
	if s.settle != nil {
		elsewhere = &s.from
	}
	_, err := tx.Exec(ctx, `UPDATE tributary.live SET generation = $2, since = now(), elsewhere = $3 WHERE projection = $1`,
		s.projection.Name, s.to, elsewhere)
	if err != nil {
		return fmt.Errorf("make it live: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE tributary.generations SET state = 'ready', updated_at = now() WHERE generation = ANY($1)`, both)
	if err != nil {
		return fmt.Errorf("note that generation %d was live: %w", s.from, err)
	}
	s.flipped = true
	return nil
}
