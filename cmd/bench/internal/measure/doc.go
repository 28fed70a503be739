// Package measure runs measures on servers that they share, some of the product, some of floors and peers that the product is
// divided by, turn by turn, so that what else the machine does hits both.
//
//	Bed ── servers, logs filled with simulated events, empty stores, processes ──▶ Measure.Run ──▶ Result
//	Run ── each measure in turn, round after round ──▶ Report ──▶ table, JSON
//
// Only ratios within a run say something: a machine's rates change from hour to hour, and with its neighbours.
package measure
