package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lockLive is the number of the generation that readers see. It stays that until the transaction ends: a swap comes
// before, and is seen, or after, and fences whoever took over partitions here.
func lockLive(ctx context.Context, tx pgx.Tx, projection string) (int32, error) {
	var number int32
	err := tx.QueryRow(ctx, `SELECT generation FROM tributary.live WHERE projection = $1 FOR SHARE`, projection).Scan(&number)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, fmt.Errorf("%s has no live generation: run `tributary migrate`", projection)
	case err != nil:
		return 0, fmt.Errorf("read the live generation of %s: %w", projection, explain(err))
	default:
		return number, nil
	}
}

// CreateGeneration makes a new, empty build of a projection's tables and attaches it. Nobody reads it until a Swap.
func CreateGeneration(ctx context.Context, pool *pgxpool.Pool, projection Projection) (int32, error) {
	var number int32
	err := inTx(ctx, pool, func(tx pgx.Tx) error {
		var err error
		number, err = createGeneration(ctx, tx, projection)
		return err
	})
	return number, err
}

// WithLive calls f with the number of the generation that readers see, which no swap changes meanwhile.
func WithLive(ctx context.Context, pool *pgxpool.Pool, projection string, f func(generation int32) error) error {
	return inTx(ctx, pool, func(tx pgx.Tx) error {
		number, err := lockLive(ctx, tx, projection)
		if err != nil {
			return err
		}
		return f(number)
	})
}

// GenerationMade is when a generation was made.
func GenerationMade(ctx context.Context, pool *pgxpool.Pool, generation int32) (time.Time, error) {
	var made time.Time
	err := pool.QueryRow(ctx, `SELECT created_at FROM tributary.generations WHERE generation = $1`, generation).Scan(&made)
	if err != nil {
		return made, fmt.Errorf("read when generation %d was made: %w", generation, explain(err))
	}
	return made, nil
}

func createGeneration(ctx context.Context, tx pgx.Tx, projection Projection) (int32, error) {
	definition := projection.Definition()
	generation := Generation{Schema: definition.Name}
	err := tx.QueryRow(ctx, `INSERT INTO tributary.generations (projection, version) VALUES ($1, $2) RETURNING generation`,
		definition.Name, definition.Version).Scan(&generation.Number)
	if err != nil {
		return 0, fmt.Errorf("number a generation of %s: %w", definition.Name, err)
	}
	for _, table := range projection.Tables() {
		for _, statement := range leafStatements(generation, table) {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return 0, fmt.Errorf("make %s: %w", generation.Table(table.Name), err)
			}
		}
	}
	return generation.Number, nil
}

// leafStatements make a table's leaf. The CHECK lets ATTACH skip its scan, so that it holds its lock for a moment only.
func leafStatements(generation Generation, table Table) []string {
	parent, leaf := generation.Schema+"."+table.Name, generation.Table(table.Name)
	with := ""
	if table.With != "" {
		with = " WITH (" + table.With + ")"
	}
	statements := []string{
		fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)%s", leaf, parent, with),
		fmt.Sprintf("ALTER TABLE %s ALTER generation SET DEFAULT %d", leaf, generation.Number),
		fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT one_generation CHECK (generation = %d)", leaf, generation.Number),
	}
	for _, key := range table.Keys {
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s ADD %s", leaf, key))
	}
	for _, index := range table.Indexes {
		statements = append(statements, fmt.Sprintf("CREATE INDEX ON %s %s", leaf, index))
	}
	return append(statements,
		fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%d)", parent, leaf, generation.Number))
}

// Generations are the numbers of a projection's generations that nobody has begun to drop.
func Generations(ctx context.Context, pool *pgxpool.Pool, projection string) ([]int32, error) {
	rows, _ := pool.Query(ctx, `SELECT generation FROM tributary.generations WHERE projection = $1 AND state <> 'dropping'
		ORDER BY generation`, projection)
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return nil, fmt.Errorf("list the generations of %s: %w", projection, explain(err))
	}
	return numbers, nil
}
