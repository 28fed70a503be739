package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// lifeKey is under what a connection keeps the server's life.
const lifeKey = "tributary.life"

// noteLife notes, when a connection is made, which life of the server it belongs to: from one start of a database to its end.
// Between two lives a backup of an earlier time may have been restored, and a number been given to another name.
func noteLife(ctx context.Context, conn *pgx.Conn) error {
	var life string
	err := conn.QueryRow(ctx, `SELECT pg_postmaster_start_time()::text || '/' || oid FROM pg_database WHERE datname = current_database()`).
		Scan(&life)
	if err != nil {
		return fmt.Errorf("ask Postgres since when it runs: %w", err)
	}
	conn.PgConn().CustomData()[lifeKey] = life
	return nil
}

func lifeOf(conn *pgx.Conn) string {
	life, _ := conn.PgConn().CustomData()[lifeKey].(string)
	return life
}

// Forgetter is a Projection that keeps in memory what the database says, such as a Dictionary. Forget makes it ask anew.
type Forgetter interface{ Forget() }

// live makes a life of the server the present one. What is cached of another is forgotten.
func (s *Store) live(life string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == life {
		return
	}
	s.topics.Forget()
	if projection, ok := s.projection.(Forgetter); ok {
		projection.Forget()
	}
	s.life = life
}

// lives is the present life of the server. What is looked up after it was asked for holds if the commit finds it the same: no
// connection of a life before can have been there meanwhile.
func (s *Store) lives() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}
