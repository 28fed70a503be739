package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// TornError says that Postgres and ClickHouse are not of one time: one of them was restored from a backup, or lost data.
type TornError struct {
	// Projection is whose tables they are, Table the one in ClickHouse.
	Projection, Table string
	// Found is what does not fit.
	Found string
}

// Error says what was found, and what to do.
func (e *TornError) Error() string {
	return fmt.Sprintf("Postgres and ClickHouse do not agree: %s. One of them was restored from a backup, or lost data. Nothing is "+
		"written to %s until they agree again: restore the other one to the same moment, or build the tables anew with "+
		"`tributary replay %s --accept-differences`", e.Found, e.Table, e.Projection)
}

// Agree tells whether a generation's rows in ClickHouse are those that Postgres knows of: a *TornError if not. It may be asked
// at any time, by anybody: owners change nothing meanwhile that would make it answer otherwise, because
//
//   - the rows below an offset that was committed never change, so rows that end there are as many as were counted there;
//   - an owner claims an event's id in Postgres before it inserts the row. So whatever is in past that offset was claimed, if
//     Postgres is asked for the claims last, and has not forgotten them. A batch's claims are one transaction, and the last
//     row is of the last batch: it speaks for all.
//
// The rows are counted from an aggregate, and again from themselves where that does not fit: it is the rows that have to.
func Agree(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection, generation int32) error {
	err := agree(ctx, pool, conn, projection, generation, positions)
	if _, torn := errors.AsType[*TornError](err); torn {
		err = agree(ctx, pool, conn, projection, generation, positionsOfRows)
	}
	return err
}

func agree(
	ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection Projection, generation int32, positions reading,
) error {
	g := Generation{Database: projection.Definition().Name, Number: generation}
	counted, err := postgres.Counted(ctx, pool, generation)
	if err != nil {
		return err
	}
	rows, _, err := positions(ctx, conn, g.Table(projection.Rows().Name)) // A projector that reads them next mends what is broken.
	if err != nil {
		return err
	}
	torn := TornError{Projection: g.Database, Table: g.Table(projection.Rows().Name)}
	ahead := map[eventlog.TopicPartition]int64{}
	for p, below := range counted {
		in := insideOf(rows, p)
		if !in.fits(below.Next, below.Accepted) {
			torn.Found = in.found(p, below.Next, below.Accepted)
			return &torn
		}
	}
	for p, in := range rows {
		if in.top >= counted[p].Next {
			ahead[p] = in.top
		}
	}
	return claimed(ctx, pool, conn, g, ahead, torn)
}

// inside is what a table has of a partition: the highest offset, and how many rows.
type inside struct{ top, count int64 }

// insideOf is what is in of a partition, of which there may be nothing.
func insideOf(all map[eventlog.TopicPartition]inside, p eventlog.TopicPartition) inside {
	if in, some := all[p]; some {
		return in
	}
	return inside{top: -1}
}

// fits tells whether that is all that was accepted below an offset, if nothing past it is in. More may be in past that
// offset, from an owner that died before it moved the offset.
func (in inside) fits(below, accepted int64) bool {
	return in.top < below && in.count == accepted || in.top >= below && in.count > accepted
}

func (in inside) found(p eventlog.TopicPartition, below, accepted int64) string {
	return fmt.Sprintf("ClickHouse has %d rows of %s up to offset %d, and Postgres counts %d below offset %d",
		in.count, p, in.top, accepted, below)
}

// reading finds out what is in a table, by partition.
type reading = func(ctx context.Context, conn driver.Conn, table string) (all map[eventlog.TopicPartition]inside, broken, err error)

// positionsOfRows are what is in, by the rows alone.
func positionsOfRows(ctx context.Context, conn driver.Conn, table string) (all map[eventlog.TopicPartition]inside, broken, err error) {
	all, err = readPositions(fromRows(ctx), conn, table)
	return all, nil, explain("count the rows that are in", err)
}

// positions are what is in, by partition, from an aggregate that each part carries. Where that cannot be read they are counted
// from the rows, and broken says why.
func positions(ctx context.Context, conn driver.Conn, table string) (all map[eventlog.TopicPartition]inside, broken, err error) {
	all, err = readPositions(ctx, conn, table)
	if unreadable(err) {
		broken = err
		all, err = readPositions(fromRows(ctx), conn, table)
	}
	return all, broken, explain("read what is in", err)
}

func readPositions(ctx context.Context, conn driver.Conn, table string) (map[eventlog.TopicPartition]inside, error) {
	all := map[eventlog.TopicPartition]inside{}
	rows, err := conn.Query(ctx, positionsSQL(table))
	return all, each(rows, err, func(rows driver.Rows) error {
		var p eventlog.TopicPartition
		var in inside
		var count uint64
		err := rows.Scan(&p.Topic, &p.Partition, &in.top, &count)
		in.count = int64(count)
		all[p] = in
		return err //nolint:wrapcheck // Explained above.
	})
}

// claimed looks for the claims of the last rows of partitions that are ahead of Postgres.
func claimed(
	ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, g Generation, ahead map[eventlog.TopicPartition]int64, torn TornError,
) error {
	if len(ahead) == 0 {
		return nil
	}
	wanted := make([]string, 0, len(ahead))
	for p, top := range ahead {
		wanted = append(wanted, fmt.Sprintf("topic = %s AND `partition` = %d AND kafka_offset = %d", literal(p.Topic), p.Partition, top))
	}
	rows, err := conn.Query(ctx, "SELECT event_id, topic, `partition`, kafka_offset FROM "+torn.Table+
		" WHERE "+strings.Join(wanted, " OR "))
	last := map[uuid.UUID]eventlog.Position{}
	if err := each(rows, err, func(rows driver.Rows) error {
		var id uuid.UUID
		var at eventlog.Position
		err := rows.Scan(&id, &at.Topic, &at.Partition, &at.Offset)
		last[id] = at
		return err //nolint:wrapcheck // Explained below.
	}); err != nil {
		return explain("read the last rows", err)
	}
	unknown, err := postgres.Unclaimed(ctx, pool, projections.Definition{Name: g.Database}, g.Number, last)
	if err != nil {
		return err
	}
	if unknown != nil {
		torn.Found = fmt.Sprintf("ClickHouse has the row of %s, of which Postgres does not know, so Postgres is older", unknown)
		return &torn
	}
	return nil
}
