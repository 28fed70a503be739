// Command bench measures Tributary beside floors, the smallest programs that could do the same, and on request beside peers, in one
// run on servers of its own, and prints rates and ratios. See docs/performance.md, or:
//
//	make bench
//	make bench BENCH_OF='balances|revenue' BENCH_ARGS='--repeat 3 --json bench.json'
package main
