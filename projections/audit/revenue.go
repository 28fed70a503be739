package audit

import (
	"context"
	"fmt"
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

// revenue is the reference of what came in.
type revenue struct {
	*Auditor

	examination *examination
	warehouse   warehouse
	rules       map[ledger.Type]revenueRule
	digester    digester
	quarters    quarters
	posts       map[string]*post // By ledger, site and post.
	// suspected are the events whose rows differ; expected their rows, by key.
	suspected suspects
	expected  map[string]*revenueRow
	// aggregated says that there is something for the aggregates to answer, lacking which of them some part lacks.
	aggregated bool
	lacking    map[string]bool
}

func newRevenue(a *Auditor, e *examination) model {
	r := &revenue{
		Auditor: a, examination: e, warehouse: warehouse{a.clickhouse}, rules: revenueRules(), digester: digester{seed: a.seed},
		quarters: newQuarters(), posts: map[string]*post{}, suspected: suspects{}, expected: map[string]*revenueRow{},
	}
	e.ids, e.claims = &identities{}, true
	e.aside = func(record *eventlog.Record) bool { return record.Event.Type == ledger.TypePostPublished }
	e.found.expect(checkProgress, checkIdentities, checkRevenueRows, checkAhead, checkQuarters, checkExtents, checkAggregates,
		checkTitles, checkLiveViews)
	return r
}

func (r *revenue) wants(record *eventlog.Record) bool {
	if record.Event == nil {
		return false
	}
	if _, ok := r.earning(record.Event); ok {
		return true
	}
	return record.Event.Type == ledger.TypePostPublished
}

func (r *revenue) fold(record *eventlog.Record, s *slot) {
	if d, ok := record.Event.Data.(*eventsv1.PostPublished); ok {
		r.hearOf(record.Event, d)
		return
	}
	e, _ := r.earning(record.Event)
	s.digest += r.digester.cells(revenueKey(record), e.values(record))
	r.quarters.add(record.Event, &e)
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

func (r *revenue) compare(ctx context.Context, _ *snapshot) error {
	for _, part := range []func(context.Context) error{
		r.compareRows, r.compareParts, r.compareQuarters, r.compareExtents, r.comparePosts, r.compareViews,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
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
