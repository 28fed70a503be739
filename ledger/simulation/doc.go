// Package simulation makes up a realistic stream of events: a platform's payments, receivers, sites, settlements, payouts
// and journals, of every type, each thing living its life in order, busy merchants far busier than others. The same
// options give the same events on any machine, so that a seed and a number name a workload.
//
//	arrivals ──▶ story (payment, receiver, session, …) ──advance──▶ event, and when the story goes on
//	                 ▲                                                   │
//	                 └──────── queue: the soonest story next ◀───────────┘
//
// A story tells one thing's life, an event at a time; the world is what stories share: who there is, who owes what, and
// the random draws. Everything is decided in integers by a generator whose output is specified, in one goroutine: floats
// may round otherwise on another processor, and the library's own draws and map orders promise nothing. Memory is bounded by the
// number of open stories (the soonest goes on early when there are too many) and of accounts, never by that of events.
package simulation
