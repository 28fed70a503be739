package receipts

import "github.com/tributary-ledger/tributary/projections/postgres"

// Readers are its views, and its part of the orphans.
func (*Projection) Readers() []postgres.ReaderView {
	const payment = "ARRAY[payment_id]"
	return []postgres.ReaderView{
		postgres.IdentityView(Name),
		{Name: "books.payments", Key: postgres.KeyInLedger("payment_id"), Subjects: payment},
		{Name: "books.receipts", Key: postgres.KeyInLedger("payment_id"), Subjects: payment},
		{Name: "books.refunds", Key: postgres.KeyInLedger("payment_id", "refund_id"), Subjects: payment},
		{Name: "books.repeated_transactions", Key: postgres.KeyInLedger("provider", "transaction_id"), Subjects: "payment_ids"},
		{
			Name: "books.orphans", Where: "kind IN ('refund', 'dispute')", Key: []string{"event_id"}, Copy: postgres.PositionColumns(),
		},
	}
}
