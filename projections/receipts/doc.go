// Package receipts keeps what became of every payment: its state, its receipt, its refunds.
//
//	payment.* ──fold──▶ payments   a row a payment: the best known of each field, sums, the receipt's lines
//	               ├──▶ refunds    a row a refund
//	               └──▶ movements  a row an event that moved money, by provider and transaction
//
// A row is a value that merges: it holds, for each type of event, the one that happened last (of several at once the one
// with the highest id), and sums. Merging is commutative and associative, and every column that readers see is a function
// of the merged value alone, so the order in which events arrive never shows. The rules:
//
//   - A field comes from the first of these that names it: posted, post_requested, started, prepared, failed, refunded,
//     dispute (opened, won or lost). Amount comes from the first three only. What a posting leaves out it says all the same:
//     its receipt_id is the payment_id then, its fee none, its lines empty.
//   - refunded is the sum of all payment.refunded events in the payment's asset, each event id once, even where two share a
//     refund_id: both moved money. disputed is the greater of opened − won and lost, sums as well. Assets never add up: what
//     moved in another one counts for the state alone.
//   - state is the first that holds: refunded (posted, and refunded ≥ the posted amount, by a refund in that asset),
//     partially_refunded (any payment.refunded), disputed (more than nothing is, in some asset), posted, failed, cancelled,
//     post_requested, prepared, started; and disputed for a payment known by nothing but a dispute that was won.
//   - updated_at is the latest of the payment's events; requests to refund and their failures belong to the refund alone.
//   - A receipt is a posted payment. Its version counts its payment.posted and payment.refunded events, and its updated_at is
//     the latest of those: both change whenever it does.
//   - A refund's state is refunded, else failed, else requested; occurred_at is of the event that decided the state, and the
//     other fields come from the first of the three that names them.
package receipts
