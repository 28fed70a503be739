// Package storetest is the suite that every store must pass: exactly once, fenced, and in generations, with a crash
// between any two steps. A store shows it a Harness; the suite brings the log, the owners and the crashes.
//
//	suite ──Records──▶ Store A ─┐
//	  │                         ├──▶ tables ◀── Harness.Rows: what readers see
//	  └─────Records──▶ Store B ─┘
//
// The suite's log is in memory, so that a test decides to the record what an owner has seen when it dies.
package storetest
