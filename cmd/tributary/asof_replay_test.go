package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

// sameAsReplayed requires that what was known at a moment is what tables say that are built until then.
func (b books) sameAsReplayed(t *testing.T, moment string) {
	t.Helper()
	all := []string{"get", "balance", "--json", "--limit", "100000"}
	side := b.replay(t, "balances", "--until", moment).Generation
	known := decodeLines[balances.Balance](t, b.must(t, append(all, "--known-at", moment)...).stdout)
	built := decodeLines[balances.Balance](t, b.must(t, append(all, "--generation", strconv.Itoa(int(side)))...).stdout)
	require.NotEmpty(t, built)
	require.ElementsMatch(t, built, known, "balances as of %s", moment)

	side = b.replay(t, "revenue", "--until", moment).Generation
	conn, err := clickhouse.Open(t.Context(), b.clickhouse)
	require.NoError(t, err)
	defer conn.Close()                           //nolint:errcheck // It was only read.
	rows := func(from string) (found []string) { // titles are the latest, whatever was known then
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT groupArray(toString(tuple(*))) FROM (SELECT * EXCEPT post_title FROM "+
			from+" ORDER BY ALL)").Scan(&found))
		return found
	}
	months := rows(fmt.Sprintf("revenue_g%d.by_month", side))
	require.NotEmpty(t, months)
	require.Equal(t, months, rows("revenue.by_month_known_at(known_at = '"+moment+"')"), "months as of %s", moment)
}

// Late events, a refund, and an event whose first copy the books met last; before, on and after the very moment of a record.
func TestAsKnownIsWhatAReplayUntilThenBuilds(t *testing.T) {
	t.Parallel()
	b := closedMarch(t)
	for _, moment := range []string{"2011-04-01T00:00:00Z", "2011-04-02T08:59:59.999999Z", "2011-04-02T09:00:00Z"} {
		b.sameAsReplayed(t, moment)
	}
}

// The same of a log with the brokers' own times: what was published by then comes again later, with what it was missing.
func TestAsKnownOfASimulationIsWhatAReplayBuilds(t *testing.T) {
	t.Parallel()
	b := migrated(t).withClickHouse(t)
	b.project(t)
	file := filepath.Join(t.TempDir(), "events.ndjson")
	b.must(t, "simulate", "--events", "600", "--seed", "7", "--late", "5%", "--duplicates", "5%", "--out", file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(text), "\n")
	b.must(t, "publish", write(t, strings.Join(lines[:len(lines)/2], "")))
	last := lastRecorded(t, b)
	require.Eventually(t, func() bool { return time.Now().After(last.Add(5 * time.Millisecond)) }, time.Minute, time.Millisecond)
	b.must(t, "publish", file)
	b.waitForAll(t)
	b.sameAsReplayed(t, last.Add(999*time.Microsecond).UTC().Format(time.RFC3339Nano))
}
