// Command report puts the figures of benchmark runs into the documentation: it writes them to docs/performance.json, and from that the
// tables of docs/performance.md and the chart of throughput.
//
//	make bench BENCH_ARGS='--repeat 3 --json bench.json'
//	go run ./cmd/bench/report bench.json
//
// Several runs may be named; of a measure that is in more than one, the last counts. Without any the pages are made anew from
// docs/performance.json.
package main
