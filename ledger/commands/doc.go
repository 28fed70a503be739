// Package commands is the write half of the HTTP API: requests become events, and are acknowledged when the log has them.
//
//	request ──▶ events (ids derived from the Idempotency-Key) ──▶ Log ──▶ 2xx with Tributary-Position
//	                 └──refused by ledger.Validate──▶ problem+json
//
// It reads no projection: what it has to know of a payment comes from the payment's own events (History).
package commands
