package audit

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// compareViews sees to it that the views read the tables that are live by Postgres.
func (r *revenue) compareViews(ctx context.Context) error {
	c := r.examination.found.check(checkLiveViews)
	live := strconv.Itoa(int(r.examination.generation))
	met := false
	err := r.warehouse.stream(ctx, "the views of revenue", `SELECT name, arrayJoin(arrayDistinct(extractAll(as_select, '_g([0-9]+)\\b')))
		FROM system.tables WHERE database = '`+revenueName+`' AND engine = 'View'`, nil, func(row [][]byte) error {
		c.compared++
		met = met || string(row[0]) == "events"
		c.same(Difference{Table: revenueName + "." + string(row[0]), Key: "the view", Column: "generation"}, live, string(row[1]))
		return nil
	})
	if err == nil && !met {
		c.compared++
		c.differs(Difference{Kind: KindMissing, Table: revenueName + ".events", Key: "the view"})
	}
	return err
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
