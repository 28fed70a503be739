package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Show makes the rest of a transaction read a projection's generation in place of the live one, by every view and reader. It
// is an error where the projection has no such generation.
func Show(ctx context.Context, tx pgx.Tx, projection string, generation int32) error {
	var shown int32
	_, err := tx.Exec(ctx, `SELECT set_config('tributary.' || $1, $2::int4::text, true)`, projection, generation)
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT tributary.shown($1)`, projection).Scan(&shown)
	}
	if err != nil {
		return fmt.Errorf("show generation %d of %s: %w", generation, projection, explain(err))
	}
	return nil
}
