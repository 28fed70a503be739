package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// Store keeps one projection in Postgres. It holds no state of its own but caches of names, so any number of stores
// may serve the same projection, in any processes.
type Store struct {
	pool       *pgxpool.Pool
	projection Projection
	topics     *Dictionary[string]
	options    Options

	mu   sync.Mutex
	life string // of the server, of which what is cached holds
}

// Options are what a store can do without.
type Options struct {
	// Generation is the one to write; 0 means whichever is live.
	Generation int32
	// TakeoverAfter is how long a new owner waits for the transaction of the one before it, until it ends that session.
	// 0 means a second.
	TakeoverAfter time.Duration
	// Step is called between the steps of a commit; see projections.Step.
	Step projections.Step
	// Logger is told of takeovers.
	Logger *slog.Logger
}

// NewStore makes the store of a projection.
func NewStore(pool *pgxpool.Pool, projection Projection, options Options) *Store {
	if options.TakeoverAfter == 0 {
		options.TakeoverAfter = time.Second
	}
	if options.Step == nil {
		options.Step = func(context.Context, string) error { return nil }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{pool: pool, projection: projection, topics: Labels(pool), options: options}
}

// Labels is the dictionary of short, few names: topics and event types.
func Labels(pool *pgxpool.Pool) *Dictionary[string] {
	return NewDictionary(pool, "tributary.labels", []string{"label"},
		func(label string) []string { return []string{label} }, strings.Clone)
}

// Definition is the projection's.
func (s *Store) Definition() projections.Definition { return s.projection.Definition() }

func (s *Store) generation(number int32) Generation {
	return Generation{Schema: s.Definition().Name, Number: number}
}

// Generation is the one that is written: that of the options, else the live one.
func (s *Store) Generation(ctx context.Context) (int32, error) {
	if s.options.Generation != 0 {
		return s.options.Generation, nil
	}
	var live int32
	err := s.pool.QueryRow(ctx, `SELECT generation FROM tributary.live WHERE projection = $1`, s.Definition().Name).Scan(&live)
	if err != nil {
		return 0, fmt.Errorf("read the live generation of %s: %w", s.Definition().Name, explain(err))
	}
	return live, nil
}

// Acquire raises the epoch of each partition's progress row, which locks out every owner before, and returns where to
// go on. A transaction of the last owner that does not end by itself is ended with its session.
func (s *Store) Acquire(
	ctx context.Context, claims []projections.Claim,
) (map[eventlog.TopicPartition]projections.Ownership, error) {
	var owned map[eventlog.TopicPartition]projections.Ownership
	err := inTx(ctx, s.pool, func(tx pgx.Tx) error {
		stop := s.endBlockers(ctx, tx.Conn().PgConn().PID())
		defer stop()
		s.live(lifeOf(tx.Conn()))
		generation := s.options.Generation
		if generation == 0 {
			var err error
			if generation, err = lockLive(ctx, tx, s.Definition().Name); err != nil {
				return err
			}
		}
		if err := s.checkGeneration(ctx, tx, generation); err != nil {
			return err
		}
		var err error
		owned, err = takeOver(ctx, tx, generation, claims)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take over partitions of %s: %w", s.Definition().Name, err)
	}
	return owned, nil
}

// checkGeneration requires that the generation is one that may be written, and was built by this version of the fold. That it is not
// dropped meanwhile its progress sees to, which refers to it.
func (s *Store) checkGeneration(ctx context.Context, tx pgx.Tx, generation int32) error {
	var version int
	err := tx.QueryRow(ctx, `SELECT version FROM tributary.generations WHERE generation = $1 AND projection = $2 AND state <> 'dropping'`,
		generation, s.Definition().Name).Scan(&version)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("generation %d: %w", generation, errNoGeneration)
	case err != nil:
		return fmt.Errorf("read which version built generation %d: %w", generation, err)
	case version != s.Definition().Version:
		return &projections.VersionError{
			Projection: s.Definition().Name, Generation: generation, Tables: version, Programs: s.Definition().Version,
		}
	default:
		return nil
	}
}

const (
	insertProgress = `
		INSERT INTO tributary.progress (generation, topic, "partition", topic_id)
		SELECT $1, * FROM unnest($2::text[], $3::int4[], $4::uuid[]) u(t, p, id) ORDER BY t, p
		ON CONFLICT DO NOTHING`
	// An epoch is the time in milliseconds at least, so that none is given out again where a backup of an earlier time was
	// restored: an owner of the time between, if it still runs, is refused.
	raiseEpoch = `
		UPDATE tributary.progress SET epoch = greatest(epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
		FROM (SELECT generation, topic, "partition" FROM tributary.progress
		      JOIN unnest($2::text[], $3::int4[]) u(t, p) ON topic = t AND "partition" = p
		      WHERE generation = $1 ORDER BY topic, "partition" FOR UPDATE OF progress) mine
		WHERE progress.generation = mine.generation AND progress.topic = mine.topic AND progress."partition" = mine."partition"
		RETURNING progress.topic, progress."partition", progress.topic_id, epoch, next_offset, leader_epoch`
)

func takeOver(
	ctx context.Context, tx pgx.Tx, generation int32, claims []projections.Claim,
) (map[eventlog.TopicPartition]projections.Ownership, error) {
	topics, partitions, ids := make([]string, len(claims)), make([]int32, len(claims)), make([][16]byte, len(claims))
	claimed := map[eventlog.TopicPartition]eventlog.TopicID{}
	for i, claim := range claims {
		topics[i], partitions[i], ids[i] = claim.Topic, claim.Partition, claim.TopicID
		claimed[claim.TopicPartition] = claim.TopicID
	}
	if _, err := tx.Exec(ctx, insertProgress, generation, topics, partitions, ids); err != nil {
		return nil, fmt.Errorf("make progress rows: %w", err)
	}
	rows, err := tx.Query(ctx, raiseEpoch, generation, topics, partitions)
	if err != nil {
		return nil, fmt.Errorf("raise epochs: %w", err)
	}
	defer rows.Close()
	owned := map[eventlog.TopicPartition]projections.Ownership{}
	for rows.Next() {
		o := projections.Ownership{Generation: generation}
		var p eventlog.TopicPartition
		var id [16]byte
		if err := rows.Scan(&p.Topic, &p.Partition, &id, &o.Epoch, &o.NextOffset, &o.LeaderEpoch); err != nil {
			return nil, fmt.Errorf("read progress: %w", err)
		}
		kept := eventlog.LogIdentity{TopicID: id, LeaderEpoch: -1}
		if err := eventlog.CheckIdentity(p, kept, eventlog.LogIdentity{TopicID: claimed[p], LeaderEpoch: -1}); err != nil {
			return nil, err
		}
		o.TopicID = id
		owned[p] = o
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("raise epochs: %w", err)
	}
	if len(owned) != len(claimed) {
		return nil, fmt.Errorf("took over %d of %d partitions", len(owned), len(claimed))
	}
	return owned, nil
}

// endBlockers ends, after a while, the sessions that the session with this pid waits for, until it is stopped.
func (s *Store) endBlockers(ctx context.Context, pid uint32) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(s.options.TakeoverAfter)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				s.endBlockersNow(ctx, pid)
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (s *Store) endBlockersNow(ctx context.Context, pid uint32) {
	rows, _ := s.pool.Query(ctx, `SELECT b FROM unnest(pg_blocking_pids($1)) b WHERE pg_terminate_backend(b)`,
		int32(pid)) //nolint:gosec // A pid fits.
	ended, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		s.options.Logger.Warn("cannot end the session that holds our partitions; trying again", "err", err)
	case len(ended) > 0:
		s.options.Logger.Warn("ended the session of the last owner: it held our partitions", "pids", ended)
	}
}

// Prepare drops what the projection does not want, finds copies of an event within the batch, and folds the rest.
func (s *Store) Prepare(ctx context.Context, batch projections.Batch) (projections.Change, error) {
	c, err := s.prepare(ctx, batch)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (s *Store) prepare(ctx context.Context, batch projections.Batch) (*change, error) {
	admission, err := s.admit(ctx, batch)
	if err != nil {
		return nil, err
	}
	c := &change{admission: admission, store: s, batch: batch}
	if c.writes, err = s.fold(ctx, c.generation, c.records); err != nil {
		return nil, err
	}
	return c, nil
}

// admit keeps what the projection wants of a batch, and sorts it by identity.
func (s *Store) admit(ctx context.Context, batch projections.Batch) (admission, error) {
	a := admission{life: s.lives()}
	if len(batch.Ranges) > 0 {
		a.generation = s.generation(batch.Ranges[0].Generation)
	}
	for i := range batch.Records {
		if record := &batch.Records[i]; s.projection.Wants(record) {
			if a.records == nil {
				a.records = make([]eventlog.Record, 0, len(batch.Records)-i) // Who wants one mostly wants the rest.
			}
			a.records = append(a.records, *record)
		}
	}
	topics := make([]string, len(batch.Ranges))
	for i, r := range batch.Ranges {
		topics[i] = r.Topic
	}
	numbers, err := s.topics.Resolve(ctx, topics)
	if err != nil {
		return a, err
	}
	a.topics = map[string]int16{}
	for i, topic := range topics {
		a.topics[topic] = int16(numbers[i]) //nolint:gosec // tributary.labels.id is a smallint.
	}
	if _, ok := s.projection.(Positional); !ok {
		a.identify()
	}
	return a, nil
}

// fold turns a panic of the projection into a refusal: it is a bug, and its position is known.
func (s *Store) fold(ctx context.Context, generation Generation, records []eventlog.Record) (writes Writes, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &projections.RefusedError{Err: fmt.Errorf("the fold of %s panicked: %v", s.Definition().Name, p)}
		}
	}()
	return s.projection.Prepare(ctx, generation, records)
}
