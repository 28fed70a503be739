package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
)

//go:embed chart.svg.tmpl
var chartTemplate string

// bar is a system's throughput in the chart.
type bar struct {
	Name, Note, Rate string
	Class            measure.Of
	Y, Width         float64
}

// systems are those of the chart: what does much the same lies together.
func systems() []struct{ measure, name, note string } {
	return []struct{ measure, name, note string }{
		{"floor/postgres", "Postgres floor", "rows ready in memory, nothing checked"},
		{"rebuild/balances", "Tributary: balances", "exactly once, entries, proven"},
		{"peer/jdbc-sink", "JDBC sink (Debezium)", "entries alone, at least once"},
		{"peer/streams", "Kafka Streams, exactly once", "totals alone, no event ids"},
		{"peer/transactions-pipelined-4", "A transaction a record, pipelined", "four connections, written by hand"},
		{"peer/transactions-4", "A transaction a record", "four connections, written by hand"},
		{"rebuild/revenue", "Tributary: revenue", "exactly once, in ClickHouse"},
		{"peer/kafka-engine", "ClickHouse's Kafka engine", "at least once"},
		{"follow/all", "Tributary: all six, following", "end to end, publishing included"},
	}
}

// chart draws the throughput of the systems that were measured.
func chart(published *measure.Published) ([]byte, error) {
	const top, step, widest = 64, 44, 360
	var bars []bar
	var rates []float64
	most := 1.0
	for _, system := range systems() {
		line := published.Find(system.measure)
		if line == nil {
			continue
		}
		most = max(most, line.Rate)
		rates = append(rates, line.Rate)
		bars = append(bars, bar{
			Name: system.name, Note: system.note, Rate: measure.Figure(line.Rate), Class: line.Of, Y: float64(top + step*len(bars)),
		})
	}
	for i := range bars {
		bars[i].Width = max(2, widest*rates[i]/most)
	}
	var out bytes.Buffer
	parsed, err := template.New("chart").Funcs(template.FuncMap{
		"add": func(a, b float64) float64 { return a + b },
	}).Parse(chartTemplate)
	if err != nil {
		return nil, fmt.Errorf("the chart's template: %w", err)
	}
	height := top + step*len(bars) + 16 //nolint:mnd // room below the last
	err = parsed.Execute(&out, map[string]any{"Bars": bars, "Height": height, "Inner": height - 1})
	if err != nil {
		return nil, fmt.Errorf("draw the chart: %w", err)
	}
	return out.Bytes(), nil
}
