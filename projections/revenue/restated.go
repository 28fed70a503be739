package revenue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/evidence"
)

// ClosedPeriod is a stretch of event time, and the recorded time at which it was closed. What is empty leaves open.
type ClosedPeriod struct {
	Ledger, Stream, Owner, Asset string
	// From is included, Until not.
	From, Until time.Time
	// ClosedAt is the last recorded time that was in.
	ClosedAt time.Time
	// Generation is the one to read; 0 is the live one.
	Generation int32
}

// Restated is what changed of an owner's revenue in an asset since a period was closed. Amounts are decimals.
type Restated struct {
	Ledger     string `json:"ledger"`
	Stream     string `json:"stream"`
	Owner      string `json:"owner"`
	AssetCode  string `json:"asset_code"`
	NetThen    string `json:"net_then"`
	NetNow     string `json:"net_now"`
	Difference string `json:"difference"`
	EventsThen int64  `json:"events_then"`
	EventsNow  int64  `json:"events_now"`
	// Why are the events that came since, by type; their nets add up to the difference.
	Why []Late `json:"why"`
}

// Late is events of one type that were recorded after a period was closed.
type Late struct {
	Type   string `json:"type"`
	Events int64  `json:"events"`
	Net    string `json:"net"`
}

// LateEvent is one of them.
type LateEvent struct {
	Ledger     string            `json:"ledger"`
	Stream     string            `json:"stream"`
	Owner      string            `json:"owner"`
	AssetCode  string            `json:"asset_code"`
	Type       string            `json:"type"`
	EventID    uuid.UUID         `json:"event_id"`
	OccurredAt time.Time         `json:"occurred_at"`
	RecordedAt time.Time         `json:"recorded_at"`
	Net        string            `json:"net"`
	Topic      string            `json:"topic"`
	Partition  int32             `json:"partition"`
	Offset     int64             `json:"kafka_offset"`
	Position   eventlog.Position `json:"-"`
}

// Restatement is what became of a closed period.
type Restatement struct {
	// Changed are the owners, in each asset, of whom late events came, by ledger, stream, owner and asset.
	Changed []Restated
	// Unchanged is of how many owners and assets there is revenue, but no late events.
	Unchanged int

	query ClosedPeriod
	tops  map[eventlog.TopicPartition]int64
}

// netSQL is what some events come to.
const netSQL = "toString(sum(toDecimal256(gross, 18)) - sum(toDecimal256(refunds, 18)) - sum(toDecimal256(fees, 18)))"

// Restate tells what changed in a period since it was closed.
func Restate(ctx context.Context, conn driver.Conn, q ClosedPeriod) (*Restatement, error) {
	explain := func(err error) error {
		return fmt.Errorf("read what changed since %s: %w", q.ClosedAt.Format(time.RFC3339Nano), err)
	}
	tops, err := readTops(ctx, conn, &Query{Generation: q.Generation})
	if err != nil {
		return nil, err
	}
	from, arguments := q.events(tops)
	rows, err := conn.Query(ctx, "SELECT ledger, stream, owner, asset_code, type, late, toInt64(count()), "+netSQL+" FROM "+from+
		" GROUP BY ledger, stream, owner, asset_code, type, late ORDER BY ledger, stream, owner, asset_code, type, late", arguments...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { _ = rows.Close() }() // Err tells whether all was read.
	r := &Restatement{query: q, tops: tops}
	var sums []restating
	for rows.Next() {
		var key [4]string
		var late Late
		var isLate bool
		if err := rows.Scan(&key[0], &key[1], &key[2], &key[3], &late.Type, &isLate, &late.Events, &late.Net); err != nil {
			return nil, explain(err)
		}
		if n := len(sums); n == 0 || sums[n-1].key != key {
			sums = append(sums, restating{key: key, then: new(big.Int), now: new(big.Int)})
		}
		if err := sums[len(sums)-1].add(late, isLate); err != nil {
			return nil, explain(err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, explain(err)
	}
	for i := range sums {
		if len(sums[i].why) > 0 {
			r.Changed = append(r.Changed, sums[i].restated())
		}
	}
	r.Unchanged = len(sums) - len(r.Changed)
	return r, nil
}

// restating is a Restated that is being added up.
type restating struct {
	key                   [4]string
	then, now             *big.Int
	eventsThen, eventsNow int64
	why                   []Late
}

func (r *restating) add(events Late, late bool) error {
	net, ok := ledger.ParseUnits(events.Net)
	if !ok {
		return errors.New(events.Net + " is no amount that events can have added up to")
	}
	r.now.Add(r.now, net)
	r.eventsNow += events.Events
	if late {
		r.why = append(r.why, events)
		return nil
	}
	r.then.Add(r.then, net)
	r.eventsThen += events.Events
	return nil
}

func (r *restating) restated() Restated {
	slices.SortStableFunc(r.why, func(a, b Late) int { return cmp.Compare(b.Events, a.Events) })
	return Restated{
		Ledger: r.key[0], Stream: r.key[1], Owner: r.key[2], AssetCode: r.key[3],
		NetThen: ledger.FormatUnits(r.then), NetNow: ledger.FormatUnits(r.now),
		Difference: ledger.FormatUnits(new(big.Int).Sub(r.now, r.then)),
		EventsThen: r.eventsThen, EventsNow: r.eventsNow, Why: r.why,
	}
}

// events are those of the period, and late: whether no copy of one was recorded until the period was closed.
func (q *ClosedPeriod) events(tops map[eventlog.TopicPartition]int64) (from string, arguments []any) {
	asked := Query{Ledger: q.Ledger, Stream: q.Stream, Owner: q.Owner, Asset: q.Asset, Generation: q.Generation}
	where, arguments, _ := asked.conditions("") // It has no days, which alone can be wrong.
	where = append(where,
		"occurred_at >= toDateTime64({from:String}, 6, 'UTC')", "occurred_at < toDateTime64({until:String}, 6, 'UTC')", upTo(tops))
	arguments = append(arguments, clickhouse.Named("from", clickhouseTime(q.From)), clickhouse.Named("until", clickhouseTime(q.Until)),
		clickhouse.Named("known_at", clickhouseTime(q.ClosedAt)))
	return asked.in(fmt.Sprintf(`(SELECT *, NOT (recorded_at <= %[1]s OR
			event_id IN (SELECT event_id FROM revenue.copies WHERE recorded_at <= %[1]s)) AS late
		FROM revenue.events WHERE %[2]s)`, known, strings.Join(where, " AND "))), arguments
}

// Events tells the late events, owner by owner and in the order in which they were recorded: those that Changed counts, though more
// may have come since.
func (r *Restatement) Events(ctx context.Context, conn driver.Conn, tell func(*LateEvent) error) error {
	explain := func(err error) error { return fmt.Errorf("list the late events: %w", err) }
	from, arguments := r.query.events(r.tops)
	rows, err := conn.Query(ctx, `SELECT ledger, stream, owner, asset_code, type, event_id, occurred_at, recorded_at,
			toString(gross), toString(refunds), toString(fees), topic, "partition", kafka_offset FROM `+from+`
		WHERE late ORDER BY ledger, stream, owner, asset_code, recorded_at, topic, "partition", kafka_offset`, arguments...)
	if err != nil {
		return explain(err)
	}
	defer func() { _ = rows.Close() }() // Err tells whether all was read.
	for rows.Next() {
		var e LateEvent
		var gross, refunds, fees string
		err := rows.Scan(&e.Ledger, &e.Stream, &e.Owner, &e.AssetCode, &e.Type, &e.EventID, &e.OccurredAt, &e.RecordedAt,
			&gross, &refunds, &fees, &e.Topic, &e.Partition, &e.Offset)
		if err != nil {
			return explain(err)
		}
		amounts, err := evidence.Units(gross, refunds, fees)
		if err != nil {
			return explain(err)
		}
		e.Net = ledger.FormatUnits(amounts[0].Sub(amounts[0], amounts[1].Add(amounts[1], amounts[2])))
		e.OccurredAt, e.RecordedAt = e.OccurredAt.UTC(), e.RecordedAt.UTC()
		e.Position = eventlog.Position{Topic: e.Topic, Partition: e.Partition, Offset: e.Offset}
		if err := tell(&e); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return explain(err)
	}
	return nil
}
