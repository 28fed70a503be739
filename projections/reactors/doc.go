// Package reactors are consumers that act, on the projections' runner.
//
// Recovery finishes payments that nobody else did: whoever was at work was killed, or the provider did not answer in time.
//
//	log ──▶ runner ──▶ recovery.tasks: intents without an outcome ──after a grace──▶ payments.Engine.Finish ──▶ outcome in the log
//	                        ▲                                                                                    │
//	                        └──────────────────────── closes the task ◀──────────────────────────────────────────┘
//
// The table is a reminder and decides nothing: Finish reads the payment's own events, and whatever it does it may do again, so it
// does not matter that several copies run, that a task is taken twice, or that the table is built anew from the log.
package reactors
