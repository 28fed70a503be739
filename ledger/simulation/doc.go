// Package simulation makes up a realistic stream of events: a platform's payments, receivers, sites, settlements, payouts
// and journals, of every type, each thing living its life in order, busy merchants far busier than others, with the rhythm of
// days, weeks and years. The same options give the same events on any machine, so that a seed and a number name a workload.
//
//	rhythm ──▶ arrivals ──▶ story (payment, receiver, session, …) ──advance──▶ event, and when the story goes on
//	                           ▲    │                                  │  │
//	                           │    └── tells its effect ──▶ tally     │  └──▶ traffic ──▶ message: late, twice, conflicting, bad
//	                           └─────── queue: the soonest story next ◀┘
//
// A story tells one thing's life, an event at a time; the world is what stories share: who there is, who owes what, and
// the random draws. Everything is decided in integers by a generator whose output is specified, in one goroutine: floats
// may round otherwise on another processor, and the library's own draws and map orders promise nothing. Time zones have rules of
// our own, because those of machines differ.
//
// Expected is what the tables must come to. A story says itself what each of its events does, to which account, receiver or
// month, in whole numbers of the smallest units; it knows nothing of postings, ranks and folds. So it proves the books from
// the other end than the log does: an error that the ledger and both of its folds have in common shows here.
//
// Memory is bounded by the number of open stories (the soonest goes on early when there are too many) and of accounts, and with
// Expected by that of accounts and of the months in which owners earned; never by that of events.
package simulation
