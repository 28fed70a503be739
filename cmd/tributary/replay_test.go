package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/replay"
)

// replayedJSON is what replay --json prints.
type replayedJSON struct {
	replay.Result

	Names []string `json:"names"`
}

// replay runs a replay that has to succeed.
func (b books) replay(t testing.TB, args ...string) replayedJSON {
	t.Helper()
	return decode[replayedJSON](t.(*testing.T), b.must(t, append([]string{"replay", "--json"}, args...)...).stdout)
}

// generations are what replay status says of a projection.
func (b books) generations(t *testing.T, name string) []replay.Status {
	t.Helper()
	return decode[[]replay.Status](t, b.must(t, "replay", "status", name, "--json").stdout)
}

// liveOf is the one live generation of a projection.
func (b books) liveOf(t *testing.T, name string) int32 {
	t.Helper()
	live := slices.DeleteFunc(b.generations(t, name), func(s replay.Status) bool { return !s.Live })
	require.Len(t, live, 1, "exactly one generation of %s is live", name)
	return live[0].Number
}

// load publishes for as long as the test, a little at a time, and stops when told; it returns how many events came.
func (b books) load(t *testing.T) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		const each, every = 20, 200 * time.Millisecond
		published := 0
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for seed := 1_000; ctx.Err() == nil; seed++ {
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
			var stderr bytes.Buffer
			w := world{
				args:  []string{"simulate", "--events", strconv.Itoa(each), "--seed", strconv.Itoa(seed)},
				stdin: strings.NewReader(""), stdout: &stderr, stderr: &stderr, environ: b.environ,
			}
			if run(ctx, w) == exitDone {
				published += each
			}
		}
		done <- published
	}()
	return func() int { cancel(); n := <-done; done <- n; return n }
}

func TestReplayEveryProjectionUnderLoad(t *testing.T) {
	t.Parallel()
	b := migrated(t).withClickHouse(t)
	b.project(t)
	b.must(t, "simulate", "--events", "300", "--seed", "7")
	stop := b.load(t)
	defer stop()
	b.must(t, "verify")
	for _, name := range projectionNames() {
		before := b.liveOf(t, name)
		got := b.replay(t, name)
		require.True(t, got.Live)
		require.Equal(t, before, got.Before)
		require.Equal(t, got.Generation, b.liveOf(t, name))
		require.NotNil(t, got.Proof)
		require.Zero(t, got.Proof.DifferencesTotal)
		require.Positive(t, got.Offsets)
		back := b.replay(t, "rollback", name)
		require.Equal(t, before, back.Generation)
		require.Equal(t, before, b.liveOf(t, name))
		if name == "balances" {
			forth := b.replay(t, "rollback", name)
			require.Equal(t, got.Generation, forth.Generation, "a rollback goes back to the last one")
		}
	}
	require.Positive(t, stop(), "there was load")
	waitForBooks(t, b)
	b.must(t, "verify")
}

// numberText is a generation's number as it is typed.
func numberText(generation int32) string { return strconv.Itoa(int(generation)) }

// waitForBooks waits until the projectors have all that is in the log.
func waitForBooks(t *testing.T, b books) {
	t.Helper()
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	require.Eventually(t, func() bool {
		var report statusReport
		got := b.run(t, "status", "--json")
		return json.Unmarshal([]byte(got.stdout), &report) == nil && len(report.Projections) > 0 &&
			!slices.ContainsFunc(report.Projections, func(p projectionStatus) bool { return p.LagEvents > 0 })
	}, patience, 50*time.Millisecond)
}

// child is a copy of the program, to be killed.
type child struct {
	*exec.Cmd

	said *syncBuffer
	done chan error
}

// child starts a copy of the program; it dies with the test. before, where it is not empty, is the step before which it stands still.
func (b books) child(t *testing.T, before string, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := &child{exec.CommandContext(context.WithoutCancel(t.Context()), self, args...), &syncBuffer{}, make(chan error, 1)}
	c.Env = append(append(os.Environ(), b.environ...), programVariable+"=1")
	if before != "" {
		c.Env = append(c.Env, stopVariable+"="+before)
	}
	c.Stdout, c.Stderr = c.said, c.said
	require.NoError(t, c.Start())
	go func() { c.done <- c.Wait() }()
	t.Cleanup(func() { c.kill() })
	return c
}

func (c *child) kill() {
	_ = c.Process.Signal(syscall.SIGKILL)
	err := <-c.done
	c.done <- err
}

// killBefore runs a command and kills it before a step; it reports false where the command came to its end without it.
func (b books) killBefore(t *testing.T, step string, args ...string) bool {
	t.Helper()
	c := b.child(t, step, args...)
	defer c.kill()
	for {
		select {
		case err := <-c.done:
			c.done <- err
			return false
		case <-time.After(5 * time.Millisecond):
			if strings.Contains(c.said.String(), stoodStill+step) {
				return true
			}
		}
	}
}

// stepsOf are all steps of a replay, those of commits among them.
func stepsOf(name string) []string {
	commits := []string{"fence", "identity", "rows", "commit", "answer"}
	if inClickHouse(name) {
		commits = []string{"claim", "insert", "offsets", "answer"}
	}
	return slices.Concat([]string{"check", "create", "created", "build"}, commits, []string{"finish", "prove", "compare", "swap", "swapped"})
}

// A replay is killed before each of its steps, with projectors running and events coming. Each time the next one goes on, or what is
// left is dropped; one generation is live all the time, and in the end the tables are what the log says.
func TestReplayKilledAnywhere(t *testing.T) {
	t.Parallel()
	b := migrated(t).withClickHouse(t)
	b.project(t)
	b.must(t, "simulate", "--events", "300", "--seed", "7")
	for _, name := range []string{"balances", "revenue"} {
		for i, step := range stepsOf(name) {
			b.must(t, "simulate", "--events", "20", "--seed", strconv.Itoa(100+i))
			before := b.liveOf(t, name)
			require.True(t, b.killBefore(t, step, "replay", name), "%s has a step %s", name, step)
			now := b.liveOf(t, name)
			require.Equal(t, step == "swapped", now != before, "%s killed before %s", name, step)
			left := slices.DeleteFunc(b.generations(t, name), func(s replay.Status) bool { return s.State != replay.StateBuilding })
			if i%2 == 0 && len(left) > 0 {
				b.must(t, "replay", "drop", name, numberText(left[0].Number))
				require.Equal(t, now, b.liveOf(t, name))
				continue
			}
			got := b.replay(t, name)
			require.Equal(t, got.Generation, b.liveOf(t, name))
			if len(left) > 0 {
				require.Equal(t, left[0].Number, got.Generation, "it goes on with what there is")
			}
		}
	}
	waitForBooks(t, b)
	b.must(t, "verify")
}

func TestTwoReplaysAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.project(t, "balances")
	b.must(t, "simulate", "--events", "3000", "--seed", "7")
	waitForBalances(t, b)
	first := b.child(t, "", "replay", "balances", "--rate", "500")
	var holder *replay.Holder
	var generation int32
	require.Eventually(t, func() bool {
		for _, s := range b.generations(t, "balances") {
			if s.State == replay.StateBuilding && s.Records > 0 && s.Holder != nil {
				holder, generation = s.Holder, s.Number
			}
		}
		return holder != nil
	}, patience, 5*time.Millisecond)
	require.NoError(t, first.Process.Signal(syscall.SIGSTOP)) // for longer than any session, as far as anybody can tell
	for _, args := range [][]string{
		{"replay", "balances"},
		{"replay", "rollback", "balances"},
		{"replay", "drop", "balances", numberText(generation)},
		{"replay", "balances", "--until", "payments/0@1"},
	} {
		refused := b.run(t, args...)
		require.Equal(t, exitNo, refused.code, refused.stderr)
		require.Contains(t, refused.stderr, fmt.Sprintf("tributary replay balances, process %d on ", first.Process.Pid))
		require.Contains(t, refused.stderr, fmt.Sprintf("SELECT pg_terminate_backend(%d)", holder.PID))
	}
	require.Contains(t, b.must(t, "status").stdout, fmt.Sprintf("balances: tributary replay balances, process %d on ", first.Process.Pid))
	b.exec(t, fmt.Sprintf("SELECT pg_terminate_backend(%d)", holder.PID))
	got := b.replay(t, "balances")
	require.Equal(t, generation, got.Generation, "it goes on with what the first one built")
	require.NoError(t, first.Process.Signal(syscall.SIGCONT))
	require.Error(t, <-first.done, "the first one was replaced: %s", first.said)
	first.done <- nil
	require.Equal(t, generation, b.liveOf(t, "balances"))
	b.must(t, "verify", "balances")
}

func waitForBalances(t *testing.T, b books) {
	t.Helper()
	require.Eventually(t, func() bool {
		return b.generations(t, "balances")[0].Behind == 0
	}, patience, 20*time.Millisecond)
}

func TestReplayNeedsAWholeLog(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.must(t, "simulate", "--events", "500", "--seed", "7")
	client, err := eventlog.NewClient(b.kafka)
	require.NoError(t, err)
	defer client.Close()
	var deleted kadm.Offsets
	deleted.AddOffset(eventlog.TopicPayments, 0, 3, -1)
	_, err = kadm.NewClient(client).DeleteRecords(t.Context(), deleted)
	require.NoError(t, err)
	refused := b.run(t, "replay", "balances")
	require.Equal(t, exitNo, refused.code)
	require.Contains(t, refused.stderr, "log start of partition 0 is 3, must be 0")
	require.Contains(t, refused.stderr, "restore the topic from a backup")
	require.Len(t, b.generations(t, "balances"), 1, "nothing was begun")
}

// stepping runs a command in this process, with something done before each step.
func (b books) stepping(t *testing.T, step projections.Step, args ...string) answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), world{
		args: args, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: b.environ, step: step,
	})
	return answer{code, stdout.String(), stderr.String()}
}
