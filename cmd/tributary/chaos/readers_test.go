package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/reactors"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/projections/revenue"
	"github.com/tributary-ledger/tributary/projections/subjects"
)

// readers ask both stores all the time, with no proxy between, and hold each answer to what can never be. An error is none of theirs only
// where the store was down by our hand since their last answer.
type readers struct {
	c       *chaos
	answers atomic.Int64
	excused atomic.Int64 // errors while a store was down
	taken   atomic.Int64 // how often partitions were taken over

	mu       sync.Mutex
	progress map[string]map[eventlog.TopicPartition]int64 // as the last answer of Postgres had it, by projection
}

// asking is one reader: connect returns how to ask, and each ask is one query with its checks.
type asking struct {
	victim  string
	connect func(ctx context.Context) (ask func(ctx context.Context) error, done func(), err error)
}

// impossible is an answer that no fault excuses.
type impossible struct{ what string }

// Error implements error.
func (i impossible) Error() string { return "an impossible answer: " + i.what }

// readPace is the least between two questions; those that take longer come after twice their time, to leave some to others.
const readPace = 30 * time.Millisecond

func (c *chaos) startReaders() *readers {
	r := &readers{c: c, progress: map[string]map[eventlog.TopicPartition]int64{}}
	for _, one := range []asking{
		{ofPostgres, r.postgres(r.balances())},
		{ofPostgres, r.postgres(r.positions())},
		{ofPostgres, r.postgres(r.snapshot)},
		{ofClickHouse, r.clickhouse()},
	} {
		c.actors.Go(func() { r.read(one) })
	}
	return r
}

// read asks until it is enough, and connects again after each error.
func (r *readers) read(one asking) {
	good := time.Now()
	for !r.c.enough.heard() && !r.c.Failed() {
		err := r.session(one, &good)
		if wrong, ok := errors.AsType[impossible](err); ok {
			r.c.Errorf("%s, of %s", wrong, one.victim)
			return
		}
		if err != nil && !r.c.stack.down.since(good, one.victim) {
			r.c.Errorf("a reader of %s got an error while that was up, %s after an answer: %v", one.victim, time.Since(good), err)
			return
		}
		r.excused.Add(1)
		pause(r.c.Context(), readPace)
	}
}

// session asks over one connection, until the first error.
func (r *readers) session(one asking, good *time.Time) error {
	const bound = time.Minute // a store may be paused
	ctx, cancel := context.WithTimeout(r.c.Context(), bound)
	ask, done, err := one.connect(ctx)
	cancel()
	if err != nil {
		return err
	}
	defer done()
	for !r.c.enough.heard() && !r.c.Failed() {
		asked := time.Now()
		ctx, cancel := context.WithTimeout(r.c.Context(), bound)
		err := ask(ctx)
		cancel()
		if err != nil {
			return err
		}
		*good = time.Now()
		r.answers.Add(1)
		pause(r.c.Context(), max(readPace, 2*time.Since(asked)))
	}
	return nil
}

func (r *readers) postgres(ask func(context.Context, *pgx.Conn) error) func(context.Context) (func(context.Context) error, func(), error) {
	return func(ctx context.Context) (func(context.Context) error, func(), error) {
		conn, err := pgx.Connect(ctx, r.c.stack.postgres.URL())
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context) error { return ask(ctx, conn) }, func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil
	}
}

// balances are those of each asset: both sides equal in each answer, and never less than before.
func (r *readers) balances() func(context.Context, *pgx.Conn) error {
	before := map[string]int64{}
	return func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT asset_code, sum(debits) = sum(credits), (sum(debits) * 1e2)::int8
			FROM books.account_balances GROUP BY 1`)
		if err != nil {
			return err
		}
		now := map[string]int64{}
		var asset string
		var equal bool
		var debits int64
		if _, err := pgx.ForEachRow(rows, []any{&asset, &equal, &debits}, func() error {
			if !equal {
				return impossible{"debits are not credits in " + asset}
			}
			now[asset] = debits
			return nil
		}); err != nil {
			return err
		}
		return notBack(before, now, "debits in %s")
	}
}

// notBack fails where a figure is less than before, and else keeps it for the next time.
func notBack[K comparable](before, now map[K]int64, what string) error {
	for key, was := range before {
		if now[key] < was {
			return impossible{fmt.Sprintf(what+" went back from %d to %d", key, was, now[key])}
		}
	}
	maps.Copy(before, now)
	return nil
}

// positions are up to where each projection is. No swap and no crash takes them back.
func (r *readers) positions() func(context.Context, *pgx.Conn) error {
	type place struct {
		eventlog.TopicPartition

		projection string
	}
	before := map[place]int64{}
	return func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT projection, topic, "partition", next_offset FROM books.progress`)
		if err != nil {
			return err
		}
		now := map[place]int64{}
		var at place
		var next int64
		if _, err := pgx.ForEachRow(rows, []any{&at.projection, &at.Topic, &at.Partition, &next}, func() error {
			now[at] = next
			return nil
		}); err != nil {
			return err
		}
		var taken int64
		if err := conn.QueryRow(ctx, `SELECT coalesce(sum(epoch), 0)::int8 FROM tributary.progress
			JOIN tributary.live USING (generation)`).Scan(&taken); err != nil {
			return err
		}
		r.taken.Store(taken)
		r.mu.Lock()
		defer r.mu.Unlock()
		for at, next := range now {
			if r.progress[at.projection] == nil {
				r.progress[at.projection] = map[eventlog.TopicPartition]int64{}
			}
			r.progress[at.projection][at.TopicPartition] = next
		}
		return notBack(before, now, "the position of %v")
	}
}

// snapshot asks twice in one transaction, some time apart: a commit or a swap meanwhile changes nothing there.
func (r *readers) snapshot(ctx context.Context, conn *pgx.Conn) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // it only read
	const apart = 700 * time.Millisecond
	var answers [2]string
	for i := range answers {
		if i > 0 {
			pause(ctx, apart)
		}
		err := tx.QueryRow(ctx, `SELECT format('%s payments, %s debits, %s in the quarantine, %s receivers',
			(SELECT count(*) FROM books.payments), (SELECT sum(debits) FROM books.account_balances),
			(SELECT count(*) FROM books.quarantine), (SELECT count(*) FROM books.receivers))`).Scan(&answers[i])
		if err != nil {
			return err
		}
	}
	if answers[0] != answers[1] {
		return impossible{fmt.Sprintf("one snapshot had %s, and then %s", answers[0], answers[1])}
	}
	return nil
}

// clickhouse is asked for its rows: none comes twice, and none goes.
func (r *readers) clickhouse() func(context.Context) (func(context.Context) error, func(), error) {
	before := map[string]int64{}
	return func(ctx context.Context) (func(context.Context) error, func(), error) {
		conn, err := clickhouse.Open(ctx, r.c.stack.clickhouse.URL())
		if err != nil {
			return nil, nil, err
		}
		ask := func(ctx context.Context) error { return r.askClickHouse(ctx, conn, before) }
		return ask, func() { _ = conn.Close() }, nil
	}
}

// askClickHouse counts the rows over all partitions: of two copies of an event a replay may have met the other one first, which is in
// another partition.
func (r *readers) askClickHouse(ctx context.Context, conn driver.Conn, before map[string]int64) error {
	var count, ids, places uint64
	err := conn.QueryRow(ctx, "SELECT count(), uniqExact(event_id), uniqExact(topic, `partition`, kafka_offset) FROM revenue.events").
		Scan(&count, &ids, &places)
	if err != nil {
		return err
	}
	if count != ids || count != places {
		return impossible{fmt.Sprintf("%d rows of %d events at %d positions", count, ids, places)}
	}
	return notBack(before, map[string]int64{"all": int64(count)}, "the rows of %s")
}

// offsets is how much all projections have read.
func (r *readers) offsets() (total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, places := range r.progress {
		for _, next := range places {
			total += next
		}
	}
	return total
}

// behind is how many offsets each projection still has to read up to these ends.
func (r *readers) behind(ends map[eventlog.TopicPartition]int64) map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	behind := map[string]int64{}
	for _, definition := range append(definitions(), reactors.NewTasks(0).Definition()) {
		for at, end := range ends {
			if slices.Contains(definition.Topics, at.Topic) {
				behind[definition.Name] += max(0, end-r.progress[definition.Name][at])
			}
		}
	}
	return behind
}

// passed tells whether every projection has all below these ends.
func (r *readers) passed(ends map[eventlog.TopicPartition]int64) bool {
	for _, lack := range r.behind(ends) {
		if lack > 0 {
			return false
		}
	}
	return true
}

// definitions are those of all projections.
func definitions() []projections.Definition {
	return []projections.Definition{
		balances.New(nil, nil).Definition(), receipts.New().Definition(), receivers.New().Definition(),
		quarantine.New().Definition(), subjects.New().Definition(), revenue.New().Definition(),
	}
}
