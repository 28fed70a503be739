// Package providers is what the ledger asks of those who take the money: Stripe, PayPal, Coinbase Commerce, BitPay, and the sandbox.
//
//	intent in the log ──▶ Guarded ──▶ Provider ──▶ Outcome ──▶ event in the log
//	                 deadline, retries, circuit breaker       ▲
//	                        webhook ──▶ ParseWebhook ──▶ Notice
//
// An error of a call means one thing alone: it is not known what became of it. What a provider refused is an Outcome. So whoever
// calls may always call again with the same key, or look the outcome up, and never has to guess from an error's kind.
package providers
