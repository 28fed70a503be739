package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
)

const docs = "../../../docs"

func TestPagesAreFresh(t *testing.T) {
	t.Parallel()
	published, err := measure.Read[measure.Published](docs + "/performance.json")
	require.NoError(t, err)
	pages, err := render(docs, published)
	require.NoError(t, err)
	require.Len(t, pages, 2)
	for path, wanted := range pages {
		found, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(wanted), string(found), "%s does not show docs/performance.json: go run ./cmd/bench/report", path)
	}
}

func line(name string, of measure.Of, rate float64) measure.Line {
	return measure.Line{Name: name, Of: of, Unit: measure.EventsPerSecond, Rate: rate, Results: []measure.Result{{Rate: rate}}}
}

func TestFiguresAreThoseOfTheLastRun(t *testing.T) {
	t.Parallel()
	met := true
	product := line("rebuild/balances", measure.Product, 80_000)
	product.Against, product.Ratio, product.Goal, product.Met, product.PeakRSS = "floor/postgres", 0.8, 0.75, &met, 300<<20
	peer := line("peer/jdbc-sink", measure.Peer, 40_000)
	peer.Against, peer.Ratio, peer.Goal, peer.Met = "rebuild/balances", 2, 1.2, &met
	published := &measure.Published{Runs: []*measure.Report{
		{Lines: []measure.Line{line("floor/postgres", measure.Floor, 90_000)}},
		{Lines: []measure.Line{line("floor/postgres", measure.Floor, 100_000), product, peer}},
	}}
	following, growing := line("follow/all", measure.Product, 40_000), line("growth/ids-v7", measure.Product, 0.9)
	following.Results[0].Extra = map[string]float64{
		measure.ThisProcess + measure.PerMillion: 4.25, measure.Projectors + measure.PerMillion: 11,
	}
	growing.Results[0].Extra = map[string]float64{"events_per_second_at_1M": 91_000, "events_per_second_at_20M": 81_000}
	growingRandom := line("growth/ids-random", measure.Product, 0.7)
	published.Runs[1].Lines = append(published.Runs[1].Lines, following, growing, growingRandom)
	var marks string
	for _, name := range []string{"goals", "rates", "runs", "processors", "growth"} {
		marks += "<!-- figures: " + name + " -->\nold\n<!-- end -->\n"
	}
	page, err := fillIn(marks, published)
	require.NoError(t, err)
	require.Contains(t, page, "| `rebuild/balances` ÷ `floor/postgres` | 0.80 | ≥ 0.75 | met |")
	require.Contains(t, page, "| `rebuild/balances` ÷ `peer/jdbc-sink` | 2.00 | ≥ 1.2 | met |")
	require.Contains(t, page, "300 MiB | ≤ 256 | **not met** |")
	require.Contains(t, page, "100,000 events/s")
	require.NotContains(t, page, "90,000")
	require.Contains(t, page, "| projectors | 11.0 |")
	require.Contains(t, page, "| all | 15.2 |")
	require.Contains(t, page, "| v7 | 91,000 events/s | not reached | not reached | 81,000 events/s | 0.90 |")
	require.NotContains(t, page, "old")

	_, err = fillIn("no marks", published)
	require.Error(t, err)
}

func TestChartIsAPicture(t *testing.T) {
	t.Parallel()
	picture, err := chart(&measure.Published{Runs: []*measure.Report{{Lines: []measure.Line{
		line("floor/postgres", measure.Floor, 100_000), line("rebuild/balances", measure.Product, 50_000),
	}}}})
	require.NoError(t, err)
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for err == nil {
		_, err = decoder.Token()
	}
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 1, strings.Count(string(picture), `width="360"`), "the fastest takes all of the width")
	require.Equal(t, 1, strings.Count(string(picture), `width="180"`))
}
