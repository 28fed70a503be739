// Package replay builds a projection's tables anew from the log, while the old ones are read and written, proves the new ones,
// and makes them live.
//
//	build ──▶ catch up ──▶ hold at the vector of a snapshot of the live tables ──▶ prove from the log ──▶ compare with live ──▶ swap
//	  ▲          │                                                                                              │
//	  └── killed anywhere: the next one goes on                              differs: refused, unless accepted ─┘
//
// What it has done so far is in the stores alone: the generation in tributary.generations, how far it is in tributary.progress. A
// generation is "building" until it was live once, so that what is left of a killed replay is told from what a swap replaced.
// One replay of a projection runs at a time, by an advisory lock of Postgres; one that lost its lock without knowing is refused by
// the epochs of its partitions, as any projector is.
package replay
