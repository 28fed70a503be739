package receivers

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// writes are a batch's rows.
type writes struct {
	folded

	generation postgres.Generation
}

// Prepare folds the records.
func (*Projection) Prepare(
	_ context.Context, generation postgres.Generation, records []eventlog.Record,
) (postgres.Writes, error) {
	return &writes{fold(records), generation}, nil
}

// Write merges receivers and payments with what is there.
func (w *writes) Write(ctx context.Context, tx pgx.Tx) error {
	if err := mergingReceivers(w.generation).Write(ctx, tx, w.receivers); err != nil {
		return err
	}
	return mergingPayments(w.generation).Write(ctx, tx, w.payments)
}

func mergingReceivers(generation postgres.Generation) *postgres.Merging[receiver] {
	text, timestamp, numeric := uint32(postgres.OIDText), uint32(postgres.OIDTimestamptz), uint32(postgres.OIDNumeric)
	return &postgres.Merging[receiver]{
		Table: generation.Table("receivers"),
		Keys:  []postgres.Column{{Name: "ledger", OID: text}, {Name: "receiver_id", OID: text}},
		Columns: []postgres.Column{
			{Name: "merchant_id", OID: text},
			{Name: "chain", OID: text},
			{Name: "address", OID: text},
			{Name: "asset_code", OID: text},
			{Name: "amount_due", OID: numeric},
			{Name: "amount_fiat", OID: numeric},
			{Name: "fiat_code", OID: text},
			{Name: "base_fiat", OID: numeric},
			{Name: "callback_url", OID: text},
			{Name: "expires_at", OID: timestamp},
			{Name: "expired_at", OID: timestamp},
			{Name: "created_at", OID: timestamp},
			{Name: "updated_at", OID: timestamp},
			{Name: "facts", OID: postgres.OIDBytea},
		},
		PutKeys: func(f *postgres.Fields, r *receiver) {
			f.Text(r.ledger)
			f.Text(r.id)
		},
		Put:   putReceiver,
		Merge: (*receiver).merge,
	}
}

func putReceiver(f *postgres.Fields, r *receiver) {
	said, created := &r.said, r.said.rank == rankCreated
	f.NullableText(said.merchant)
	f.NullableText(said.chain)
	f.NullableText(said.address)
	f.NullableText(said.asset)
	putAmount(f, created, said.due)
	putAmount(f, created, said.fiat)
	f.NullableText(said.fiatCode)
	putAmount(f, created, said.rate)
	f.NullableText(r.callback.url)
	said.expires.put(f)
	r.expired.put(f)
	if created {
		f.Micros(said.at)
	} else {
		f.Null()
	}
	f.Micros(r.latest)
	f.Bytes(r.pack())
}

func putAmount(f *postgres.Fields, known bool, amount ledger.Amount) {
	if known {
		f.Amount(amount)
	} else {
		f.Null()
	}
}

func mergingPayments(generation postgres.Generation) *postgres.Merging[payment] {
	text, timestamp := uint32(postgres.OIDText), uint32(postgres.OIDTimestamptz)
	return &postgres.Merging[payment]{
		Table: generation.Table("payments"),
		Keys: []postgres.Column{
			{Name: "ledger", OID: text},
			{Name: "receiver_id", OID: text},
			{Name: "txid", OID: text},
			{Name: "vout", OID: postgres.OIDInt8},
		},
		Columns: []postgres.Column{
			{Name: "state", OID: postgres.OIDInt2},
			{Name: "event_id", OID: postgres.OIDUUID},
			{Name: "asset_code", OID: text},
			{Name: "amount", OID: postgres.OIDNumeric},
			{Name: "instant_locked", OID: postgres.OIDBool},
			{Name: "seen_at", OID: timestamp},
			{Name: "detected_at", OID: timestamp},
			{Name: "confirmed_at", OID: timestamp},
			{Name: "facts", OID: postgres.OIDBytea},
		},
		PutKeys: func(f *postgres.Fields, p *payment) {
			f.Text(p.ledger)
			f.Text(p.receiver)
			f.Text(p.txid)
			f.Int8(int64(p.vout))
		},
		Put:   putPayment,
		Merge: (*payment).merge,
	}
}

func putPayment(f *postgres.Fields, p *payment) {
	f.Int2(p.said.rank)
	f.UUID(p.said.id)
	f.Text(p.said.asset)
	f.Amount(p.said.amount)
	if p.locked.known() {
		f.Bool(p.locked.locked)
	} else {
		f.Null()
	}
	seen := p.seen()
	seen.put(f)
	p.first[stateDetected-1].put(f)
	p.first[stateConfirmed-1].put(f)
	f.Bytes(p.pack())
}
