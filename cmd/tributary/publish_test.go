package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// badLines are events that are refused, with the code that each is refused for.
func badLines() map[string]ledger.Code {
	good := sampleLines()[3]
	return map[string]ledger.Code{
		`{"specversion":"1.0",`: ledger.CodeUndecodable,
		`[1, 2]`:                ledger.CodeUndecodable,
		strings.Replace(good, `"id":"`, `"id":"x`, 1):                            ledger.CodeBadID,
		strings.Replace(good, `"value":"4990"`, `"value":"-4990"`, 1):            ledger.CodeAmountNegative,
		strings.Replace(good, `"asset_scale":2`, `"asset_scale":19`, 1):          ledger.CodeBadAmount,
		strings.Replace(good, `"subject":"pay-1001"`, `"subject":"pay-9"`, 1):    ledger.CodeSubjectMismatch,
		strings.Replace(good, `"provider":"stripe"`, `"provider":"a b"`, 1):      ledger.CodeBadID,
		strings.Replace(good, `"time":"2026`, `"time":"1969`, 1):                 ledger.CodeBadTime,
		strings.Replace(good, `"data":{`, `"data":{"colour":"red",`, 1):          ledger.CodeUnknownField,
		strings.Replace(good, `Earl Grey`, strings.Repeat("long ", 450_000), 1):  ledger.CodeTooLarge,
		strings.Replace(good, `Earl Grey`, strings.Repeat("long", 3_000_000), 1): ledger.CodeTooLarge,
	}
}

func TestOneBadLineAndNothingIsPublished(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	lines := sampleLines()
	want := make([]string, 0, len(badLines()))
	for bad, code := range badLines() {
		lines = append(lines, bad)
		want = append(want, fmt.Sprintf("line %d: %s", len(lines), code))
	}
	lines = append(lines, sampleLines()[0])
	file := write(t, strings.Join(lines, "\r\n\r\n")) // blank lines count, too
	got := b.run(t, "publish", file)
	require.Equal(t, exitNo, got.code, got.stderr)
	for i, line := range want {
		number, rest, _ := strings.Cut(strings.TrimPrefix(line, "line "), ":")
		require.Contains(t, got.stdout, fmt.Sprintf("line %d:%s", 2*atoi(t, number)-1, rest), i)
	}
	require.Contains(t, got.stderr, fmt.Sprintf("%d of %d lines are bad: nothing was published", len(want), len(lines)))
	require.Zero(t, b.logEnd(t))

	got = b.run(t, "publish", file, "--json")
	require.Equal(t, exitNo, got.code)
	result := decode[publication](t, got.stdout)
	require.Zero(t, result.Published)
	require.Len(t, result.Invalid, len(want))
	require.Equal(t, 2, result.Skipped["too_large"])
	require.Zero(t, b.logEnd(t))

	got = b.must(t, "publish", file, "--skip-invalid")
	require.Contains(t, got.stdout, fmt.Sprintf("skipped %d bad lines: amount_negative 1, bad_amount 1, bad_id 2", len(want)))
	require.Contains(t, got.stdout, fmt.Sprintf("published %d events", len(lines)-len(want)))
	require.EqualValues(t, len(lines)-len(want), b.logEnd(t))
}

func atoi(t *testing.T, text string) (n int) {
	t.Helper()
	_, err := fmt.Sscan(text, &n)
	require.NoError(t, err)
	return n
}

func TestStdinIsSpooledAndTheSpoolGone(t *testing.T) {
	t.Parallel()
	spool := t.TempDir()
	b := migrated(t)
	b.environ = append(b.environ, "TMPDIR="+spool)
	got := b.feed(t, strings.TrimSpace(sample), "publish") // without a line's end at the end
	require.Equal(t, exitDone, got.code, got.stderr)
	got = b.feed(t, sample+"{", "publish", "-")
	require.Equal(t, exitNo, got.code)
	require.EqualValues(t, len(sampleLines()), b.logEnd(t))
	left, err := os.ReadDir(spool)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestCtrlCEndsTheWaitForASilentPipe(t *testing.T) {
	t.Parallel()
	silent, writer := io.Pipe()
	defer writer.Close() //nolint:errcheck // nobody reads it any more
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, world{args: []string{"publish"}, stdin: silent, stdout: io.Discard, stderr: io.Discard})
	}()
	_, err := io.WriteString(writer, "{")
	require.NoError(t, err, "it reads")
	cancel()
	select {
	case code := <-ended:
		require.NotEqual(t, exitDone, code)
	case <-time.After(time.Minute):
		require.FailNow(t, "it goes on waiting")
	}
}

func TestDryRunOnlyChecks(t *testing.T) {
	t.Parallel()
	// It needs no servers at all.
	got := books{}.must(t, "publish", write(t, sample), "--dry-run")
	require.Contains(t, got.stdout, "46 events are valid; nothing was published")
	got = books{}.must(t, "publish", write(t, ""), "--dry-run", "--json")
	require.Zero(t, decode[publication](t, got.stdout).Events)
	got = books{}.run(t, "publish", write(t, "{}\n"), "--dry-run", "--skip-invalid")
	require.Equal(t, exitNo, got.code)
}

func TestManyBadLinesAreCutShort(t *testing.T) {
	t.Parallel()
	file := write(t, strings.Repeat("{}\n", 1000))
	got := books{}.run(t, "publish", file, "--dry-run")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "… and 980 more (missing_field 1,000); --json lists all")
	require.Equal(t, maxBadLines+1, strings.Count(got.stdout, "\n"))
	require.Len(t, decode[publication](t, books{}.run(t, "publish", file, "--dry-run", "--json").stdout).Invalid, 1000)
}

func TestOneIdWithTwoContentsIsWarnedOf(t *testing.T) {
	t.Parallel()
	line := sampleLines()[3]
	other := strings.Replace(line, `"value":"4990"`, `"value":"4991"`, 1)
	later := strings.Replace(line, `"time":"2026-03-02`, `"time":"2026-03-03`, 1) // the same content: time is apart
	got := books{}.must(t, "publish", "--dry-run", write(t, strings.Join([]string{line, later, line, other}, "\n")))
	require.Equal(t, 1, strings.Count(got.stderr, "warning"), got.stderr)
	require.Contains(t, got.stderr, "line 4 has the id of line 1")
}

func TestPublishNamesAMissingTopic(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	got := b.run(t, "publish", write(t, sample))
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "tributary migrate")
}

func TestPublishWaitsUntilTheBooksHaveIt(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	got := b.run(t, "publish", write(t, sample), "--wait", "--timeout", "50ms")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "balances is 46 events behind")
	b.project(t)
	got = b.must(t, "publish", write(t, sample), "--wait", "--json")
	result := decode[publication](t, got.stdout)
	require.Equal(t, 46, result.Published)
	require.NotEmpty(t, result.Positions)
	require.Contains(t, b.must(t, "get", "balance", "bank:first:cash").stdout, " 50.00  EUR")
}

func TestHowFarItCameIsSaid(t *testing.T) {
	t.Parallel()
	s := &sending{acknowledged: 7}
	require.NoError(t, s.outcome(nil, 7))
	require.ErrorContains(t, s.outcome(nil, 8), "the input changed while it was read")
	require.ErrorContains(t, s.outcome(context.Canceled, 8), "interrupted after 7 of 8")
	s.done(eventlog.Position{}, io.ErrUnexpectedEOF)
	s.done(eventlog.Position{}, io.EOF)
	require.ErrorIs(t, s.outcome(context.Canceled, 8), io.ErrUnexpectedEOF)
}
