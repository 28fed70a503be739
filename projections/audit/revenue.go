package audit

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	revenueName = "revenue"

	checkRevenueRows = "every event that brings something in has its row, once, as the log says"
	checkAhead       = "what counts as in ahead of the offsets is in"
	checkQuarters    = "the sums that views read are those of the log"
	checkExtents     = "what the table says it has of each partition is what it has"
	checkAggregates  = "every part has its aggregates"
	checkTitles      = "every title is the latest of the log"
	checkLiveViews   = "views read the live generation"
)

// revenue is the reference of what came in. Of each post it holds the latest title, some 300 bytes a post.
type revenue struct {
	*Auditor

	examination *examination
	warehouse   warehouse
	rules       map[ledger.Type]revenueRule
	digests     rowDigests
	rows        *rowset
	// sums hold the takings of each quarter of an hour, by what the aggregate groups by.
	sums  *sumsTally
	posts map[string]*post // By ledger, site and post.
	key   []byte
	// expected are rows, by key, and quarters takings that are compared one by one; those of heldSums.
	expected map[string]*revenueRow
	quarters quarters
	heldSums suspects
	// aggregated says that there is something for the aggregates to answer, lacking which of them some part lacks.
	aggregated bool
	lacking    map[string]bool
}

func newRevenue(a *Auditor, e *examination) model {
	r := &revenue{
		Auditor: a, examination: e, warehouse: warehouse{a.clickhouse}, rules: revenueRules(), digests: newRowDigests(),
		sums: newSumsTally(takingsColumns), quarters: newQuarters(), posts: map[string]*post{}, expected: map[string]*revenueRow{},
	}
	e.ids, e.claims = newIdentities(a.seed), true
	e.aside = func(record *eventlog.Record) bool { return record.Event.Type == ledger.TypePostPublished }
	e.found.expect(checkProgress, checkIdentities, checkRevenueRows, checkAhead, checkQuarters, checkExtents, checkAggregates,
		checkTitles, checkLiveViews)
	r.rows = newRowset(e.found.check(checkRevenueRows), a.seed, table{
		name: r.table(), keys: revenueKeys(), values: revenueValues(),
		trace: func(key string) string { return "event " + key[strings.LastIndex(key, separator)+1:] },
	})
	return r
}

func (r *revenue) close() error { return nil }

func (r *revenue) wants(record *eventlog.Record) bool {
	if record.Event == nil {
		return false
	}
	if rule, ok := r.rules[record.Event.Type]; ok {
		return fields{record.Event.Data}.holds(rule.when)
	}
	return record.Event.Type == ledger.TypePostPublished
}

func (r *revenue) fold(record *eventlog.Record) error {
	if d, ok := record.Event.Data.(*eventsv1.PostPublished); ok {
		r.hearOf(record.Event, d)
		return nil
	}
	e, _ := r.earning(record.Event)
	r.rows.tally.expect(r.digests.bucketOf(record.Event.ID), r.digests.of(record, &e))
	r.key = quarterKey(r.key[:0], e.series(record.Event.Ledger), quarterOf(record.Event.Time))
	for column, amount := range []*big.Int{e.gross, e.fees, e.refunds, big.NewInt(1)} {
		r.sums.expect(r.key, column, amount)
	}
	return nil
}

func (r *revenue) again(record *eventlog.Record) {
	e, ok := r.earning(record.Event)
	if !ok {
		return
	}
	if r.rows.held[r.digests.bucketOf(record.Event.ID)] {
		values := e.values(record)
		for i := range values {
			values[i] = strings.Clone(values[i])
		}
		r.expected[keyOf(revenueKey(record)...)] = &revenueRow{values: values}
	}
	series, start := e.series(record.Event.Ledger), quarterOf(record.Event.Time)
	if r.sums.holds(r.heldSums, string(quarterKey(nil, series, start))) {
		r.quarters.add(series, start, &e)
	}
}

func (r *revenue) touches(traces []string, record *eventlog.Record) []string {
	if d, ok := record.Event.Data.(*eventsv1.PostPublished); ok {
		return append(traces, traceRow(r.postsTable(), postKey(record.Event, d)))
	}
	e, _ := r.earning(record.Event)
	return append(traces, traceRow(r.table(), quarterName(e.series(record.Event.Ledger), quarterOf(record.Event.Time))))
}

// table is the name of the live generation's table of events.
func (r *revenue) table() string {
	return fmt.Sprintf("%s.events_g%d", revenueName, r.examination.generation)
}

func (r *revenue) tally(ctx context.Context, _ *snapshot) error {
	for _, part := range []func(context.Context) error{
		r.tallyRows, r.compareParts, r.tallyQuarters, r.compareExtents, r.comparePosts, r.compareViews,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *revenue) suspect() bool {
	var more int64
	r.heldSums, more = r.sums.suspects()
	r.examination.found.check(checkQuarters).more(more)
	return r.rows.suspect() || len(r.heldSums) > 0
}

func (r *revenue) detail(ctx context.Context, _ *snapshot) error {
	if err := r.detailRows(ctx); err != nil {
		return err
	}
	return r.detailQuarters(ctx)
}

// in is the condition for rows that are in by the offsets in Postgres. Rows are put in before these move, so there may be more.
func (r *revenue) in() string {
	if len(r.examination.next) == 0 {
		return "kafka_offset < 0"
	}
	var places, offsets []string
	for _, p := range eventlog.SortedPartitions(r.examination.next) {
		places = append(places, fmt.Sprintf("'%s/%d'", p.Topic, p.Partition))
		offsets = append(offsets, fmt.Sprintf("toInt64(%d)", r.examination.next[p]))
	}
	return fmt.Sprintf(`kafka_offset < transform(concat(topic, '/', toString("partition")), [%s], [%s], toInt64(0))`,
		strings.Join(places, ", "), strings.Join(offsets, ", "))
}
