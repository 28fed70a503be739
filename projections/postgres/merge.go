package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// OIDs of further columns.
const (
	OIDBool        = 16
	OIDTimestamptz = 1184
)

// Column is a column of a table, by name and type.
type Column struct {
	Name string
	OID  uint32
	// Keep leaves what the row has where an update brings null.
	Keep bool
}

// Merging is how rows are written that several batches, of several owners, make together. A row is a value that merges:
// whatever the order in which its parts arrive, the same comes out.
//
//	lock the rows that are there ──▶ merge what they hold ──▶ update
//	                     the others ──▶ insert ──▶ those that somebody else inserted meanwhile: again
//
// Rows are locked and inserted in the order of the keys, so that owners do not wait for each other in a circle.
type Merging[V any] struct {
	// Table is the leaf. Its primary key is Keys, and no other index of it may be of use for finding a key (make them partial):
	// the planner does not always know better. And it has a column facts, a bytea, that holds all that merging needs.
	Table string
	Keys  []Column
	// Columns are the others that are written, facts among them.
	Columns []Column
	// PutKeys adds the key's fields, Put those of Columns.
	PutKeys, Put func(f *Fields, value *V)
	// Merge gives a value merged with the facts of the stored row of the same key. It leaves the value itself as it is: a
	// commit that fails is tried again, and must not count twice what it read the first time.
	Merge func(value *V, facts []byte) (*V, error)
}

// Write merges values into the table. They must be sorted by key, one a key.
func (m *Merging[V]) Write(ctx context.Context, tx pgx.Tx, all []*V) error {
	if len(all) == 0 {
		return nil
	}
	if err := planByIndex(ctx, tx); err != nil {
		return err
	}
	for len(all) > 0 {
		found, missing, err := m.lock(ctx, tx, all)
		if err != nil {
			return fmt.Errorf("lock rows of %s: %w", m.Table, err)
		}
		if err := m.update(ctx, tx, found); err != nil {
			return fmt.Errorf("update rows of %s: %w", m.Table, err)
		}
		if all, err = m.insert(ctx, tx, missing); err != nil {
			return fmt.Errorf("insert rows into %s: %w", m.Table, err)
		}
	}
	return nil
}

// planByIndex keeps the planner from reading a whole table to find a batch's keys: statistics of a table that was empty a
// moment ago mislead it.
func planByIndex(ctx context.Context, tx pgx.Tx) error {
	err := Exec(ctx, tx, `SELECT set_config(name, 'off', true)
		FROM unnest('{enable_hashjoin,enable_mergejoin,enable_seqscan,jit}'::text[]) name`)
	if err != nil {
		return fmt.Errorf("ask for plans by index: %w", err)
	}
	return nil
}

// lock reads the rows that are there, for update, and gives the values merged with them, and the values without a row.
func (m *Merging[V]) lock(ctx context.Context, tx pgx.Tx, all []*V) (found, missing []*V, err error) {
	arrays, fields := newArrays(m.Keys, len(all))
	for _, v := range all {
		fields.at = 0
		m.PutKeys(fields, v)
	}
	// The lock is taken within, row by row in the order of the keys.
	sql := fmt.Sprintf(`SELECT u.n, t.facts FROM unnest(%s) WITH ORDINALITY u(%s, n),
		LATERAL (SELECT facts FROM %s t WHERE %s FOR UPDATE) t`,
		casts(m.Keys), aliases(m.Keys), m.Table, matches(m.Keys))
	merged := make([]*V, len(all))
	err = queryBinary(ctx, tx, sql, arrays, func(row [][]byte) error {
		n := binary.BigEndian.Uint64(row[0]) - 1
		merged[n], err = m.Merge(all[n], row[1])
		return err
	})
	for i, v := range all {
		if merged[i] != nil {
			found = append(found, merged[i])
		} else {
			missing = append(missing, v)
		}
	}
	return found, missing, err
}

func (m *Merging[V]) update(ctx context.Context, tx pgx.Tx, found []*V) error {
	if len(found) == 0 {
		return nil
	}
	all := m.all()
	sets := make([]string, len(m.Columns))
	for i, column := range m.Columns {
		source := fmt.Sprintf("u.c%d", len(m.Keys)+i)
		if column.Keep {
			source = fmt.Sprintf("coalesce(%s, t.%s)", source, column.Name)
		}
		sets[i] = column.Name + " = " + source
	}
	sql := fmt.Sprintf("UPDATE %s t SET %s FROM unnest(%s) u(%s) WHERE %s",
		m.Table, strings.Join(sets, ", "), casts(all), aliases(all), matches(m.Keys))
	updated, err := execBinary(ctx, tx, sql, m.arrays(found)...)
	if err == nil && updated != int64(len(found)) {
		err = fmt.Errorf("%d of %d locked rows were there", updated, len(found))
	}
	return err
}

// insert returns the values whose rows somebody else inserted meanwhile.
func (m *Merging[V]) insert(ctx context.Context, tx pgx.Tx, missing []*V) (beaten []*V, err error) {
	if len(missing) >= copyFrom {
		done, err := m.copy(ctx, tx, missing)
		if done || err != nil {
			return nil, err
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	all := m.all()
	sql := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM unnest(%s) u(%s) ON CONFLICT DO NOTHING RETURNING %s",
		m.Table, names(all), aliases(all), casts(all), aliases(all), names(m.Keys))
	mine := make(map[string]bool, len(missing))
	err = queryBinary(ctx, tx, sql, m.arrays(missing), func(row [][]byte) error {
		var key []byte
		for _, field := range row {
			key = append(appendLength(key, len(field)), field...)
		}
		mine[string(key)] = true
		return nil
	})
	if err != nil || len(mine) == len(missing) {
		return nil, err
	}
	scratch := Fields{rows: &Rows{}}
	for _, v := range missing {
		scratch.rows.buf = scratch.rows.buf[:0]
		m.PutKeys(&scratch, v)
		if !mine[string(scratch.rows.buf)] {
			beaten = append(beaten, v)
		}
	}
	return beaten, nil
}

// copy is the fast way; it reports false, with nothing done, when somebody else inserted one of the rows meanwhile.
func (m *Merging[V]) copy(ctx context.Context, tx pgx.Tx, missing []*V) (bool, error) {
	const rowBytes = 256
	all := m.all()
	rows := NewRows(len(missing), rowBytes)
	fields := &Fields{rows: rows}
	for _, v := range missing {
		rows.Row(len(all))
		m.PutKeys(fields, v)
		m.Put(fields, v)
	}
	if _, err := tx.Exec(ctx, "SAVEPOINT merge"); err != nil {
		return false, fmt.Errorf("set a savepoint: %w", err)
	}
	err := Copy(ctx, tx, fmt.Sprintf("%s (%s)", m.Table, names(all)), rows)
	switch {
	case err == nil:
		return true, nil
	case sqlState(err) != stateUniqueViolation:
		return false, err
	}
	if _, err := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT merge"); err != nil {
		return false, fmt.Errorf("go back to the savepoint: %w", err)
	}
	return false, nil
}

func (m *Merging[V]) all() []Column { return append(append([]Column(nil), m.Keys...), m.Columns...) }

func (m *Merging[V]) arrays(of []*V) []*Array {
	arrays, fields := newArrays(m.all(), len(of))
	for _, v := range of {
		fields.at = 0
		m.PutKeys(fields, v)
		m.Put(fields, v)
	}
	return arrays
}

func newArrays(columns []Column, n int) ([]*Array, *Fields) {
	const elementBytes = 12
	arrays := make([]*Array, len(columns))
	for i, column := range columns {
		arrays[i] = NewArray(column.OID, n, elementBytes)
	}
	return arrays, &Fields{arrays: arrays}
}

func parameters(arrays []*Array) [][]byte {
	list := make([][]byte, len(arrays))
	for i, array := range arrays {
		list[i] = array.Parameter()
	}
	return list
}

// queryBinary runs a statement with array parameters and calls each for every row of its result, fields in binary form.
func queryBinary(ctx context.Context, tx pgx.Tx, sql string, arrays []*Array, each func(row [][]byte) error) error {
	reader, err := runPrepared(ctx, tx, sql, arrays)
	if err != nil {
		return err
	}
	var failed error
	for reader.NextRow() {
		if failed == nil {
			failed = each(reader.Values())
		}
	}
	if _, err := reader.Close(); err != nil {
		return err //nolint:wrapcheck // Callers say what they were doing.
	}
	return failed
}

func typeName(oid uint32) string {
	switch oid {
	case OIDInt2:
		return "int2"
	case OIDInt4:
		return "int4"
	case OIDInt8:
		return "int8"
	case OIDNumeric:
		return "numeric"
	case OIDUUID:
		return "uuid"
	case OIDBytea:
		return "bytea"
	case OIDBool:
		return "bool"
	case OIDTimestamptz:
		return "timestamptz"
	default:
		return "text"
	}
}

// casts is "$1::text[], $2::int4[]".
func casts(columns []Column) string {
	list := make([]string, len(columns))
	for i, column := range columns {
		list[i] = fmt.Sprintf("$%d::%s[]", i+1, typeName(column.OID))
	}
	return strings.Join(list, ", ")
}

// aliases is "c0, c1".
func aliases(columns []Column) string {
	list := make([]string, len(columns))
	for i := range columns {
		list[i] = fmt.Sprintf("c%d", i)
	}
	return strings.Join(list, ", ")
}

func names(columns []Column) string {
	list := make([]string, len(columns))
	for i, column := range columns {
		list[i] = column.Name
	}
	return strings.Join(list, ", ")
}

// matches is "t.ledger = u.c0 AND t.payment_id = u.c1".
func matches(keys []Column) string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = fmt.Sprintf("t.%s = u.c%d", key.Name, i)
	}
	return strings.Join(list, " AND ")
}
