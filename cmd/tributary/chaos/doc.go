// Package chaos holds the tests that run all of Tributary and do to it whatever a machine room does: see docs/faults.md.
//
//	publishers ─ writers ─┐  ┌─ three copies of projectors ─┐        ┌─ readers, which check each answer
//	                      proxies ── Kafka                  proxies ── Postgres, ClickHouse (each on a small disk)
//	                      └──────────── two gateways ───────────┘
//	merchants ── proxies ───────┘            └─── proxy ── sandbox, with its book on disk
//	driver ─ deals faults from a seed: kill, pause, restart; cut, slow, swallow, deafen; fill a disk
//
// The driver keeps its own list of what was acknowledged. In the end the log is compared with that list, the stores with the log, by
// counting and by `tributary verify`; and the provider's book with both.
package chaos
