// Package payments takes a payment through its life at a provider: start, post, refund, fail.
//
//	intent ──append──▶ log ──own events, in order──▶ Fold: may it? ──yes──▶ provider ──outcome──▶ append
//	                                                     └──no──▶ Refusal
//
// Nothing is decided from anything but the payment's own events in the log's order, and every outcome has an id that follows from
// the payment. So it does not matter who carries on: the gateway that was asked, another one that was asked again, a provider's
// webhook, or the recovery after a crash. All of them come to the same decision, call the provider with the same key, and append
// the same event. A process can be killed between any two steps, and whoever comes next finishes.
package payments
