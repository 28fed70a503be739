package receivers

import "github.com/tributary-ledger/tributary/projections/postgres"

// Readers are its views, and its part of the orphans.
func (*Projection) Readers() []postgres.ReaderView {
	const receiver = "ARRAY[receiver_id]"
	return []postgres.ReaderView{
		postgres.IdentityView(Name),
		{Name: "books.receivers", Key: postgres.KeyInLedger("receiver_id"), Subjects: receiver},
		{Name: "books.receiver_payments", Key: postgres.KeyInLedger("receiver_id", "txid", "vout"), Subjects: receiver},
		{
			Name: "books.orphans", Where: "kind = 'receiver_payment'", Key: []string{"event_id"}, Copy: postgres.PositionColumns(),
		},
	}
}
