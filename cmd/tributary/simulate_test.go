package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// simulateTo runs simulate with flags and returns its exit code and what it printed.
func simulateTo(ctx context.Context, stdout io.Writer, environ []string, flags ...string) (code int, stderr string) {
	var complaints bytes.Buffer
	code = run(ctx, world{
		args: append([]string{"simulate"}, flags...), stdin: strings.NewReader(""), stdout: stdout, stderr: &complaints, environ: environ,
	})
	return code, complaints.String()
}

func TestSimulateWritesTheSameLinesEverywhere(t *testing.T) {
	t.Parallel()
	var lines, facts bytes.Buffer
	code, stderr := simulateTo(t.Context(), &lines, nil, "--events=3_000", "--seed=5", "--out=-", "--json")
	require.Zero(t, code, stderr)
	var toStdout, toFile simulated
	require.NoError(t, json.Unmarshal([]byte(stderr), &toStdout))

	name := filepath.Join(t.TempDir(), "events.ndjson")
	code, stderr = simulateTo(t.Context(), &facts, nil, "--events=3000", "--seed=5", "--out", name, "--json")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.NoError(t, json.Unmarshal(facts.Bytes(), &toFile))
	written, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, lines.String(), string(written))

	require.EqualValues(t, 3000, toFile.Events)
	require.EqualValues(t, len(written), toFile.Bytes)
	toStdout.Seconds, toStdout.Rate, toFile.Seconds, toFile.Rate = 0, 0, 0, 0
	require.Equal(t, toStdout, toFile)
	for line := range bytes.Lines(written) {
		event, invalid := ledger.DecodeJSON(bytes.TrimSpace(line), ledger.Strict)
		require.Nil(t, invalid)
		require.False(t, event.Time.Before(toFile.From))
		require.False(t, event.Time.After(toFile.To))
	}
}

func TestSimulateIntoTheLog(t *testing.T) {
	t.Parallel()
	brokers := stacktest.Kafka(t)
	environ := []string{"TRIBUTARY_KAFKA_BROKERS=" + strings.Join(brokers, ",")}

	code, stderr := simulateTo(t.Context(), io.Discard, environ, "--events=10")
	require.Equal(t, exitNo, code)
	require.Contains(t, stderr, "tributary migrate")

	config := eventlog.Config{Brokers: brokers}
	admin, err := eventlog.NewAdmin(config)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{Partitions: 2})
	require.NoError(t, err)

	var facts bytes.Buffer
	code, stderr = simulateTo(t.Context(), &facts, environ, "--events=20_000", "--ledger=test", "--json")
	require.Zero(t, code, stderr)
	var done simulated
	require.NoError(t, json.Unmarshal(facts.Bytes(), &done))
	require.EqualValues(t, 20_000, done.Events)
	require.Len(t, done.Positions, 6)

	cluster, err := admin.Describe(t.Context())
	require.NoError(t, err)
	kept := int64(0)
	for _, topic := range cluster.Topics {
		for _, partition := range topic.Partitions {
			kept += partition.End - partition.Start
		}
	}
	require.EqualValues(t, 20_000, kept)
}

// stopAfter ends a context once so many bytes were written.
type stopAfter struct {
	bytes.Buffer

	most int
	stop context.CancelFunc
}

func (s *stopAfter) Write(p []byte) (int, error) {
	if s.Len() > s.most {
		s.stop()
	}
	return s.Buffer.Write(p)
}

// A pace may be slower than asked for, never faster.
func TestSimulateKeepsToARate(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	done := decode[simulated](t, b.must(t, "simulate", "--events=150", "--rate=100", "--json").stdout)
	require.EqualValues(t, 150, done.Events)
	require.GreaterOrEqual(t, done.Seconds, 1.4)
	require.Equal(t, exitUsage, b.run(t, "simulate", "--rate=10", "--out=-").code)
	require.Equal(t, exitUsage, b.run(t, "simulate", "--rate=-1").code)
}

func TestSimulateStopsAtAWholeLine(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &stopAfter{most: 1 << 20, stop: stop}
	expect := filepath.Join(t.TempDir(), "expected.json")
	code, stderr := simulateTo(ctx, out, nil, "--events=100_000_000", "--out=-", "--expect", expect)
	require.NoFileExists(t, expect, "totals of what was not sent")
	require.Equal(t, exitNo, code)
	require.Contains(t, stderr, "interrupted after")
	require.NotContains(t, stderr, "simulated")
	lines := bytes.Split(out.Bytes(), []byte{'\n'})
	require.Empty(t, lines[len(lines)-1])
	_, invalid := ledger.DecodeJSON(lines[len(lines)-2], ledger.Strict)
	require.Nil(t, invalid)
}

func TestSimulateRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for want, flags := range map[string][]string{
		"ask for 1 or more": {"--events=0", "--out=-"},
		"--start":           {"--start=monday", "--out=-"},
		"ask for 2":         {"--accounts=1", "--out=-"},
		"is not a ledger":   {"--ledger=No", "--out=-"},
		"--out":             {"--out=/no/where"},
		"KAFKA_BROKERS":     {},
	} {
		code, stderr := simulateTo(t.Context(), io.Discard, nil, flags...)
		require.Equal(t, exitUsage, code, want)
		require.Contains(t, stderr, want)
	}
}
