// Package batcher gathers what a site earns and reports it to a gateway, in batches that count once, whatever fails in between.
//
//	Add ──▶ open batch (memory) ──full, old, Flush──▶ file (synced) ──▶ POST /v1/monetization/batches ──2xx──▶ file removed
//	                                                       ▲                      │
//	                                                       └──────── again ◀── away, slow, 429, 5xx
//
// A batch's name is its Idempotency-Key, so that one whose answer was lost is sent again as often as it takes. Files outlive the process:
// the next one on the same folder goes on with them. What a crash loses is the open batch, which Flush makes a file of.
package batcher
