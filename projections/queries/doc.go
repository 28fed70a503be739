// Package queries is the read half of the HTTP API: answers from the projections, each of one moment.
//
//	request ──?after=──▶ a store that is past it (a standby, else the primary) ──▶ the projection's reader ──▶ JSON
//	   └──receipt, balance──▶ kept as answered ──not fresh any more──▶ a look at the version, of many at once
//
// A goroutine a store looks at how far projections are, and so knows which stores are up and keep up; requests that wait for a
// position are told by it. A read that fails on one store is asked of another.
//
// What names no position is at most a second old: a standby that reads go to shows what the primary showed half a second before,
// and what is kept is given again for two fifths of one, or for as long as nothing is committed.
package queries
