package balances

import "github.com/tributary-ledger/tributary/projections/postgres"

// Readers are its views.
func (*Projection) Readers() []postgres.ReaderView {
	position := postgres.PositionColumns()
	return []postgres.ReaderView{
		postgres.IdentityView(Name),
		{Name: "books.account_balances", Key: postgres.KeyInLedger("account", "asset_code"), Sums: "books.entries"},
		{Name: "books.entries", Key: []string{"event_id", "entry"}, Copy: append(position, "recorded_at")},
		{Name: "books.conflicts", Key: position, Copy: []string{"kept_topic", "kept_partition", "kept_kafka_offset"}},
	}
}
