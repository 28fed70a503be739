package measure

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Stores are an empty database in Postgres and an emptied ClickHouse. There is one at a time, because ClickHouse's databases have
// fixed names.
type Stores struct {
	PostgresURL   string
	ClickHouseURL string // empty where there is none
	Postgres      *pgxpool.Pool
	ClickHouse    driver.Conn // nil where there is none

	bed  *Bed
	name string
}

// Stores makes them; Drop removes what was put in.
func (b *Bed) Stores(ctx context.Context) (*Stores, error) {
	if err := b.dropKept(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.stores++
	name := fmt.Sprintf("measure_%d", b.stores)
	b.mu.Unlock()
	if err := b.execute(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	address, err := url.Parse(b.PostgresURL)
	if err != nil {
		return nil, fmt.Errorf("the URL of Postgres: %w", err)
	}
	address.Path = "/" + name
	s := &Stores{PostgresURL: address.String(), ClickHouseURL: b.ClickHouseURL, bed: b, name: name}
	if s.Postgres, err = postgres.Open(ctx, s.PostgresURL); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if b.ClickHouseURL == "" {
		return s, nil
	}
	if s.ClickHouse, err = clickhouse.Open(ctx, b.ClickHouseURL); err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	if err := s.emptyClickHouse(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Keep leaves stores to the measures after this one, until somebody needs empty ones.
func (b *Bed) Keep(stores *Stores) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = stores
}

// Kept are the stores that were left, or nil. They are not the caller's to drop.
func (b *Bed) Kept() *Stores {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept
}

func (b *Bed) dropKept(ctx context.Context) error {
	kept := b.Kept()
	if kept == nil {
		return nil
	}
	b.Keep(nil)
	return kept.Drop(ctx)
}

// NeedClickHouse is ErrMissing where there is none.
func (b *Bed) NeedClickHouse() error {
	if b.ClickHouseURL == "" {
		return fmt.Errorf("%w: there is no ClickHouse for this kind of machine", ErrMissing)
	}
	return nil
}

// Drop removes all that was put in. What its sessions left half done must not be the next measure's work, so a checkpoint follows.
func (s *Stores) Drop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	s.Postgres.Close()
	var failed error
	if s.ClickHouse != nil {
		failed = errors.Join(s.emptyClickHouse(ctx), s.ClickHouse.Close())
	}
	return errors.Join(failed, s.bed.execute(ctx, "DROP DATABASE "+s.name+" WITH (FORCE)"), s.bed.execute(ctx, "CHECKPOINT"))
}

func (b *Bed) execute(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, b.PostgresURL)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", strings.ToLower(statement), err)
	}
	return nil
}

func (s *Stores) emptyClickHouse(ctx context.Context) error {
	rows, err := s.ClickHouse.Query(ctx, `SELECT name FROM system.databases
		WHERE name NOT IN ('default', 'system', 'INFORMATION_SCHEMA', 'information_schema')`)
	if err != nil {
		return fmt.Errorf("list ClickHouse's databases: %w", err)
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return fmt.Errorf("list ClickHouse's databases: %w", err)
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("list ClickHouse's databases: %w", err)
	}
	for _, name := range names {
		if err := s.ClickHouse.Exec(ctx, "DROP DATABASE `"+name+"` SYNC"); err != nil {
			return fmt.Errorf("drop ClickHouse's database %s: %w", name, err)
		}
	}
	return nil
}

// lookEvery is how often it is looked how far a projection is. A look takes the server a third of a millisecond.
const lookEvery = 10 * time.Millisecond

// Await returns when these projections have all before the ends, of those topics that each reads.
func (s *Stores) Await(ctx context.Context, ends map[string]map[eventlog.TopicPartition]int64) error {
	names := make([]string, 0, len(ends))
	for name := range ends {
		names = append(names, name)
	}
	return Poll(ctx, lookEvery, func() (bool, error) {
		progress, err := postgres.ReadProgress(ctx, s.Postgres, names)
		if err != nil {
			return false, fmt.Errorf("see how far the projections are: %w", err)
		}
		for name, wanted := range ends {
			at := progress[name]
			if at == nil {
				return false, nil
			}
			for place, end := range wanted {
				if at.Next[place] < end {
					return false, nil
				}
			}
		}
		return true, nil
	})
}

// AwaitOwners returns when partitions of so many projections are owned by a process.
func (s *Stores) AwaitOwners(ctx context.Context, projections int) error {
	return Poll(ctx, lookEvery, func() (bool, error) {
		var owned int
		err := s.Postgres.QueryRow(ctx, "SELECT count(DISTINCT generation) FROM tributary.progress WHERE epoch > 0").Scan(&owned)
		if err != nil {
			return false, fmt.Errorf("see who owns the partitions: %w", err)
		}
		return owned >= projections, nil
	})
}

// Poll looks until it is done, fails, or the context ends.
func Poll(ctx context.Context, every time.Duration, look func() (done bool, err error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if done, err := look(); err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
