package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Open connects to Postgres at a URL as projectors need it: commits are durable before they are answered, whatever the
// server's default, and a session that stalls inside a transaction is ended by the server, so that it cannot hold a
// partition for ever. It does not wait for the server.
func Open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the Postgres URL is not one: %w", err)
	}
	parameters := config.ConnConfig.RuntimeParams
	parameters["synchronous_commit"] = "on"
	parameters["transaction_timeout"] = "120s"
	parameters["timezone"] = "UTC"
	if parameters["application_name"] == "" {
		parameters["application_name"] = "tributary"
	}
	// A commit holds one connection and may ask for another (for new names), beside those that prepare and take over: with
	// too few, several projectors on one pool would wait for each other for ever.
	config.MaxConns = max(config.MaxConns, leastConns)
	config.AfterConnect = noteLife
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the Postgres pool: %w", err)
	}
	return pool, nil
}

const leastConns = 16

// SQLSTATEs that the store acts on.
const (
	stateUniqueViolation   = "23505"
	stateLockNotAvailable  = "55P03"
	stateDeadlock          = "40P01"
	stateCannotReplaceView = "42P16"
	stateUndefinedTable    = "42P01"
	stateInvalidSchema     = "3F000"
	stateUndefinedColumn   = "42703"
	stateUndefinedFunction = "42883"
	classDataException     = "22"
	classConstraint        = "23"
	classLimitExceeded     = "54"
)

func sqlState(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code
	}
	return ""
}

// errTooLarge says that a statement's values are more than one message to the server may hold.
var errTooLarge = errors.New("the values of one statement are over 1 GB")

// fits is an error where parameters are more than the server takes at once. A batch that was well compressed in the log may
// be: it is refused, and so cut in halves, where the driver's own error would be tried again for ever.
func fits(parameters [][]byte) error {
	const most = 1<<30 - 1<<20 // Less a little, for what goes with them.
	bytes := 0
	for _, parameter := range parameters {
		bytes += len(parameter)
	}
	if bytes > most {
		return fmt.Errorf("%w: %d bytes", errTooLarge, bytes)
	}
	return nil
}

// refuses tells whether the server cannot take these values: trying again cannot help.
func refuses(err error) bool {
	if errors.Is(err, errTooLarge) {
		return true
	}
	state := sqlState(err)
	if len(state) < 2 {
		return false
	}
	switch state[:2] {
	case classDataException, classConstraint, classLimitExceeded:
		return true
	default:
		return false
	}
}

// explain adds what to do to errors whose text does not say.
func explain(err error) error {
	switch sqlState(err) {
	case stateUndefinedTable, stateInvalidSchema:
		return fmt.Errorf("%w (the tables are not there: run `tributary migrate`)", err)
	case stateUndefinedColumn, stateUndefinedFunction:
		return fmt.Errorf("%w (the tables are of an older version: run `tributary migrate`)", err)
	default:
		return err
	}
}

// inTx runs f in a transaction. After an error the connection is rolled back or, if that fails, thrown away.
func inTx(ctx context.Context, pool *pgxpool.Pool, f func(pgx.Tx) error) error {
	if err := pgx.BeginFunc(ctx, pool, f); err != nil {
		return explain(err)
	}
	return nil
}

// inConn runs f in a transaction of a connection that is closed after an error.
func inConn(ctx context.Context, conn *pgxpool.Conn, f func(context.Context, pgx.Tx) error) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// execBinary runs a statement whose parameters are arrays in binary form, and returns how many rows it touched.
func execBinary(ctx context.Context, tx pgx.Tx, sql string, arrays ...*Array) (int64, error) {
	result, err := runPrepared(ctx, tx, sql, arrays)
	if err != nil {
		return 0, err
	}
	tag, err := result.Close()
	if err != nil {
		return 0, err //nolint:wrapcheck // Callers say what they were doing.
	}
	return tag.RowsAffected(), nil
}

// runPrepared runs a statement that the connection has prepared once: to parse and to plan it costs more than to run it for a few rows.
func runPrepared(ctx context.Context, tx pgx.Tx, sql string, arrays []*Array) (*pgconn.ResultReader, error) {
	values := parameters(arrays)
	if err := fits(values); err != nil {
		return nil, err
	}
	statement, err := tx.Conn().Prepare(ctx, sql, sql)
	if err != nil {
		return nil, err //nolint:wrapcheck // Callers say what they were doing.
	}
	binaryForm := []int16{pgx.BinaryFormatCode} // Of all.
	return tx.Conn().PgConn().ExecPrepared(ctx, statement.Name, values, binaryForm, binaryForm), nil
}

// Exec runs a statement with array parameters within a change's transaction.
func Exec(ctx context.Context, tx pgx.Tx, sql string, arrays ...*Array) error {
	_, err := execBinary(ctx, tx, sql, arrays...)
	return err
}

// Copy puts rows into a table (columns) within a change's transaction.
func Copy(ctx context.Context, tx pgx.Tx, tableAndColumns string, rows *Rows) error {
	if rows.Len() == 0 {
		return nil
	}
	_, err := tx.Conn().PgConn().CopyFrom(ctx, rows.Reader(), "COPY "+tableAndColumns+" FROM STDIN BINARY")
	if err != nil {
		return fmt.Errorf("copy into %s: %w", tableAndColumns, err)
	}
	return nil
}
