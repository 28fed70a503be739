package peers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Transactions is a consumer as most write it by hand: each record's entries, balances and offset in a transaction of its own, so that it
// is exactly once. An event that comes twice has its entries already, by their key.
type Transactions struct {
	// Workers share the partitions; each has a connection. 0 means 1.
	Workers int
	// Pipelined makes a record one statement, and has many of them under way on a connection; else a transaction is begun, filled and
	// committed step by step, as by any client library.
	Pipelined bool
	// Events end it early, with an even part of each partition; 0 is the whole log.
	Events int64
}

//go:embed transactions.sql
var transactionsDDL string

const (
	move = `UPDATE peer_transactions.offsets SET next = $4 WHERE topic = $1 AND "partition" = $2 AND next = $3`

	post = `INSERT INTO peer_transactions.entries
		SELECT $1::uuid, p.entry, $2, p.account, p.asset, p.credit, p.amount::numeric, $3::timestamptz, $4, $5, $6, $7::integer, $8::bigint
		FROM %s unnest($9::integer[], $10::text[], $11::text[], $12::boolean[], $13::text[]) AS p (entry, account, asset, credit, amount)
		ON CONFLICT DO NOTHING RETURNING ledger, account, asset_code, credit, amount`

	// Rows are locked in one order, whoever locks them.
	add = ` INSERT INTO peer_transactions.balances AS b
		SELECT ledger, account, asset_code, coalesce(sum(amount) FILTER (WHERE NOT credit), 0), coalesce(sum(amount) FILTER (WHERE credit), 0)
		FROM new GROUP BY account, asset_code, ledger ORDER BY account, asset_code, ledger
		ON CONFLICT (account, asset_code, ledger) DO UPDATE SET debits = b.debits + excluded.debits, credits = b.credits + excluded.credits`
)

// postSQL is the part of a transaction that posts.
func postSQL() string { return "WITH new AS (" + fmt.Sprintf(post, "") + ")" + add }

// recordSQL is all of it. What a failed record's followers in the pipeline find is not the offset that they follow, so they do nothing.
func recordSQL() string {
	return `WITH moved AS (UPDATE peer_transactions.offsets SET next = $15 WHERE topic = $6 AND "partition" = $7 AND next = $14 RETURNING 1),
		new AS (` + fmt.Sprintf(post, "moved,") + ")" + add
}

// Run reads the log from its beginning.
func (t Transactions) Run(ctx context.Context, on Servers) (Outcome, error) {
	conn, err := freshSchema(ctx, on.Postgres, transactionsDDL)
	if err != nil {
		return Outcome{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	starts, ends, err := extent(ctx, on.Kafka)
	if err != nil {
		return Outcome{}, err
	}
	ends = t.part(starts, ends)
	shares := make([]map[eventlog.TopicPartition]int64, max(t.Workers, 1))
	for i, p := range eventlog.SortedPartitions(ends) {
		_, err := conn.Exec(ctx, `INSERT INTO peer_transactions.offsets VALUES ($1, $2, $3)`, p.Topic, p.Partition, starts[p])
		if err != nil {
			return Outcome{}, fmt.Errorf("note where %v begins: %w", p, err)
		}
		share := &shares[i%len(shares)]
		if *share == nil {
			*share = map[eventlog.TopicPartition]int64{}
		}
		(*share)[p] = ends[p]
	}
	var done atomic.Int64
	started := time.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	for _, share := range shares {
		group.Go(func() error {
			w := worker{how: t, next: maps.Clone(starts), ends: share}
			err := w.run(groupCtx, on)
			done.Add(w.done)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Outcome{}, err
	}
	return Outcome{Events: done.Load(), Seconds: time.Since(started).Seconds()}, nil
}

// part moves the ends so far forward that about as many records are before them as are wanted.
func (t Transactions) part(starts, ends map[eventlog.TopicPartition]int64) map[eventlog.TopicPartition]int64 {
	var records int64
	for p, end := range ends {
		records += end - starts[p]
	}
	if t.Events == 0 || t.Events >= records {
		return ends
	}
	part := make(map[eventlog.TopicPartition]int64, len(ends))
	for p, end := range ends {
		part[p] = starts[p] + (end-starts[p])*t.Events/records
	}
	return part
}

// extent is where the log's partitions begin and end.
func extent(ctx context.Context, kafka eventlog.Config) (starts, ends map[eventlog.TopicPartition]int64, err error) {
	admin, err := eventlog.NewAdmin(kafka)
	if err != nil {
		return nil, nil, err
	}
	defer admin.Close()
	if starts, err = admin.StartOffsets(ctx); err != nil {
		return nil, nil, err
	}
	ends, err = admin.EndOffsets(ctx)
	return starts, ends, err
}

// worker works a share of the partitions off.
type worker struct {
	how  Transactions
	next map[eventlog.TopicPartition]int64 // After the last record that was applied or is under way.
	ends map[eventlog.TopicPartition]int64
	done int64
}

// applier applies a record, which begins at an offset or in a gap before it; flush waits for what is under way.
type applier interface {
	apply(ctx context.Context, after int64, record *eventlog.Record) error
	flush() error
}

func (w *worker) run(ctx context.Context, on Servers) (err error) {
	conn, err := pgx.Connect(ctx, on.Postgres)
	if err != nil {
		return fmt.Errorf("connect a consumer to Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var to applier = stepwise{conn}
	if w.how.Pipelined {
		if to, err = newPipeline(ctx, conn); err != nil {
			return err
		}
	}
	assigned := map[string]map[int32]kgo.Offset{}
	for p, end := range w.ends {
		if w.next[p] >= end {
			continue
		}
		if assigned[p.Topic] == nil {
			assigned[p.Topic] = map[int32]kgo.Offset{}
		}
		assigned[p.Topic][p.Partition] = kgo.NewOffset().At(w.next[p])
	}
	client, err := eventlog.NewClient(on.Kafka, kgo.ConsumePartitions(assigned), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := w.consume(ctx, client, to); err != nil {
		return err
	}
	return w.check(ctx, conn)
}

func (w *worker) consume(ctx context.Context, client *kgo.Client, to applier) error {
	for !w.finished() {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(fetches.Err0(), context.Cause(ctx)); err != nil {
			return fmt.Errorf("poll the log: %w", err)
		}
		for iter := fetches.RecordIter(); !iter.Done(); {
			record := eventlog.Decode(iter.Next())
			p := record.TopicPartition()
			if record.Offset >= w.ends[p] {
				continue
			}
			if err := to.apply(ctx, w.next[p], &record); err != nil {
				return fmt.Errorf("apply %v: %w", record.Position, err)
			}
			w.next[p] = record.Offset + 1
			w.done++
		}
	}
	return to.flush()
}

func (w *worker) finished() bool {
	for p, end := range w.ends {
		if w.next[p] < end {
			return false
		}
	}
	return true
}

// check compares the offsets in Postgres with the records that were applied: a statement that found another offset did nothing.
func (w *worker) check(ctx context.Context, conn *pgx.Conn) error {
	for p := range w.ends {
		var next int64
		asked := conn.QueryRow(ctx, `SELECT next FROM peer_transactions.offsets WHERE topic = $1 AND "partition" = $2`, p.Topic, p.Partition)
		if err := asked.Scan(&next); err != nil {
			return fmt.Errorf("ask how far %v is: %w", p, err)
		}
		if next != w.next[p] {
			return fmt.Errorf("%v is at %d in Postgres, and %d was applied: a transaction was lost", p, next, w.next[p])
		}
	}
	return nil
}

// stepwise applies a record after the other.
type stepwise struct{ conn *pgx.Conn }

func (stepwise) flush() error { return nil }

func (s stepwise) apply(ctx context.Context, after int64, record *eventlog.Record) error {
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, move, record.Topic, record.Partition, after, record.Offset+1)
		if err != nil {
			return fmt.Errorf("move the offset: %w", err)
		}
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("the offset is not at %d any more: somebody else applies this partition", after)
		}
		if args := postArgs(record); args != nil {
			if _, err = tx.Exec(ctx, postSQL(), args...); err != nil {
				return fmt.Errorf("post: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("a record's transaction: %w", err)
	}
	return nil
}

// postArgs are the arguments of post; nil where the record posts nothing.
func postArgs(record *eventlog.Record) []any {
	if record.Event == nil {
		return nil
	}
	postings := ledger.Postings(nil, record.Event)
	if len(postings) == 0 {
		return nil
	}
	e := record.Event
	numbers, accounts, assets := make([]int32, len(postings)), make([]string, len(postings)), make([]string, len(postings))
	credits, amounts := make([]bool, len(postings)), make([]string, len(postings))
	for i, p := range postings {
		numbers[i], accounts[i], assets[i] = int32(i), p.Account.String(), p.Asset
		credits[i], amounts[i] = bool(p.Direction), p.Amount.String()
	}
	return []any{
		e.ID, e.Ledger, e.Time, string(e.Type), e.Subject, record.Topic, record.Partition, record.Offset,
		numbers, accounts, assets, credits, amounts,
	}
}
