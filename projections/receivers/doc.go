// Package receivers keeps what became of every receiver, an address that waits for a payment on a chain, and of every
// payment to it.
//
//	receiver.* ──fold──▶ receivers  a row a receiver: what it asks for, when it expired
//	                └──▶ payments   a row an output (txid, vout): how far it is, and how much it pays
//	                                  │
//	books.receivers ◀── a sum of a few rows by index: state, pending, confirmed
//
// A row is a value that merges, commutatively and associatively: of several events that set a field the one with the highest
// (rank, time, id) counts, of times that only say when something was first so, the earliest. What depends on both tables is
// computed by the view. So the order in which events arrive never shows. The rules:
//
//   - A receiver's fields come from one event: ranked created, payment_confirmed, payment_detected, payment_reversed, expired;
//     of several of a rank the latest. Only what it asks for (amounts, rate, expires_at) and created_at are created's alone.
//     callback_url comes from the last created that names one, else from the last callback.
//   - A payment's state, asset and amount come from one event: ranked reversed, confirmed, detected. A payment that was
//     reversed stays so, whatever comes later. instant_locked comes from the highest event that says it.
//   - pending and confirmed are what the receiver's payments in state detected and confirmed add up to, in the asset of the
//     amount due. Assets never add up: what comes in another is a row of payments, and counts for nothing here.
//   - A receiver's state is the first that holds: overpaid (confirmed > due), paid (confirmed ≥ due), underpaid_expired
//     (something confirmed, and expired), partial (something confirmed), detected (something pending), expired, waiting. Expired
//     is what an event says: the clock expires nobody. A due of zero asks for any amount: it is paid as soon as something is
//     confirmed, and never overpaid. Where created is not known neither is the due: nothing pays it.
//   - A payment is late when it was first seen after the receiver's expires_at or after its first expired event: by its
//     detection or, where that is not known, by the earliest of its other events.
//   - detected_at and confirmed_at are of the earliest such event, updated_at of the receiver's latest.
package receivers
