package queries

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Queries are the read half's handlers.
type Queries struct {
	Postgres *pgxpool.Pool
}

// Register adds the operations to an API.
func (q *Queries) Register(_ huma.API) {}

// After is the input of every read: positions that the answer must include.
type After struct {
	After []string `query:"after" example:"payments/3@1042" doc:"Wait until the books are past these positions (as a write's Tributary-Position says them): 2 s at most, then 503."`
}
