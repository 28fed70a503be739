package receipts

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// writes are a batch's rows.
type writes struct {
	folded

	generation postgres.Generation
	movements  *postgres.Insert
}

// Prepare folds the records.
func (*Projection) Prepare(
	_ context.Context, generation postgres.Generation, records []eventlog.Record,
) (postgres.Writes, error) {
	f := fold(records)
	return &writes{f, generation, movementRows(generation, f.movements)}, nil
}

// Write merges payments and refunds with what is there, and adds the movements.
func (w *writes) Write(ctx context.Context, tx pgx.Tx) error {
	payments, refunds := mergingPayments(w.generation), mergingRefunds(w.generation)
	if err := payments.Write(ctx, tx, w.payments); err != nil {
		return err
	}
	if err := refunds.Write(ctx, tx, w.refunds); err != nil {
		return err
	}
	if err := w.movements.Write(ctx, tx); err != nil {
		return fmt.Errorf("add movements: %w", err)
	}
	return nil
}

func movementRows(generation postgres.Generation, movements []movement) *postgres.Insert {
	const rowBytes = 128
	columns := []postgres.Column{
		{Name: "kind", OID: postgres.OIDInt2},
		{Name: "event_id", OID: postgres.OIDUUID},
		{Name: "ledger", OID: postgres.OIDText},
		{Name: "payment_id", OID: postgres.OIDText},
		{Name: "provider", OID: postgres.OIDText},
		{Name: "reference", OID: postgres.OIDText},
	}
	return postgres.NewInsert(generation.Table("movements"), columns, len(movements), rowBytes, func(f *postgres.Fields, row int) {
		m := &movements[row]
		f.Int2(m.kind)
		f.UUID(m.event)
		f.Text(m.ledger)
		f.Text(m.payment)
		f.Text(m.provider)
		f.Text(m.reference)
	})
}

func mergingPayments(generation postgres.Generation) *postgres.Merging[payment] {
	text, timestamp, numeric := uint32(postgres.OIDText), uint32(postgres.OIDTimestamptz), uint32(postgres.OIDNumeric)
	return &postgres.Merging[payment]{
		Table: generation.Table("payments"),
		Keys:  []postgres.Column{{Name: "ledger", OID: text}, {Name: "payment_id", OID: text}},
		Columns: []postgres.Column{
			{Name: "state", OID: postgres.OIDInt2},
			{Name: "merchant_id", OID: text},
			{Name: "user_id", OID: text},
			{Name: "provider", OID: text},
			{Name: "payment_type", OID: text},
			{Name: "asset_code", OID: text},
			{Name: "amount", OID: numeric},
			{Name: "fee", OID: numeric},
			{Name: "refunded", OID: numeric},
			{Name: "disputed", OID: numeric},
			{Name: "receipt_id", OID: text},
			{Name: "transaction_id", OID: text},
			{Name: "started_at", OID: timestamp},
			{Name: "posted_at", OID: timestamp},
			{Name: "updated_at", OID: timestamp},
			{Name: "receipt_updated_at", OID: timestamp},
			{Name: "version", OID: postgres.OIDInt4},
			{Name: "facts", OID: postgres.OIDBytea},
			{Name: "lines", OID: text, Keep: true},
		},
		PutKeys: func(f *postgres.Fields, p *payment) {
			f.Text(p.ledger)
			f.Text(p.id)
		},
		Put:   putPayment,
		Merge: (*payment).merge,
	}
}

func putPayment(f *postgres.Fields, p *payment) {
	facts := p.facts[:]
	own, post := p.inAsset(), &p.facts[posted]
	f.Int2(int16(p.state()))
	f.NullableText(first(facts, func(f *fact) string { return f.merchant }))
	f.NullableText(first(facts, func(f *fact) string { return f.user }))
	f.NullableText(first(facts, func(f *fact) string { return f.provider }))
	f.NullableText(first(facts, func(f *fact) string { return f.paymentType }))
	f.NullableText(p.asset())
	if amount := p.amount(); amount != nil {
		f.Amount(amount.amount)
	} else {
		f.Null()
	}
	putFee(f, post)
	f.Sum(own.refunded)
	f.Sum(own.disputed())
	f.NullableText(post.receipt)
	f.NullableText(first(facts, func(f *fact) string { return f.transaction }))
	putTime(f, p.facts[started].known, p.facts[started].at)
	putTime(f, post.known, post.at)
	f.Micros(p.latest)
	putTime(f, post.known, p.receiptLatest)
	f.Int4(int32(p.posts + p.refunds)) //nolint:gosec // No payment has as many events.
	f.Bytes(p.pack())
	if post.fresh {
		f.Text(string(linesJSON(post.lines)))
	} else {
		f.Null()
	}
}

func putFee(f *postgres.Fields, said *fact) {
	if said.hasFee {
		f.Amount(said.fee)
	} else {
		f.Null()
	}
}

func putTime(f *postgres.Fields, known bool, micros int64) {
	if known {
		f.Micros(micros)
	} else {
		f.Null()
	}
}

func mergingRefunds(generation postgres.Generation) *postgres.Merging[refund] {
	text, numeric := uint32(postgres.OIDText), uint32(postgres.OIDNumeric)
	return &postgres.Merging[refund]{
		Table: generation.Table("refunds"),
		Keys: []postgres.Column{
			{Name: "ledger", OID: text}, {Name: "payment_id", OID: text}, {Name: "refund_id", OID: text},
		},
		Columns: []postgres.Column{
			{Name: "state", OID: postgres.OIDInt2},
			{Name: "occurred_at", OID: postgres.OIDTimestamptz},
			{Name: "merchant_id", OID: text},
			{Name: "asset_code", OID: text},
			{Name: "amount", OID: numeric},
			{Name: "fee_returned", OID: numeric},
			{Name: "reason", OID: text},
			{Name: "facts", OID: postgres.OIDBytea},
		},
		PutKeys: func(f *postgres.Fields, r *refund) {
			f.Text(r.ledger)
			f.Text(r.payment)
			f.Text(r.id)
		},
		Put:   putRefund,
		Merge: (*refund).merge,
	}
}

func putRefund(f *postgres.Fields, r *refund) {
	deciding := r.deciding()
	f.Int2(int16(refundFacts - deciding)) //nolint:gosec // 1 to 3.
	f.Micros(r.facts[deciding].at)
	f.NullableText(r.facts[refundDone].merchant)
	f.NullableText(first(r.facts[:], func(f *fact) string { return f.asset }))
	switch {
	case r.facts[refundDone].known:
		f.Amount(r.facts[refundDone].amount)
	case r.facts[refundRequested].known:
		f.Amount(r.facts[refundRequested].amount)
	default:
		f.Null()
	}
	putFee(f, &r.facts[refundDone])
	f.NullableText(first(r.facts[:], func(f *fact) string { return f.reason }))
	f.Bytes(r.pack())
}

// linesJSON packs lines, an array each: the function receipts.lines gives the fields their names back.
func linesJSON(lines []*eventsv1.Line) []byte {
	const lineBytes = 80
	doc := append(make([]byte, 0, 2+len(lines)*lineBytes), '[')
	for i, line := range lines {
		if i > 0 {
			doc = append(doc, ',')
		}
		price := line.GetUnitPrice()
		doc = append(appendOptional(append(doc, '['), line.GetSku()), ',')
		doc = append(appendOptional(doc, line.GetDescription()), ',')
		doc = append(appendString(doc, line.GetQuantity()), ',')
		doc = append(appendString(doc, price.GetValue()), ',')
		doc = append(appendString(doc, price.GetAssetCode()), ',')
		doc = append(strconv.AppendUint(doc, uint64(price.GetAssetScale()), 10), ']')
	}
	return append(doc, ']')
}

// appendOptional appends a JSON string, null where it is empty.
func appendOptional(doc []byte, s string) []byte {
	if s == "" {
		return append(doc, "null"...)
	}
	return appendString(doc, s)
}

// appendString appends a JSON string.
func appendString(doc []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // Every string has a form in JSON.
			}
			return append(doc, quoted...)
		}
	}
	return append(append(append(doc, '"'), s...), '"')
}
