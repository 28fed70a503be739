package reactors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger/payments"
)

// RecoverySettings tune a recovery; the zero value is right for most.
type RecoverySettings struct {
	// Interval is between looks at the tasks; 0 means 1 s.
	Interval time.Duration
	// Again is after how long a task is taken again whose outcome is still open; it doubles with each try. 0 means 10 s.
	Again time.Duration
	// Logger is told of what was finished, and of what could not be; nil means nobody is.
	Logger *slog.Logger
}

// Recovery finishes what is under way for too long. Any number of them may run, in any processes: each takes other tasks.
type Recovery struct {
	pool     *pgxpool.Pool
	engine   *payments.Engine
	settings RecoverySettings
}

// NewRecovery makes a recovery of what a runner of Tasks keeps; Run starts it.
func NewRecovery(pool *pgxpool.Pool, engine *payments.Engine, settings RecoverySettings) *Recovery {
	const again = 10 * time.Second
	settings.Interval, settings.Again = cmp.Or(settings.Interval, time.Second), cmp.Or(settings.Again, again)
	if settings.Logger == nil {
		settings.Logger = slog.New(slog.DiscardHandler)
	}
	return &Recovery{pool: pool, engine: engine, settings: settings}
}

// Run looks after the tasks until the context ends.
func (r *Recovery) Run(ctx context.Context) {
	ticker := time.NewTicker(r.settings.Interval)
	defer ticker.Stop()
	for {
		err := r.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.settings.Logger.Warn("payments under way cannot be looked after; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// task is a row that was taken.
type task struct {
	payments.Task

	offset int64
}

// round takes what is due, and finishes it, until nothing is.
func (r *Recovery) round(ctx context.Context) error {
	const most, atOnce = 64, 8
	for {
		due, err := r.take(ctx, most)
		if err != nil || len(due) == 0 {
			return err
		}
		byPayment := map[[2]string][]task{}
		for _, one := range due {
			key := [2]string{one.Ledger, one.PaymentID}
			byPayment[key] = append(byPayment[key], one)
		}
		var group errgroup.Group
		group.SetLimit(atOnce)
		failures := make(chan error, len(byPayment))
		for key, tasks := range byPayment {
			group.Go(func() error {
				failures <- r.finish(ctx, key[0], key[1], tasks)
				return nil
			})
		}
		_ = group.Wait() // its functions keep their errors
		close(failures)
		for failed := range failures {
			err = errors.Join(err, failed)
		}
		if err != nil {
			return err
		}
	}
}

// take claims due tasks: they are due again later, should this process be killed now.
func (r *Recovery) take(ctx context.Context, most int) ([]task, error) {
	const longest = 10 * time.Minute
	rows, err := r.pool.Query(ctx, `UPDATE recovery.tasks t SET tries = tries + 1,
			due_at = clock_timestamp() + least($2::interval * power(2, least(tries, 20)), $3::interval)
		FROM (SELECT ledger, payment_id, kind, refund_id, generation FROM recovery.tasks
			WHERE generation = (SELECT tributary.shown($1)) AND due_at <= clock_timestamp()
			ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED) due
		WHERE t.generation = due.generation AND t.ledger = due.ledger AND t.payment_id = due.payment_id AND t.kind = due.kind
			AND t.refund_id = due.refund_id
		RETURNING t.ledger, t.payment_id, t.kind, t.refund_id, t.kafka_offset`, Name, r.settings.Again, longest, most)
	if err != nil {
		return nil, fmt.Errorf("take payments under way: %w", err)
	}
	due, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (task, error) {
		var one task
		err := row.Scan(&one.Ledger, &one.PaymentID, &one.Kind, &one.RefundID, &one.offset)
		return one, err //nolint:wrapcheck // the caller wraps it
	})
	if err != nil {
		return nil, fmt.Errorf("take payments under way: %w", err)
	}
	return due, nil
}

// finish finishes a payment. Its tasks go away when their outcome comes by; where there is nothing to do they go at once, because no
// outcome will come: they were ended before, or the log's order refused them.
func (r *Recovery) finish(ctx context.Context, books, id string, tasks []task) error {
	open, err := r.engine.Finish(ctx, books, id)
	if _, refused := payments.IsRefusal(err); err != nil && !refused {
		return fmt.Errorf("finish payment %s of ledger %s: %w", id, books, err)
	}
	if open || err != nil {
		r.settings.Logger.Warn("a payment is still under way; it is looked after again", "payment", id, "ledger", books, "err", err)
		return nil
	}
	r.settings.Logger.Info("finished a payment", "payment", id, "ledger", books)
	for _, one := range tasks {
		_, err := r.pool.Exec(ctx, `DELETE FROM recovery.tasks WHERE generation = (SELECT tributary.shown($1))
			AND ledger = $2 AND payment_id = $3 AND kind = $4 AND refund_id = $5 AND kafka_offset = $6`,
			Name, one.Ledger, one.PaymentID, string(one.Kind), one.RefundID, one.offset)
		if err != nil {
			return fmt.Errorf("close a task of payment %s: %w", id, err)
		}
	}
	return nil
}
