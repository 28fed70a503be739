package foldtest

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
)

// Histories runs testdata/histories of the package, which has events and below them the books that follow. Each history is played
// forwards, an event a batch, and backwards, with copies: the books must be the same. An event is a line: its time (an hour and minute
// stand for those of 1 March 2026), its type after prefix and without the version, its data. Ids follow from the line's number, the subject
// from the data.
func Histories(t *testing.T, prefix string, play func(testing.TB, iter.Seq[[]*ledger.Event]) string) {
	t.Helper()
	datadriven.RunTest(t, "testdata/histories", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(d.Input), "\n")
		events := make([]*ledger.Event, len(lines))
		for n, line := range lines {
			events[n] = example(t, n, prefix, line)
		}
		books := play(t, slices.Chunk(events, len(events)))
		require.Equal(t, books, play(t, slices.Chunk(events, 1)), "an event a batch")
		slices.Reverse(events)
		require.Equal(t, books, play(t, slices.Chunk(slices.Concat(events, events), 2)), "backwards, and again")
		return books
	})
}

// OrderNeverShows plays what history draws in one batch, and then in any order, on any partitions, in any batches, an event twice: the
// books must be the same.
func OrderNeverShows(
	t *testing.T, history func(*rapid.T) []*ledger.Event, play func(testing.TB, iter.Seq[[]*ledger.Event]) string,
) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		events := history(rt)
		straight := play(t, slices.Chunk(events, len(events)))
		order := rapid.Permutation(slices.Concat(events, events[:1])).Draw(rt, "order")
		shuffled := play(t, slices.Chunk(order, rapid.IntRange(1, 4).Draw(rt, "batch")))
		if straight != shuffled {
			rt.Fatalf("in one batch:\n%s\nshuffled:\n%s", straight, shuffled)
		}
	})
}

func example(t testing.TB, n int, prefix, line string) *ledger.Event {
	t.Helper()
	at, rest, _ := strings.Cut(line, " ")
	name, data, _ := strings.Cut(rest, " ")
	if !strings.Contains(at, "T") {
		at = "2026-03-01T" + at + ":00Z"
	}
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(data), &fields), line)
	subject := fields["payment_id"]
	for _, field := range []string{"receiver_id", "plugin_id"} {
		if id, ok := fields[field]; ok {
			subject = id
		}
	}
	doc := fmt.Sprintf(`{"specversion": "1.0", "id": "00000000-0000-0000-0000-%012d", "source": "urn:test",
		"type": "tributary.%s%s.v1", "time": %q, "subject": %q, "data": %s}`, n+1, prefix, name, at, subject, data)
	event, invalid := ledger.DecodeJSON([]byte(doc), ledger.Strict)
	require.Nil(t, invalid, line)
	return event
}
