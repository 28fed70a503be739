package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestIDsThatCameBeforeAreKnownForAWhile(t *testing.T) {
	t.Parallel()
	var seen seenIDs
	id := func(n uint64) (id uuid.UUID) {
		binary.BigEndian.PutUint64(id[:], n)
		return id
	}
	for n := range uint64(mostSeenIDs + 1) {
		require.False(t, seen.again(id(n)))
	}
	require.True(t, seen.again(id(mostSeenIDs)))
	require.True(t, seen.again(id(1)))
	require.False(t, seen.again(id(0)), "forgotten")
	require.Len(t, seen.ids, mostSeenIDs)
}

// An event that came again does nothing to the books a second time.
func TestTailShowsWhatCameAgainOnce(t *testing.T) {
	t.Parallel()
	b := logged(t)
	const twice = "019cad90-add0-72bf-8f15-cdd4e2b1d255"
	shown := b.must(t, "tail", "--no-follow", "--postings", "--id", twice).stdout
	require.Equal(t, 1, strings.Count(shown, "again, counts once"), shown)
	require.Equal(t, 1, strings.Count(shown, "debit "), shown)
	type line struct {
		Again    bool
		Postings []jsonPosting
	}
	lines := decodeLines[line](t, b.must(t, "tail", "--no-follow", "--postings", "--json", "--id", twice).stdout)
	require.Len(t, lines, 2)
	require.False(t, lines[0].Again)
	require.NotEmpty(t, lines[0].Postings)
	require.True(t, lines[1].Again)
	require.NotNil(t, lines[1].Postings)
	require.Empty(t, lines[1].Postings)
}

func TestTailNeverCutsWhatAnEventIsAbout(t *testing.T) {
	t.Parallel()
	b := topicsOnly(t, logged(t).kafka.Brokers)
	const long = "pay-0123456789abcdef-0123456789abcdef-0123456789abcdef-0123456789abcdef-0123456789abcdef"
	b.must(t, "publish", write(t, strings.NewReplacer("019cad8f", "019dad8f", "pay-1001", long).Replace(sampleLines()[0])))
	events := readWhole(t, b)
	for _, width := range []int{40, 60, 80, 119, 120, 140} {
		var out bytes.Buffer
		p := newTailPrinter(&app{world: world{stdout: &out}}, false)
		p.width = width
		for i := range events {
			p.add(&events[i])
		}
		require.NoError(t, p.end())
		for i := range events {
			require.Contains(t, out.String(), events[i].Event.Subject, "%d columns", width)
		}
	}
}

func TestTailNamesWhatItTakes(t *testing.T) {
	t.Parallel()
	b := logged(t)
	got := b.run(t, "tail", "--since", "nosuch/3@1")
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.stderr, `no topic "nosuch"`)
	require.Contains(t, got.stderr, "tributary.payments, tributary.receivers, tributary.monetization")
	got = b.run(t, "tail", "-n", "all")
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.stderr, "takes a number")
}
