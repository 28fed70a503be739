package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// ErrNotFound says that the books have no such row.
var ErrNotFound = errors.New("not found")

// Querier is what a read needs: a pool, a connection, or a transaction where several reads must agree.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// NullableBytes adds a bytea, null where it is nil.
func (v *values) NullableBytes(b []byte) {
	if b == nil {
		v.Null()
		return
	}
	v.Bytes(b)
}

// jsonbVersion is the first byte of a jsonb in binary form.
const jsonbVersion = 1

// JSONB adds a JSON document as a jsonb; it must not hold an escaped NUL, which Postgres has no text for.
func (v *values) JSONB(doc []byte) {
	v.buf = append(append(appendLength(v.buf, len(doc)+1), jsonbVersion), doc...)
}
