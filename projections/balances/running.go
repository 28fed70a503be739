package balances

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Point is a place among an account's entries: behind those of the event at the position.
type Point struct {
	OccurredAt time.Time
	Position   eventlog.Position
}

// farAccount tells whether a point is nearer to the end of an account's entries than to their beginning, by time.
const farAccount = `
	SELECT a.id, coalesce($4::timestamptz - min_at > max_at - $4::timestamptz, false) FROM balances.accounts a, LATERAL (
		SELECT (SELECT occurred_at FROM balances.entries e WHERE e.account = a.id AND e.generation = shown.generation
		        ORDER BY occurred_at LIMIT 1) AS min_at,
		       (SELECT occurred_at FROM balances.entries e WHERE e.account = a.id AND e.generation = shown.generation
		        ORDER BY occurred_at DESC LIMIT 1) AS max_at
		FROM (SELECT tributary.shown('balances') AS generation OFFSET 0) shown) range
	WHERE a.account = $1 AND a.ledger = $2 AND a.asset_code = $3`

// between sums the entries of an account between some bounds, the second of each pair included. Entries are in the order of
// Entries: by event time, topic, partition and offset.
const between = `
	WITH shown AS MATERIALIZED (SELECT tributary.shown('balances') AS generation),
	sums AS (
		SELECT b.n, coalesce(s.debits, 0) AS debits, coalesce(s.credits, 0) AS credits
		FROM unnest($2::int4[], $3::timestamptz[], $4::text[], $5::int4[], $6::int8[], $7::timestamptz[], $8::text[], $9::int4[], $10::int8[])
		     b(n, from_at, from_topic, from_partition, from_offset, to_at, to_topic, to_partition, to_offset)
		CROSS JOIN LATERAL (
			SELECT sum(e.amount) FILTER (WHERE NOT e.credit) AS debits, sum(e.amount) FILTER (WHERE e.credit) AS credits
			FROM balances.entries e
			WHERE e.generation = (SELECT generation FROM shown) AND e.account = $1
			  AND e.occurred_at >= b.from_at AND e.occurred_at <= b.to_at
			  AND (e.occurred_at > b.from_at OR ((SELECT label FROM tributary.labels WHERE id = e.topic), e."partition", e.kafka_offset)
			       > (b.from_topic, b.from_partition, b.from_offset))
			  AND (e.occurred_at < b.to_at OR ((SELECT label FROM tributary.labels WHERE id = e.topic), e."partition", e.kafka_offset)
			       <= (b.to_topic, b.to_partition, b.to_offset))
		) s
	),
	total AS (
		SELECT coalesce(sum(debits), 0) AS debits, coalesce(sum(credits), 0) AS credits FROM balances.totals
		WHERE generation = (SELECT generation FROM shown) AND account = $1
	),
	running AS (
		SELECT n, CASE WHEN $11 THEN total.debits - sum(sums.debits) OVER (ORDER BY n DESC) ELSE sum(sums.debits) OVER (ORDER BY n) END AS debits,
		       CASE WHEN $11 THEN total.credits - sum(sums.credits) OVER (ORDER BY n DESC) ELSE sum(sums.credits) OVER (ORDER BY n) END AS credits
		FROM sums, total
	)
	SELECT trim_scale(CASE WHEN $12 THEN debits - credits ELSE credits - debits END)::text FROM running ORDER BY n`

// RunningAt are an account's balances behind some points, which are in the order of its entries (see Entries) and may repeat:
// the sums of all entries up to there, on its normal side, as decimals. It reads the entries between the points, and those
// before the first or behind the last, whichever are fewer by their time. Ask in the transaction in which the points were found.
func RunningAt(
	ctx context.Context, db postgres.Querier, account Balance, debitNormal bool, points []Point,
) ([]string, error) {
	if len(points) == 0 {
		return nil, nil
	}
	explain := func(err error) error { return fmt.Errorf("add up the entries of %s: %w", account.Account, err) }
	var id int32
	var fromEnd bool
	err := db.QueryRow(ctx, farAccount, account.Account, account.Ledger, account.AssetCode, points[0].OccurredAt).Scan(&id, &fromEnd)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, explain(postgres.ErrNotFound)
	}
	if err != nil {
		return nil, explain(err)
	}
	b := boundsOf(points, fromEnd)
	rows, err := db.Query(ctx, between, id, b.n, b.from.at, b.from.topics, b.from.partitions, b.from.offsets,
		b.to.at, b.to.topics, b.to.partitions, b.to.offsets, fromEnd, debitNormal)
	if err != nil {
		return nil, explain(err)
	}
	sums, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, explain(err)
	}
	return sums, nil
}

// bounds are pairs of points: what lies between them is summed.
type bounds struct {
	n        []int32
	from, to columns
}

type columns struct {
	at         []pgtype.Timestamptz
	topics     []string
	partitions []int32
	offsets    []int64
}

func (c *columns) add(at pgtype.Timestamptz, p eventlog.Position) {
	c.at, c.topics = append(c.at, at), append(c.topics, p.Topic)
	c.partitions, c.offsets = append(c.partitions, p.Partition), append(c.offsets, p.Offset)
}

func at(t time.Time) pgtype.Timestamptz { return pgtype.Timestamptz{Time: t, Valid: true} }

func endless(side pgtype.InfinityModifier) pgtype.Timestamptz {
	return pgtype.Timestamptz{InfinityModifier: side, Valid: true}
}

func boundsOf(points []Point, fromEnd bool) bounds {
	var b bounds
	for i, p := range points {
		b.n = append(b.n, int32(i))
		switch {
		case fromEnd && i+1 == len(points):
			b.from.add(at(p.OccurredAt), p.Position)
			b.to.add(endless(pgtype.Infinity), eventlog.Position{})
		case fromEnd:
			b.from.add(at(p.OccurredAt), p.Position)
			b.to.add(at(points[i+1].OccurredAt), points[i+1].Position)
		case i == 0:
			b.from.add(endless(pgtype.NegativeInfinity), eventlog.Position{})
			b.to.add(at(p.OccurredAt), p.Position)
		default:
			b.from.add(at(points[i-1].OccurredAt), points[i-1].Position)
			b.to.add(at(p.OccurredAt), p.Position)
		}
	}
	return b
}

// Counted are the positions of the copies of events that count, of those that are in the books.
func Counted(ctx context.Context, db postgres.Querier, ids []uuid.UUID) (map[uuid.UUID]eventlog.Position, error) {
	rows, err := db.Query(ctx, `SELECT i.event_id, l.label, i."partition", i.kafka_offset
		FROM balances.identity i JOIN tributary.labels l ON l.id = i.topic
		WHERE i.event_id = ANY($1) AND i.generation = (SELECT tributary.shown('balances'))`, ids)
	if err != nil {
		return nil, fmt.Errorf("find which copies count: %w", err)
	}
	counted := map[uuid.UUID]eventlog.Position{}
	var id uuid.UUID
	var at eventlog.Position
	_, err = pgx.ForEachRow(rows, []any{&id, &at.Topic, &at.Partition, &at.Offset}, func() error {
		counted[id] = at
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find which copies count: %w", err)
	}
	return counted, nil
}

// Conflict is a position at which an event was refused, because its id is taken by another content at another position.
type Conflict struct {
	EventID       uuid.UUID
	Refused, Kept eventlog.Position
}

// Conflicts are those of some events' ids.
func Conflicts(ctx context.Context, db postgres.Querier, ids []uuid.UUID) ([]Conflict, error) {
	rows, err := db.Query(ctx, `SELECT event_id, topic, "partition", kafka_offset, kept_topic, kept_partition, kept_kafka_offset
		FROM books.conflicts WHERE event_id = ANY($1) ORDER BY topic, "partition", kafka_offset`, ids)
	if err != nil {
		return nil, fmt.Errorf("find conflicts: %w", err)
	}
	var c Conflict
	var all []Conflict
	_, err = pgx.ForEachRow(rows, []any{
		&c.EventID, &c.Refused.Topic, &c.Refused.Partition, &c.Refused.Offset, &c.Kept.Topic, &c.Kept.Partition, &c.Kept.Offset,
	}, func() error {
		all = append(all, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find conflicts: %w", err)
	}
	return all, nil
}
