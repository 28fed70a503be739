package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNotFound says that the books have no such row.
var ErrNotFound = errors.New("not found")

// Querier is what a read needs: a pool, a connection, or a transaction where several reads must agree.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// One reads a row into a struct whose fields are in the columns' order; ErrNotFound where there is none. what names it in errors.
func One[T any](ctx context.Context, db Querier, what, sql string, arguments ...any) (T, error) {
	var row T
	rows, err := db.Query(ctx, sql, arguments...)
	if err == nil {
		row, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[T])
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return row, fmt.Errorf("%s: %w", what, ErrNotFound)
	case err != nil:
		return row, fmt.Errorf("read %s: %w", what, err)
	default:
		return row, nil
	}
}

// List reads rows into structs whose fields are in the columns' order. what names them in errors.
func List[T any](ctx context.Context, db Querier, what, sql string, arguments ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, err)
	}
	return all, nil
}

// Cursor is the place of the last row of a page, in lists that have the latest first and are ordered by time and id.
type Cursor struct {
	At time.Time
	ID string
}

// From is the place behind which the next page begins; nil begins with the first.
func (c *Cursor) From() (at any, id string) {
	if c == nil {
		return "infinity", ""
	}
	return c.At, c.ID
}

// BeginSnapshot starts a transaction that reads one state of the database for as long as it takes, where those of projectors
// are ended by the server. Roll it back when done.
func BeginSnapshot(ctx context.Context, pool *pgxpool.Pool) (pgx.Tx, error) {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	for _, setting := range []string{"transaction_timeout", "statement_timeout", "idle_in_transaction_session_timeout"} {
		if _, err := tx.Exec(ctx, "SET LOCAL "+setting+" = 0"); err != nil {
			err = fmt.Errorf("prepare to read a snapshot: set %s: %w", setting, err)
			return nil, errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
		}
	}
	return tx, nil
}
