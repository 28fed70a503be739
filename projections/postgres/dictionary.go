package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Dictionary gives short integers to names that stand in many rows, from a table (id, columns…) with a unique key over
// the columns. A name's number never changes in the life of a database, so it is cached. New names are added in a transaction
// of their own, before the one that uses them: two owners that meet the same new name do not wait for each other's batch.
type Dictionary[K comparable] struct {
	pool    *pgxpool.Pool
	table   string
	columns []string
	split   func(K) []string
	clone   func(K) K

	mu  sync.Mutex
	ids map[K]int32
}

// maxCached bounds a dictionary's memory; past it the cache starts anew.
const maxCached = 2_000_000

// NewDictionary opens the dictionary in a table; split gives a name's values for the columns, in their order, and clone
// a copy that shares no memory with the batch the name came from.
func NewDictionary[K comparable](
	pool *pgxpool.Pool, table string, columns []string, split func(K) []string, clone func(K) K,
) *Dictionary[K] {
	return &Dictionary[K]{pool: pool, table: table, columns: columns, split: split, clone: clone, ids: map[K]int32{}}
}

// Forget empties the cache.
func (d *Dictionary[K]) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.ids)
}

// Resolve returns the numbers of the names, adding what is new.
func (d *Dictionary[K]) Resolve(ctx context.Context, names []K) ([]int32, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ids) > maxCached {
		clear(d.ids)
	}
	var missing []K
	seen := map[K]bool{}
	for _, name := range names {
		if _, ok := d.ids[name]; !ok && !seen[name] {
			seen[name] = true
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		if err := d.add(ctx, missing); err != nil {
			return nil, err
		}
	}
	ids := make([]int32, len(names))
	for i, name := range names {
		ids[i] = d.ids[name]
	}
	return ids, nil
}

// namesAtOnce is how many new names a transaction adds. Whoever meets the same new names waits for that one, not for thousands: owners
// that begin a log together meet all names of their first batches together.
const namesAtOnce = 256

// add looks the names up, inserts those that are not there, and caches their numbers. They are cached when they cannot be lost any
// more: after a crash of the server alone its life, as noteLife notes it, is the same, and so would be a cache with numbers that are
// given to other names then. Killed in between, what was added serves whoever asks next.
func (d *Dictionary[K]) add(ctx context.Context, names []K) error {
	slices.SortFunc(names, func(a, b K) int { return slices.Compare(d.split(a), d.split(b)) })
	for chunk := range slices.Chunk(names, namesAtOnce) {
		if _, err := d.pool.Exec(ctx, d.insertSQL(), d.arguments(chunk)...); err != nil {
			return fmt.Errorf("add names to %s: %w", d.table, explain(err))
		}
	}
	numbers, err := d.read(ctx, names)
	if err != nil {
		return err
	}
	// A durable commit: with it is durable whatever was committed before, by whomever, and all that could be read was.
	if _, err := d.pool.Exec(ctx, `SELECT pg_logical_emit_message(true, 'tributary', '')`); err != nil {
		return fmt.Errorf("make the names in %s durable: %w", d.table, err)
	}
	for i, name := range names {
		d.ids[d.clone(name)] = numbers[i]
	}
	return nil
}

// read reads the numbers of names, all of which are there.
func (d *Dictionary[K]) read(ctx context.Context, names []K) ([]int32, error) {
	rows, err := d.pool.Query(ctx, d.selectSQL(), d.arguments(names)...)
	if err != nil {
		return nil, fmt.Errorf("read the numbers of names in %s: %w", d.table, err)
	}
	numbers := make([]int32, len(names))
	var index, id int32
	tag, err := pgx.ForEachRow(rows, []any{&index, &id}, func() error {
		numbers[index-1] = id
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the numbers of names in %s: %w", d.table, err)
	}
	if found := int(tag.RowsAffected()); found != len(names) {
		return nil, fmt.Errorf("%s gave %d numbers for %d names", d.table, found, len(names))
	}
	return numbers, nil
}

// arguments are the names as one array a column.
func (d *Dictionary[K]) arguments(names []K) []any {
	columns := make([][]string, len(d.columns))
	for _, name := range names {
		for i, value := range d.split(name) {
			columns[i] = append(columns[i], value)
		}
	}
	arguments := make([]any, len(columns))
	for i := range columns {
		arguments[i] = columns[i]
	}
	return arguments
}

func (d *Dictionary[K]) unnest() string {
	casts := make([]string, len(d.columns))
	for i := range d.columns {
		casts[i] = fmt.Sprintf("$%d::text[]", i+1)
	}
	return "unnest(" + strings.Join(casts, ", ") + ")"
}

// insertSQL leaves out names that are there, because a conflict would use up a number. Its commit does not wait for the disk, and so
// nobody who waits for one of the names does.
func (d *Dictionary[K]) insertSQL() string {
	list := strings.Join(d.columns, ", ")
	return fmt.Sprintf(`INSERT INTO %s (%s) SELECT u.* FROM set_config('synchronous_commit', 'off', true), %s u(%s)
		WHERE NOT EXISTS (SELECT FROM %s t WHERE %s) ON CONFLICT DO NOTHING`,
		d.table, list, d.unnest(), list, d.table, d.match())
}

func (d *Dictionary[K]) selectSQL() string {
	return fmt.Sprintf("SELECT u.ordinal::int4, t.id FROM %s WITH ORDINALITY u(%s, ordinal) JOIN %s t ON %s",
		d.unnest(), strings.Join(d.columns, ", "), d.table, d.match())
}

func (d *Dictionary[K]) match() string {
	terms := make([]string, len(d.columns))
	for i, column := range d.columns {
		terms[i] = fmt.Sprintf("t.%s = u.%s", column, column)
	}
	return strings.Join(terms, " AND ")
}
