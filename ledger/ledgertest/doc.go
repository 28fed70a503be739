// Package ledgertest draws valid events for property tests, of every type, from the same descriptors and rules that
// validation reads: what validation lets through, some draw has tried against whatever is under test.
//
//	rapid.Check(t, func(t *rapid.T) {
//		e := ledgertest.Event(t, ledgertest.OfType(ledger.TypePaymentPosted), ledgertest.Extreme())
//		…
//	})
package ledgertest
