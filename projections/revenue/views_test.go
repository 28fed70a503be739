package revenue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
)

// invocations are how each view of a period is read: in UTC, and in a zone.
func invocations(p period) []string {
	return []string{"revenue." + p.name, "revenue." + p.name + "_in(tz = 'Asia/Kathmandu')"}
}

// Every view of a period answers from the aggregate, whatever an analyst filters by.
func TestViewsReadTheAggregate(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	start := time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC)
	events := make([]*ledger.Event, 40_000)
	for i := range events {
		events[i] = visit(start.Add(time.Duration(i)*time.Second), fmt.Sprintf("site-%d", i%3), "post", 1)
	}
	b.commit(t, events...)
	for _, p := range periods() {
		columns := strings.Join(p.columns, ", ")
		for _, view := range invocations(p) {
			for _, condition := range []string{
				"1", "ledger = 'main'", "owner = 'site-1'", "ledger = 'main' AND stream = 'monetization' AND owner = 'site-1'",
				"asset_code = 'USD'", "post_id = 'post'", "post_title = ''", "pointer LIKE '%example%'", p.columns[0] + " IS NOT NULL",
				p.columns[len(p.columns)-1] + " = (SELECT max(" + p.columns[len(p.columns)-1] + ") FROM " + view + ")",
			} {
				for _, sql := range []string{
					fmt.Sprintf("SELECT %s, sum(net), sum(events) FROM %s WHERE %s GROUP BY %s", columns, view, condition, columns),
					fmt.Sprintf("SELECT sum(gross) FROM %s WHERE %s", view, condition),
					fmt.Sprintf("SELECT * FROM %s WHERE %s ORDER BY %s", view, condition, columns),
				} {
					plan := b.plan(t, sql)
					require.Contains(t, plan, "ReadFromMergeTree (quarter_hours)", sql)
					require.NotContains(t, plan, "ReadFromMergeTree (revenue.events", sql)
				}
			}
		}
	}
}
