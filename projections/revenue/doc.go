// Package revenue keeps what came in, in ClickHouse, for any period in any time zone: what merchants were paid by their
// customers and on chains, and what sites earned from their readers.
//
//	payment.posted, refunded, dispute_lost ─┐               ┌─▶ events  a row an event, with
//	receiver.payment_confirmed, reversed ───┼─fold, a row──▶│      └─▶ quarter_hours: sums by owner, post, asset …
//	monetization.received ──────────────────┘   an event    │             ▲ by_hour, by_day, by_month, …, and the same _in a zone
//	post.published ─────────────────────────────────────────┴─▶ posts   titles: of several events the latest (time, id)
//
// The rules:
//
//   - net = gross − refunds − fees. Payments: gross is the amount posted, fees the platform's fee less what refunds gave back of
//     it; a lost dispute is a refund. Receivers: a confirmed payment is gross, its reversal after that a refund. Monetization
//     is all gross. Each counts when it happened, in its own asset; an amount of zero counts as an event.
//   - A time zone's clocks are set at whole quarter hours of UTC, and its offsets are whole quarter hours: so the sums of
//     quarter hours hold the hours, days and months of every zone. zones.go has the few times and places where that is not
//     so: there a view refuses to answer.
//   - An hour in a zone is as long as its clock shows it: it begins when the clock first shows the hour, or is set. The hour that
//     comes twice when clocks go back is two.
//   - Dates and instants begin in 1970 here. What happened then, while it was still 1969 in a zone, counts to the first day
//     of 1970 there.
package revenue
