package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/replay"
)

// provenAt requires a side generation to be proven from the log, with exactly so many records of it.
func provenAt(t *testing.T, got replayedJSON, records int64) map[eventlog.TopicPartition]int64 {
	t.Helper()
	require.NotNil(t, got.Proof)
	require.Zero(t, got.Proof.DifferencesTotal)
	require.False(t, got.Live)
	total, next := int64(0), map[eventlog.TopicPartition]int64{}
	for _, at := range got.Proof.Positions {
		total += at.NextOffset
		next[eventlog.TopicPartition{Topic: at.Topic, Partition: at.Partition}] = at.NextOffset
	}
	require.Equal(t, records, total)
	return next
}

func TestReplayUntilATime(t *testing.T) {
	t.Parallel()
	b := migrated(t).withClickHouse(t)
	b.must(t, "simulate", "--events", "600", "--seed", "7")
	early := b.logEnd(t)
	last := lastRecorded(t, b)
	require.Eventually(t, func() bool { return time.Now().After(last.Add(5 * time.Millisecond)) }, time.Minute, time.Millisecond)
	moment := last.Add(time.Millisecond).UTC().Format(time.RFC3339Nano)
	b.must(t, "simulate", "--events", "600", "--seed", "8")
	for _, name := range []string{"balances", "quarantine", "revenue"} {
		live := b.liveOf(t, name)
		got := b.replay(t, name, "--until", moment)
		provenAt(t, got, early)
		require.Equal(t, live, b.liveOf(t, name))
		again := b.replay(t, name, "--until", moment)
		require.Equal(t, got.Generation, again.Generation, "the same moment is the same generation")
		require.Equal(t, early, again.Resumed)
		anew := b.replay(t, name, "--until", moment, "--restart")
		require.NotEqual(t, got.Generation, anew.Generation)
		provenAt(t, anew, early)
		generations := b.generations(t, name)
		require.Len(t, generations, 2)
		require.Equal(t, replay.StateSide, generations[1].State)
		require.Zero(t, generations[1].Behind, "it is where it ends")
		refused := b.run(t, "replay", "rollback", name, numberText(anew.Generation))
		require.Equal(t, exitNo, refused.code)
		require.Contains(t, refused.stderr, "was never live")
	}
	future := b.run(t, "replay", "balances", "--until", time.Now().Add(time.Hour).Format(time.RFC3339))
	require.Equal(t, exitNo, future.code)
	require.Contains(t, future.stderr, "yet to come")
}

// lastRecorded is when the last record of the log was recorded.
func lastRecorded(t *testing.T, b books) time.Time {
	t.Helper()
	admin, err := eventlog.NewAdmin(b.kafka)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	var mu sync.Mutex
	var last time.Time
	require.NoError(t, eventlog.ReadRange(t.Context(), b.kafka, eventlog.Range{To: ends}, func(_ context.Context, batch eventlog.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if batch.RecordedAt.After(last) {
			last = batch.RecordedAt
		}
		return nil
	}))
	return last
}

func TestReplayUntilPositions(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.must(t, "simulate", "--events", "900", "--seed", "7")
	end := b.logEnd(t)
	whole := provenAt(t, b.replay(t, "balances", "--until", "payments/0@0"), 1+end-partitionEnd(t, b, 0))
	require.Equal(t, int64(1), whole[eventlog.TopicPartition{Topic: eventlog.TopicPayments}], "the record of the position is in")
	next := provenAt(t, b.replay(t, "balances", "--until", "payments/0@9, payments/1@4"), 15+end-partitionEnd(t, b, 0)-partitionEnd(t, b, 1))
	require.Equal(t, int64(5), next[eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: 1}])
	for args, says := range map[string]string{
		"payments/0@99999":        "is not in the log yet",
		"payments/77@1":           "reads no partition payments/77",
		"yesterday":               "neither a day or a time",
		",":                       "names no moment",
		"receivers/0@1 --no-swap": "mean nothing to it",
	} {
		refused := b.run(t, append([]string{"replay", "balances", "--until"}, strings.Fields(args)...)...)
		require.NotZero(t, refused.code)
		require.Contains(t, refused.stderr, says)
	}
}

// A day, and a time of a zone, is the same moment as in "get --known-at".
func TestUntilIsReadAsKnownAtIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ until, tz, moment string }{
		{"2011-04-01", "UTC", "2011-04-01T00:00:00Z"},
		{"2011-04-01", "Asia/Kolkata", "2011-03-31T18:30:00Z"},
		{"2011-04-01 14:05", "Europe/Paris", "2011-04-01T12:05:00Z"},
		{"2011-04-01T14:05:06.5+02:00", "Asia/Kolkata", "2011-04-01T12:05:06.5Z"},
	} {
		moment, err := (&replayFlags{until: c.until, tz: c.tz}).moment()
		require.NoError(t, err)
		require.Equal(t, c.moment, moment.Text)
		known := moments{knownText: c.until, tz: c.tz}
		require.NoError(t, known.read())
		require.Equal(t, replay.At(known.known), moment)
	}
	_, err := (&replayFlags{until: "2011-04-01", tz: "Mars/Olympus"}).moment()
	require.ErrorContains(t, err, "no time zone")
}

func partitionEnd(t *testing.T, b books, partition int32) int64 {
	t.Helper()
	admin, err := eventlog.NewAdmin(b.kafka)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	return ends[eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: partition}]
}

// A side generation that is killed is gone on with, up to the vector that was resolved once, whatever came meanwhile.
func TestReplayUntilKilledAnywhere(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.must(t, "simulate", "--events", "500", "--seed", "7")
	end := b.logEnd(t)
	moment := lastRecorded(t, b).UTC().Format(time.RFC3339Nano)
	require.True(t, b.killBefore(t, "targeted", "replay", "balances", "--until", moment))
	b.must(t, "simulate", "--events", "500", "--seed", "8")
	for _, step := range []string{"build", "rows", "finish", "prove"} {
		require.True(t, b.killBefore(t, step, "replay", "balances", "--until", moment), step)
	}
	got := b.replay(t, "balances", "--until", moment)
	provenAt(t, got, end)
	require.Len(t, b.generations(t, "balances"), 2)
}

// Servers that go away and come back are waited for, whatever the replay is at.
func TestReplayRidesOutRestarts(t *testing.T) {
	t.Parallel()
	server, warehouse := stacktest.PostgresServer(t), stacktest.ClickHouseServer(t)
	b := booksAt(stacktest.Kafka(t), server.URL())
	b.clickhouse = warehouse.URL()
	b.environ = append(b.environ, clickhouseVariable+"="+b.clickhouse)
	b.must(t, "migrate")
	b.project(t)
	b.must(t, "simulate", "--events", "800", "--seed", "7")
	waitForBooks(t, b)
	for name, steps := range map[string][]string{
		"balances": {"build", "rows", "finish", "prove", "compare", "swap"}, "revenue": {"build", "insert", "prove", "compare", "swap"},
	} {
		done := map[string]bool{}
		got := b.stepping(t, func(ctx context.Context, next string) error {
			for _, step := range steps {
				if next != step || done[step] {
					continue
				}
				done[step] = true
				if name == "revenue" {
					require.NoError(t, warehouse.Kill())
					require.NoError(t, warehouse.Restart(ctx))
				}
				require.NoError(t, server.Kill())
				require.NoError(t, server.Restart(ctx))
			}
			return nil
		}, "replay", name, "--json", "--workers", "1")
		require.Zero(t, got.code, "%s: %s", name, got.stderr)
		require.Len(t, done, len(steps), "%v", done)
		require.True(t, decode[replayedJSON](t, got.stdout).Live)
	}
}

// Another swap comes in between: the replay goes after whichever is live.
func TestReplayWhileAnotherGenerationGoesLive(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.project(t, "balances")
	b.must(t, "simulate", "--events", "800", "--seed", "7")
	waitForBalances(t, b)
	first := b.liveOf(t, "balances")
	second := b.replay(t, "balances").Generation
	swapped := false
	got := b.stepping(t, func(ctx context.Context, next string) error {
		if next == "compare" && !swapped {
			swapped = true
			pool, err := postgres.Open(ctx, b.url)
			require.NoError(t, err)
			defer pool.Close()
			require.Eventually(t, func() bool {
				err := postgres.Swap(ctx, pool, definitions()[0], first, nil)
				require.True(t, err == nil || errors.Is(err, postgres.ErrBehind), err)
				return err == nil
			}, patience, 50*time.Millisecond)
		}
		return nil
	}, "replay", "balances", "--json")
	require.Zero(t, got.code, got.stderr)
	third := decode[replayedJSON](t, got.stdout)
	require.True(t, swapped)
	require.True(t, third.Live)
	require.Equal(t, third.Generation, b.liveOf(t, "balances"))
	require.Equal(t, second, third.Before, "what was live when it began")
	b.must(t, "simulate", "--events", "200", "--seed", "8")
	b.must(t, "verify", "balances")
}
