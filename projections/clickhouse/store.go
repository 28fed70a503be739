package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Store keeps one projection in ClickHouse, with its ids and offsets in Postgres. What it holds in memory is about the
// partitions that it owns, and is read anew whenever it may be wrong.
type Store struct {
	conn       driver.Conn
	pool       *pgxpool.Pool
	registry   *postgres.Registry
	projection Projection
	options    Options

	// turn is taken by the commit that is under way.
	turn chan struct{}
	// inserted is when the last insert began; it belongs to whoever has the turn.
	inserted time.Time

	// checks counts those of Check; agreed is whether the servers did when they were compared last.
	checks atomic.Int64
	agreed atomic.Bool

	mu    sync.Mutex
	holds map[eventlog.TopicPartition]*hold
}

// Options are what a store can do without.
type Options struct {
	// Generation is the one to write; 0 means whichever is live.
	Generation int32
	// Interval is how far apart inserts are at least: each makes a part, and parts must be merged. 0 means the
	// constant of that name.
	Interval time.Duration
	// TakeoverAfter is that of the Postgres store.
	TakeoverAfter time.Duration
	// Step is called between the steps of a commit; see projections.Step.
	Step projections.Step
	// Logger is told of takeovers.
	Logger *slog.Logger
}

const (
	// Interval is how far apart inserts are at least. A runner that takes its batches that far apart lets no event wait for it twice.
	Interval = 200 * time.Millisecond
	// BusyInterval is how far apart they are where many events come: each insert makes parts, each takes a tenth of a second of a
	// processor to write and to merge, and what is asked of ClickHouse can be a second old.
	BusyInterval = 600 * time.Millisecond
	// BatchEvents is how many records a batch may have: more than usual, because batches are that far apart.
	BatchEvents = 40_000
)

// NewStore makes the store of a projection. All stores of one projection must speak to the same ClickHouse server.
func NewStore(pool *pgxpool.Pool, conn driver.Conn, projection Projection, options Options) *Store {
	if options.Interval == 0 {
		options.Interval = Interval
	}
	if options.Step == nil {
		options.Step = func(context.Context, string) error { return nil }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	registry := postgres.NewRegistry(pool, projection.Definition(), projection.Counts, postgres.Options{
		Generation: options.Generation, TakeoverAfter: options.TakeoverAfter, Logger: options.Logger,
	})
	return &Store{
		conn: conn, pool: pool, registry: registry, projection: projection, options: options,
		turn: make(chan struct{}, 1), holds: map[eventlog.TopicPartition]*hold{},
	}
}

// Definition is the projection's.
func (s *Store) Definition() projections.Definition { return s.projection.Definition() }

func (s *Store) generation(number int32) Generation {
	return Generation{Database: s.Definition().Name, Number: number}
}

// Generation is the one that is written: that of the options, else the live one.
func (s *Store) Generation(ctx context.Context) (int32, error) { return s.registry.Generation(ctx) }

// Acquire makes the caller the owner, first in Postgres, then in ClickHouse, and finds out what is in.
func (s *Store) Acquire(
	ctx context.Context, claims []projections.Claim,
) (map[eventlog.TopicPartition]projections.Ownership, error) {
	owned, err := s.acquire(ctx, claims)
	if errors.Is(err, errOutpaced) { // Mostly by a swap that came between the two servers; once more is after it.
		owned, err = s.acquire(ctx, claims)
	}
	return owned, err
}

func (s *Store) acquire(
	ctx context.Context, claims []projections.Claim,
) (map[eventlog.TopicPartition]projections.Ownership, error) {
	owned, err := s.registry.Acquire(ctx, claims)
	if err != nil || len(owned) == 0 {
		return owned, err
	}
	var generation Generation
	holds := make(map[eventlog.TopicPartition]*hold, len(owned))
	for p, o := range owned {
		generation = s.generation(o.Generation)
		holds[p] = newHold(o.Epoch)
	}
	if err := s.own(ctx, generation, holds, owned); err != nil {
		return nil, fmt.Errorf("take over partitions of %s: %w", s.Definition().Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.holds, holds)
	return owned, nil
}

// own makes what is missing and secures the partitions; nobody else can move their offsets meanwhile. The live views come
// first: after a swap nothing is committed to the new generation until readers see it. An owner of a generation by its number may
// be one that a swap waits for, and must not wait for that.
func (s *Store) own(
	ctx context.Context, generation Generation, holds map[eventlog.TopicPartition]*hold,
	owned map[eventlog.TopicPartition]projections.Ownership,
) error {
	if _, err := makeTables(ctx, s.pool, s.conn, s.projection, generation); err != nil {
		return err
	}
	if s.options.Generation == 0 {
		if _, err := reconcile(ctx, s.pool, s.conn, s.projection); err != nil {
			return err
		}
	}
	if err := Agree(ctx, s.pool, s.conn, s.projection, generation.Number); err != nil {
		return err
	}
	if err := compactFence(ctx, s.conn, generation, fenceBytes); err != nil {
		return err
	}
	err := s.count(ctx, generation, holds, owned)
	if _, torn := errors.AsType[*TornError](err); torn {
		for _, h := range holds {
			h.doubted = true
		}
		err = s.count(ctx, generation, holds, owned)
	}
	s.mendOthers(ctx, generation)
	return err
}

// count secures the partitions and compares what is in with what Postgres has counted.
func (s *Store) count(
	ctx context.Context, generation Generation, holds map[eventlog.TopicPartition]*hold,
	owned map[eventlog.TopicPartition]projections.Ownership,
) error {
	if err := s.secure(ctx, generation, holds); err != nil {
		return err
	}
	counted, err := postgres.Counted(ctx, s.pool, generation.Number)
	if err != nil {
		return err
	}
	for p, h := range holds {
		if err := h.check(generation.Table(s.projection.Rows().Name), p, owned[p].NextOffset, counted[p].Accepted); err != nil {
			return err
		}
	}
	return nil
}

// agreeEvery is every how many checks the rows are compared with what Postgres knows of them.
const agreeEvery = 6

// Check asks whether both servers answer, still have what was committed, and agree.
func (s *Store) Check(ctx context.Context, held []projections.Held) error {
	if err := s.registry.Check(ctx, held); err != nil {
		return err
	}
	turn := s.checks.Add(1) - 1
	if len(held) == 0 || turn%agreeEvery != 0 && s.agreed.Load() {
		return explain("ask whether it is there", s.conn.Ping(ctx))
	}
	err := Agree(ctx, s.pool, s.conn, s.projection, held[0].Generation)
	s.agreed.Store(err == nil)
	if err == nil {
		s.mendOthers(ctx, s.generation(held[0].Generation))
	}
	return err
}

// Prepare drops what makes no row, finds copies of an event within the batch, and folds and encodes the rest.
func (s *Store) Prepare(ctx context.Context, batch projections.Batch) (projections.Change, error) {
	c := &change{store: s, batch: batch}
	if len(batch.Ranges) > 0 {
		c.generation = s.generation(batch.Ranges[0].Generation)
	}
	var err error
	if c.claims, err = s.registry.Claims(ctx, batch); err != nil {
		return nil, err
	}
	if c.block, err = s.fold(c.claims.Records()); err != nil {
		return nil, err
	}
	c.asides, err = s.foldAsides(s.projection.FoldAside, batch.Records)
	return c, err
}

// fold makes the rows of events. What the projection does wrong, a panic too, is a refusal: a bug whose position is known.
func (s *Store) fold(records []eventlog.Record) (b *block, err error) {
	defer func() { err = s.refusePanic(recover(), err) }()
	folded := s.projection.Fold(records)
	b, err = encodeRows(folded, records)
	if err != nil {
		return nil, &projections.RefusedError{Err: fmt.Errorf("the fold of %s: %w", s.Definition().Name, err)}
	}
	return b, nil
}

// foldAsides makes the rows of the asides, encoded, by the statement that inserts them.
func (s *Store) foldAsides(
	fold func([]eventlog.Record) map[string]proto.Input, records []eventlog.Record,
) (asides []aside, err error) {
	tables := s.projection.Asides()
	if len(tables) == 0 {
		return nil, nil
	}
	defer func() { err = s.refusePanic(recover(), err) }()
	folded := fold(records)
	for _, table := range tables {
		rows := folded[table.Name]
		if rowsOf(rows) == 0 {
			continue
		}
		body, err := encodeAside(rows)
		if err != nil {
			return nil, &projections.RefusedError{Err: fmt.Errorf("the fold of %s: %w", table.Name, err)}
		}
		asides = append(asides, aside{table.Name, names(rows), body})
	}
	return asides, nil
}

// aside is encoded rows of an aside.
type aside struct {
	table   string
	columns []string
	body    []byte
}

// refusePanic is called when a fold ends, with what it panicked with.
func (s *Store) refusePanic(panicked any, err error) error {
	if panicked == nil {
		return err
	}
	return &projections.RefusedError{Err: fmt.Errorf("the fold of %s panicked: %v", s.Definition().Name, panicked)}
}
