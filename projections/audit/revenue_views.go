package audit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// compareViews sees to it that views read the tables that they should: those that are live by Postgres or, of another
// generation, its own where it has views. What is made to show a swap comes a moment after it, so it is asked for again: until
// what is wrong stays the same, or for a minute of swaps without an end.
func (r *revenue) compareViews(ctx context.Context) error {
	const patience, most, pause = 5 * time.Second, time.Minute, 100 * time.Millisecond
	var before []Difference
	begun := time.Now()
	for since := begun; ; {
		wrong, read, err := r.wrongViews(ctx)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(wrong, before) {
			before, since = wrong, time.Now()
		}
		if len(wrong) == 0 || time.Since(since) > patience || time.Since(begun) > most {
			c := r.examination.found.check(checkLiveViews)
			c.compared += int64(read)
			for _, d := range wrong {
				c.differs(d)
			}
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// wrongViews are the differences of the views as they are now, and how many were read.
func (r *revenue) wrongViews(ctx context.Context) (wrong []Difference, read int, err error) {
	database, want := revenueName, r.examination.generation
	if r.examination.live {
		if want, err = r.liveNow(ctx); err != nil {
			return nil, 0, err
		}
	} else {
		database = fmt.Sprintf("%s_g%d", revenueName, want)
	}
	met := !r.examination.live
	err = r.warehouse.stream(ctx, "the views of "+database, `SELECT name, arrayJoin(arrayDistinct(extractAll(as_select, '_g([0-9]+)\\b')))
		FROM system.tables WHERE database = '`+database+`' AND engine = 'View'`, nil, func(row [][]byte) error {
		read++
		met = met || string(row[0]) == "events"
		if got := string(row[1]); got != strconv.Itoa(int(want)) {
			wrong = append(wrong, Difference{
				Kind: KindDifferent, Table: database + "." + string(row[0]), Key: "the view", Column: "generation",
				Want: strconv.Itoa(int(want)), Got: got,
			})
		}
		return nil
	})
	if err == nil && !met {
		read++
		wrong = append(wrong, Difference{Kind: KindMissing, Table: database + ".events", Key: "the view"})
	}
	return wrong, read, err
}

// liveNow is the generation that readers should see by now: there may have been a swap since the snapshot.
func (r *revenue) liveNow(ctx context.Context) (generation int32, err error) {
	err = r.pool.QueryRow(ctx, `SELECT generation FROM tributary.live WHERE projection = $1`, revenueName).Scan(&generation)
	if err != nil {
		return 0, fmt.Errorf("read which generation of %s is live: %w", revenueName, err)
	}
	return generation, nil
}

// compareParts sees to it that no part lacks an aggregate: what views read would be right, and slow.
func (r *revenue) compareParts(ctx context.Context) error {
	c := r.examination.found.check(checkAggregates)
	r.lacking, r.aggregated = map[string]bool{}, false
	return r.warehouse.stream(ctx, "the parts of revenue", `SELECT name, arrayStringConcat(projections, ' ') FROM system.parts
		WHERE database = '`+revenueName+`' AND table = 'events_g`+strconv.Itoa(int(r.examination.generation))+`' AND active AND rows > 0`,
		nil, func(row [][]byte) error {
			r.aggregated = true
			for _, name := range []string{projectionQuarters, projectionPositions} {
				c.compared++
				if !strings.Contains(" "+string(row[1])+" ", " "+name+" ") {
					r.lacking[name] = true
					c.differs(Difference{Kind: KindMissing, Table: r.table(), Key: "projection " + name + " in part " + string(row[0])})
				}
			}
			return nil
		})
}

// ask gives fn the answer to a question that an aggregate has to answer. Where the aggregate does not,
// that is a difference, and the rows answer instead.
func (r *revenue) ask(ctx context.Context, aggregate, sql string, fn func(row [][]byte) error) error {
	what := "the sums of " + r.table()
	sql += " SETTINGS enable_shared_storage_snapshot_in_query = 1"
	if r.aggregated {
		err := r.warehouse.stream(ctx, what, sql+", force_optimize_projection_name = '"+aggregate+"'", nil, fn)
		const notUsed = 117
		if refused, ok := errors.AsType[*clickhouse.Exception](err); !ok || refused.Code != notUsed {
			return err
		}
		if c := r.examination.found.check(checkAggregates); !r.lacking[aggregate] {
			c.differs(Difference{Kind: KindMissing, Table: r.table(), Key: "projection " + aggregate + " does not answer"})
		}
	}
	return r.warehouse.stream(ctx, what, sql, nil, fn)
}
