// Package spill sorts more records than memory holds.
//
//	Add ─▶ memory ─(full)▶ sorted runs in a temporary file ─▶ merged by Each, in order
//
// What fits in memory never touches the disk. The file has no name from the moment it is open, so nothing of it is left
// behind, however the process ends.
package spill
