// Package foldtest gives the tests of a projection its tables in a line, and two ways of filling them: straight through
// the store, with records whose places in the log the test chooses, and by the real runner from a real log.
//
//	pool := foldtest.Open(t, receipts.New())
//	owner := foldtest.Own(t, pool, receipts.New())
//	owner.Commit(t, foldtest.Record(event, 3, 1042))
package foldtest
