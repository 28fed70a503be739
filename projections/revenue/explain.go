package revenue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"reflect"
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

// ErrRestless says that what was asked for changed each time it was read.
var ErrRestless = errors.New("this revenue changes faster than it can be read; ask for periods that are over, or again")

// Figures are the revenue that is asked for, a figure an asset, with the events behind it. Its parts are the periods. Views
// and events are read one after the other, as they were at one moment.
func Figures(ctx context.Context, conn driver.Conn, q Query) ([]evidence.Figure, error) {
	rows, tops, err := atOnce(ctx, conn, q)
	if err != nil {
		return nil, err
	}
	byAsset := map[string][]Row{}
	for _, row := range rows {
		byAsset[row.AssetCode] = append(byAsset[row.AssetCode], row)
	}
	figures := make([]evidence.Figure, 0, len(byAsset))
	for asset, rows := range byAsset {
		only := q
		only.Asset = asset
		f, err := figure(rows, only.adds())
		if err != nil {
			return nil, err
		}
		f.Name, f.Ledger, f.Asset = "revenue", q.Ledger, asset
		f.Claims = claims(ctx, conn, only, tops)
		figures = append(figures, f)
	}
	slices.SortFunc(figures, func(a, b evidence.Figure) int {
		return cmp.Or(cmp.Compare(b.Expected, a.Expected), strings.Compare(a.Asset, b.Asset))
	})
	return figures, nil
}

// atOnce reads the periods, and up to where each partition was in the table meanwhile: a row that comes later lies behind that.
func atOnce(ctx context.Context, conn driver.Conn, q Query) ([]Row, map[eventlog.TopicPartition]int64, error) {
	const attempts = 30
	rows, err := List(ctx, conn, q)
	for range attempts {
		if err != nil || len(rows) == 0 {
			return nil, nil, err
		}
		tops, err := readTops(ctx, conn, &q)
		if err != nil {
			return nil, nil, err
		}
		again, err := List(ctx, conn, q)
		if err != nil {
			return nil, nil, err
		}
		if reflect.DeepEqual(rows, again) {
			return rows, tops, nil
		}
		rows = again
	}
	return nil, nil, ErrRestless
}

// readTops asks the aggregate of positions.
func readTops(ctx context.Context, conn driver.Conn, q *Query) (map[eventlog.TopicPartition]int64, error) {
	rows, err := conn.Query(ctx, q.in("SELECT topic, `partition`, max(kafka_offset) FROM revenue.events GROUP BY topic, `partition`"))
	if err != nil {
		return nil, fmt.Errorf("read up to where revenue is: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells whether all was read.
	tops := map[eventlog.TopicPartition]int64{}
	for rows.Next() {
		var p eventlog.TopicPartition
		var top int64
		if err := rows.Scan(&p.Topic, &p.Partition, &top); err != nil {
			return nil, fmt.Errorf("read up to where revenue is: %w", err)
		}
		tops[p] = top
	}
	return tops, rows.Err()
}

// Period names the row's period: an hour's beginning, a day, "2026-03", "2026 day 1 of the week", "2026 day 32".
func (r *Row) Period() string {
	switch {
	case r.Hour != nil:
		return r.Hour.UTC().Format(time.RFC3339)
	case r.Day != "":
		return r.Day
	case r.Month > 0:
		return fmt.Sprintf("%d-%02d", r.Year, r.Month)
	case r.DayOfWeek > 0:
		return fmt.Sprintf("%d day %d of the week", r.Year, r.DayOfWeek)
	default:
		return fmt.Sprintf("%d day %d", r.Year, r.DayOfYear)
	}
}

// figure is what the views say of one asset.
func figure(rows []Row, rule func(*ledger.Event) []*big.Int) (evidence.Figure, error) {
	f := evidence.Figure{
		Columns: []string{"gross", "refunds", "fees"}, Result: "net", Signs: []int64{1, -1, -1},
		Stored: evidence.NewSum(3), StoredResult: new(big.Int), //nolint:mnd // As many as columns.
		Parts: map[string]evidence.Sum{}, Rule: rule,
	}
	for i := range rows {
		r := &rows[i]
		amounts, err := evidence.Units(r.Gross, r.Refunds, r.Fees, r.Net)
		if err != nil {
			return f, fmt.Errorf("revenue of %s: %w", r.Period(), err)
		}
		f.Parts[r.Period()] = evidence.Sum{Events: r.Events, Amounts: amounts[:3]}
		f.Stored.Add(amounts[:3])
		f.StoredResult.Add(f.StoredResult, amounts[3])
		f.Expected += r.Events
	}
	f.Stored.Events = f.Expected
	return f, nil
}

// adds is what an event brings in of what is asked for. That it falls into the period is seen by its time, which is held against
// the table's.
func (q *Query) adds() func(*ledger.Event) []*big.Int {
	var counts *Projection
	return func(event *ledger.Event) []*big.Int {
		if !counts.Counts(&eventlog.Record{Event: event}) {
			return nil
		}
		r := rowOf(event)
		for _, wanted := range [...][2]string{
			{q.Ledger, event.Ledger}, {q.Stream, r.stream}, {q.Owner, r.owner}, {q.Pointer, r.pointer}, {q.PostID, r.postID}, {q.Asset, r.asset},
		} {
			if wanted[0] != "" && wanted[0] != wanted[1] {
				return nil
			}
		}
		fees := r.fee.Big()
		return []*big.Int{r.gross.Big(), r.refunds.Big(), fees.Sub(fees, r.feeReturned.Big())}
	}
}

// eventsSQL is the question of sql, answered by events instead of sums.
func (q *Query) eventsSQL(tops map[eventlog.TopicPartition]int64) (sql string, arguments []any, err error) {
	c, where, arguments, err := q.asked()
	if err != nil {
		return "", nil, err
	}
	all := periods()
	p := all[slices.IndexFunc(all, func(p period) bool { return p.name == c.view })]
	const wanted = keys + ", event_id, occurred_at, topic, `partition`, kafka_offset, gross, refunds, fees"
	from, expressions := events, p.utc
	if !q.KnownAt.IsZero() {
		from = knownEvents(wanted)
		arguments = append(arguments, clickhouse.Named("known_at", clickhouseTime(q.KnownAt)))
	}
	if q.TZ != "UTC" {
		from, expressions = p.zoned(localized(wanted, from)), p.local
		arguments = append(arguments, clickhouse.Named("tz", q.TZ))
	}
	named := make([]string, len(p.columns))
	for i, column := range p.columns {
		named[i] = expressions[i] + " AS " + column
	}
	return q.in(fmt.Sprintf(`SELECT %s AS at, toInt32(%s) AS in_year, toInt32(%s) AS number, event_id, occurred_at,
			topic, "partition", kafka_offset, toString(gross), toString(refunds), toString(fees)
		FROM (SELECT %s, %s FROM %s) WHERE %s AND %s
		ORDER BY occurred_at, topic, "partition", kafka_offset`,
		c.at, c.year, c.number, wanted, strings.Join(named, ", "), from, where, upTo(tops))), arguments, nil
}

// upTo is the condition for rows that were there.
func upTo(tops map[eventlog.TopicPartition]int64) string {
	places, offsets := make([]string, 1, len(tops)+1), make([]string, 1, len(tops)+1)
	places[0], offsets[0] = "''", "toInt64(-1)"
	for _, p := range eventlog.SortedPartitions(tops) {
		places = append(places, fmt.Sprintf("'%s/%d'", p.Topic, p.Partition))
		offsets = append(offsets, fmt.Sprintf("toInt64(%d)", tops[p]))
	}
	return fmt.Sprintf(`kafka_offset <= transform(concat(topic, '/', toString("partition")), [%s], [%s], toInt64(-1))`,
		strings.Join(places, ", "), strings.Join(offsets, ", "))
}

// claims are the events of one asset.
func claims(ctx context.Context, conn driver.Conn, q Query, tops map[eventlog.TopicPartition]int64) iter.Seq2[evidence.Claim, error] {
	return func(yield func(evidence.Claim, error) bool) {
		failed := func(err error) { yield(evidence.Claim{}, fmt.Errorf("read the events of the revenue: %w", err)) }
		sql, arguments, err := q.eventsSQL(tops)
		if err != nil {
			failed(err)
			return
		}
		rows, err := conn.Query(ctx, sql, arguments...)
		if err != nil {
			failed(err)
			return
		}
		defer func() { _ = rows.Close() }() // Err tells whether all was read.
		for rows.Next() {
			claim, err := scanClaim(rows, q.By)
			if err != nil {
				failed(err)
				return
			}
			if !yield(claim, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			failed(err)
		}
	}
}

func scanClaim(rows driver.Rows, by By) (evidence.Claim, error) {
	var at, occurred time.Time
	var year, number int32
	var id uuid.UUID
	var where eventlog.Position
	var gross, refunds, fees string
	err := rows.Scan(&at, &year, &number, &id, &occurred, &where.Topic, &where.Partition, &where.Offset, &gross, &refunds, &fees)
	if err != nil {
		return evidence.Claim{}, err //nolint:wrapcheck // The caller says what was read.
	}
	amounts, err := evidence.Units(gross, refunds, fees)
	if err != nil {
		return evidence.Claim{}, fmt.Errorf("%s: %w", where, err)
	}
	var r Row
	r.place(by, at.UTC(), int(year), int(number))
	return evidence.Claim{At: where, EventID: id, OccurredAt: occurred.UTC(), Part: r.Period(), Amounts: amounts}, nil
}

// Earned is what an event brings in, to whom. Fees are what was taken less what was given back.
type Earned struct {
	Stream, Owner, Asset string
	Gross, Refunds, Fees *big.Int // In units of 10^-18.
}

// Earns is what an event brings in; false where it counts for no revenue.
func Earns(event *ledger.Event) (Earned, bool) {
	var all Query
	amounts := all.adds()(event)
	if amounts == nil {
		return Earned{}, false
	}
	r := rowOf(event)
	return Earned{r.stream, r.owner, r.asset, amounts[0], amounts[1], amounts[2]}, true
}
