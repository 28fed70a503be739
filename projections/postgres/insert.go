package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Insert is rows that no other batch writes, ready to be put into a table: many by COPY, few by a statement that the connection has
// planned already, which is half the way there and back.
type Insert struct {
	table   string
	columns []Column
	n       int
	rows    *Rows
	arrays  []*Array
}

// NewInsert encodes n rows of a table; put adds the fields of one, in the order of the columns. rowBytes is about what one takes.
func NewInsert(table string, columns []Column, n, rowBytes int, put func(f *Fields, row int)) *Insert {
	in := &Insert{table: table, columns: columns, n: n}
	if n >= copyFrom {
		in.rows = NewRows(n, rowBytes)
		fields := &Fields{rows: in.rows}
		for i := range n {
			in.rows.Row(len(columns))
			put(fields, i)
		}
		return in
	}
	var fields *Fields
	in.arrays, fields = newArrays(columns, n)
	for i := range n {
		fields.at = 0
		put(fields, i)
	}
	return in
}

// Write puts them in, within a change's transaction.
func (in *Insert) Write(ctx context.Context, tx pgx.Tx) error {
	switch {
	case in.n == 0:
		return nil
	case in.rows != nil:
		return Copy(ctx, tx, fmt.Sprintf("%s (%s)", in.table, names(in.columns)), in.rows)
	}
	if err := Exec(ctx, tx, fmt.Sprintf("INSERT INTO %s (%s) SELECT * FROM unnest(%s)", in.table, names(in.columns), casts(in.columns)),
		in.arrays...); err != nil {
		return fmt.Errorf("insert into %s: %w", in.table, err)
	}
	return nil
}
