package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// inTrouble are the flags of a simulation in which much goes wrong, over years.
func inTrouble(seed uint64, expect string) []string {
	return []string{
		"simulate", "--events=3_000", "--seed", strconv.FormatUint(seed, 10), "--accounts=300", "--span=3y", "--start=2023-11-05T00:00:00Z",
		"--late=3%", "--duplicates=5%", "--conflicts=1%", "--bad=5%", "--ledger=play", "--expect", expect,
	}
}

// anySeed is always another.
func anySeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("the seed is %d", seed)
	return seed
}

// proven holds the tables against what the simulation said, and against the log.
func (b books) proven(t *testing.T, expect string) simulation.Expected {
	t.Helper()
	said := b.run(t, "verify", "--expect", expect)
	_, compared, _ := strings.Cut(said.stdout, "\nEXPECTED")
	require.Equal(t, exitDone, said.code, "%s", compared)
	found := decode[verification](t, b.must(t, "verify", "--expect", expect, "--json").stdout)
	require.Len(t, found.Projections, len(definitions()))
	require.Len(t, found.Expected, len(expectations()))
	for _, p := range found.Projections {
		require.Zero(t, p.Behind, p.Name)
	}
	text, err := os.ReadFile(expect)
	require.NoError(t, err)
	return decode[simulation.Expected](t, string(text))
}

// TestSimulationIsAsExpectedFromTheLog sends what goes wrong as records, and reads all five projections.
func TestSimulationIsAsExpectedFromTheLog(t *testing.T) {
	t.Parallel()
	seed := anySeed(t)
	b, expect := migrated(t).withClickHouse(t), filepath.Join(t.TempDir(), "expected.json")
	b.project(t)
	done := decode[simulated](t, b.must(t, append(inTrouble(seed, expect), "--wait", "--json")...).stdout)
	require.EqualValues(t, 3_000, done.Events)
	require.Equal(t, b.logEnd(t), done.Traffic.Messages)
	expected := b.proven(t, expect)
	require.Equal(t, expected.Traffic, done.Traffic)
	require.Equal(t, expected.Types, done.Types)
	require.Len(t, expected.Quarantine, 16)

	other := filepath.Join(t.TempDir(), "other.json")
	b.must(t, "simulate", "--events=200", "--ledger=other", "--expect", other, "--wait")
	require.Empty(t, b.proven(t, other).Quarantine, "what names no ledger does not count against one that sent nothing bad")

	b.exec(t, `UPDATE receipts.payments SET amount = amount + 1 WHERE payment_id =
		(SELECT payment_id FROM books.receipts WHERE ledger = 'play' AND asset_code = 'EUR' LIMIT 1)`)
	differs := b.run(t, "verify", "receipts", "--expect", expect)
	require.Equal(t, exitNo, differs.code)
	require.Regexp(t, `(?m)^payments \w+ EUR: amount is [\d.]+, expected [\d.]+$`, differs.stdout)
	require.NotContains(t, differs.stdout, "accounts", "only what was asked for")
}

// TestSimulationIsAsExpectedFromAFile publishes the same from a file, which skips what is bad.
func TestSimulationIsAsExpectedFromAFile(t *testing.T) {
	t.Parallel()
	seed := anySeed(t)
	folder := t.TempDir()
	b, expect, events := migrated(t).withClickHouse(t), filepath.Join(folder, "expected.json"), filepath.Join(folder, "events.ndjson")
	b.project(t)
	b.must(t, append(inTrouble(seed, expect), "--out", events)...)
	refused := b.run(t, "publish", events)
	require.Equal(t, exitNo, refused.code)
	sent := decode[publication](t, b.must(t, "publish", events, "--skip-invalid", "--wait", "--json").stdout)
	expected := b.proven(t, expect)
	skipped := map[string]int{}
	for reason, n := range expected.Traffic.Refused {
		skipped[string(reason)] = int(n)
	}
	require.Equal(t, skipped, sent.Skipped)
	require.Len(t, sent.Skipped, 16)
	require.Len(t, sent.Repeated, int(expected.Traffic.Conflicts))
	require.Empty(t, expected.Quarantine)

	b.must(t, append(inTrouble(seed, expect), "--conflicts=0%", "--bad=0%", "--wait")...)
	again := b.run(t, "verify", "--expect", expect)
	require.Equal(t, exitNo, again.code, "the conflicts of the file are there, and not expected any more")
	require.Regexp(t, `(?m)^conflicts +balances +1 +1 +DIFFERS$`, again.stdout)
	require.Regexp(t, `(?m)^revenue +revenue +[\d,]+ +0 +as expected$`, again.stdout, "the same events count once")
}

func TestExpectedTotalsAreWhole(t *testing.T) {
	t.Parallel()
	b, folder := books{}, t.TempDir()
	expect := filepath.Join(folder, "expected.json")
	told := b.must(t, "simulate", "--events=2_000", "--out", filepath.Join(folder, "events.ndjson"), "--expect=-")
	expected := decode[simulation.Expected](t, told.stdout)
	require.EqualValues(t, 2_000, expected.Events)
	require.Contains(t, told.stderr, "simulated 2,000 events")

	broken := b.run(t, "simulate", "--events=2_000", "--out", "/no/where", "--expect", expect)
	require.Equal(t, exitUsage, broken.code)
	require.NoFileExists(t, expect, "totals of what was not sent")

	for want, args := range map[string][]string{
		"cannot both go to stdout":          {"simulate", "--out=-", "--expect=-"},
		"--wait is for events that go":      {"simulate", "--out=-", "--wait"},
		"--expect: open":                    {"simulate", "--out=-", "--expect=/no/where"},
		"no percentage":                     {"simulate", "--bad=1"},
		`--span "3 years" is no time`:       {"simulate", "--span=3 years"},
		"no whole number of days":           {"simulate", "--span=1.5y"},
		"cannot read /no/where":             {"verify", "--expect=/no/where"},
		"is not what":                       {"verify", "--expect=" + write(t, `{"events":"many"}`)},
		"it names no ledger":                {"verify", "--expect=" + write(t, `{}`)},
		"out of range: events happen from":  {"simulate", "--span=120y"},
		`--span "0d" is no whole number of`: {"simulate", "--span=0d"},
	} {
		got := b.run(t, args...)
		require.Equal(t, exitUsage, got.code, want)
		require.Contains(t, got.stderr, want)
	}
}
