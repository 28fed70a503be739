package quarantine

import "github.com/tributary-ledger/tributary/projections/postgres"

// Readers are its view.
func (*Projection) Readers() []postgres.ReaderView {
	return []postgres.ReaderView{{Name: "books.quarantine", Key: postgres.PositionColumns()}}
}
