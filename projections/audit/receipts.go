package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	checkPayments  = "every payment is as the log says"
	checkReceipts  = "every receipt is as the log says"
	checkRefunds   = "every refund is as the log says"
	checkMovements = "movements are the events that moved money"

	paymentsView   = "books.payments"
	receiptsView   = "books.receipts"
	refundsView    = "books.refunds"
	movementsTable = "receipts.movements"
)

// receipts is the reference of payments, receipts and refunds.
type receipts struct {
	examination *examination
	words       words
	payments    map[string]*payment // By ledger and payment.
	refunds     map[string]*refund  // By ledger, payment and refund.
	digester    digester
}

func newReceipts(a *Auditor, e *examination) model {
	e.ids = &identities{}
	e.found.expect(checkProgress, checkPast, checkIdentities, checkPayments, checkReceipts, checkRefunds, checkMovements)
	return &receipts{e, words{}, map[string]*payment{}, map[string]*refund{}, digester{seed: a.seed}}
}

func (r *receipts) wants(record *eventlog.Record) bool {
	return record.Event != nil && strings.HasPrefix(string(record.Event.Type), "tributary.payment.")
}

// keys are those of the payment and of the refund that an event is about; either is empty where it is about none.
func (r *receipts) keys(event *ledger.Event) (payment, refund string) {
	payment = keyOf(event.Ledger, event.Subject)
	if data, ok := event.Data.(interface{ GetRefundId() string }); ok {
		refund = keyOf(event.Ledger, event.Subject, data.GetRefundId())
	}
	if event.Type == ledger.TypePaymentRefundRequested || event.Type == ledger.TypePaymentRefundFailed {
		payment = ""
	}
	return payment, refund
}

func (r *receipts) fold(record *eventlog.Record, s *slot) {
	heard := r.words.hear(record.Event)
	paymentKey, refundKey := r.keys(record.Event)
	if paymentKey != "" {
		p, ok := r.payments[paymentKey]
		if !ok {
			p = &payment{}
			r.payments[paymentKey] = p
		}
		p.hear(heard)
	}
	if refundKey != "" {
		f, ok := r.refunds[refundKey]
		if !ok {
			f = &refund{}
			r.refunds[refundKey] = f
		}
		f.facts = f.facts.hear(heard, heard.kind)
	}
	if kind, reference := movement(record.Event.Data); kind != "" {
		s.digest += r.movement(kind, record.Event.Ledger, record.Event.Subject, heard.provider, reference)
	}
}

// movement is the kind of movement that an event is, and by what its provider knows it.
func movement(data ledger.Data) (kind, reference string) {
	switch d := data.(type) {
	case *eventsv1.PaymentPosted:
		return "1", d.GetTransactionId()
	case *eventsv1.PaymentRefunded:
		return "2", d.GetRefundId()
	case interface{ GetDisputeId() string }:
		return "3", d.GetDisputeId()
	default:
		return "", ""
	}
}

func (r *receipts) movement(cells ...string) uint64 {
	for _, cell := range cells {
		r.digester.text(cell)
	}
	return r.digester.sum()
}

func (r *receipts) touches(traces []string, record *eventlog.Record) []string {
	payment, refund := r.keys(record.Event)
	return append(traces, traceRow(paymentsView, payment), traceRow(receiptsView, payment), traceRow(refundsView, refund))
}

func (r *receipts) compare(ctx context.Context, s *snapshot) error {
	found := &r.examination.found
	payments := table{
		name: paymentsView, keys: texts("ledger", "payment_id"),
		values: append(texts("state", "merchant_id", "user_id", "provider", "payment_type", "asset_code", "receipt_id",
			"transaction_id", "started_at", "posted_at", "updated_at"), amounts("amount", "refunded", "disputed")...),
	}
	if err := compare(ctx, s, found.check(checkPayments), payments, rowsOf(r.payments)); err != nil {
		return err
	}
	if err := r.compareReceipts(ctx, s); err != nil {
		return err
	}
	refunds := table{
		name: refundsView, keys: texts("ledger", "payment_id", "refund_id"),
		values: append(texts("state", "merchant_id", "asset_code", "reason", "occurred_at"), amounts("amount", "fee_returned")...),
	}
	if err := compare(ctx, s, found.check(checkRefunds), refunds, rowsOf(r.refunds)); err != nil {
		return err
	}
	return r.compareMovements(ctx, s)
}

// compareReceipts finds the posted payments, and compares their lines by meaning: the table has them as JSON.
func (r *receipts) compareReceipts(ctx context.Context, s *snapshot) error {
	c := r.examination.found.check(checkReceipts)
	t := table{
		name: receiptsView, keys: texts("ledger", "payment_id"),
		values: append(texts("receipt_id", "user_id", "merchant_id", "provider", "payment_type", "asset_code", "issued_at",
			"updated_at", "version"), amounts("amount", "fee", "refunded")...),
		others: texts("lines"),
	}
	find := func(key []byte) (expected, bool) {
		p, ok := r.payments[string(key)]
		return receipt{p}, ok && p.facts.of(ledger.TypePaymentPosted) != nil
	}
	t.each = func(cells [][]byte) {
		key, lines := keyOf(string(cells[0]), string(cells[1])), cells[len(cells)-1]
		if _, ok := find([]byte(key)); !ok {
			return
		}
		if posted := r.payments[key].facts.of(ledger.TypePaymentPosted); storedLines(lines) != posted.lines {
			d := t.difference(KindDifferent, key)
			d.Column, d.Want, d.Got = "lines", "the lines of the event at "+timestamp(posted.at), shown(string(orNull(lines)))
			c.differs(d)
		}
	}
	return compare(ctx, s, c, t, rows{find: find, all: func(yield func(string, expected) bool) {
		for key, p := range r.payments {
			if p.facts.of(ledger.TypePaymentPosted) != nil && !yield(key, receipt{p}) {
				return
			}
		}
	}})
}

// storedLines is hashedLines of the table's JSON.
func storedLines(document []byte) string {
	var list []struct {
		SKU         string `json:"sku"`
		Description string `json:"description"`
		Quantity    string `json:"quantity"`
		UnitPrice   struct {
			Value      string `json:"value"`
			AssetCode  string `json:"asset_code"`
			AssetScale uint32 `json:"asset_scale"`
		} `json:"unit_price"`
	}
	if err := json.Unmarshal(document, &list); err != nil || list == nil {
		return ""
	}
	lines := make([]*eventsv1.Line, len(list))
	for i, l := range list {
		price := &eventsv1.Money{
			Value: l.UnitPrice.Value, AssetCode: l.UnitPrice.AssetCode, AssetScale: new(l.UnitPrice.AssetScale),
		}
		lines[i] = &eventsv1.Line{Sku: l.SKU, Description: l.Description, Quantity: l.Quantity, UnitPrice: price}
	}
	return hashedLines(lines)
}

// compareMovements holds the table that lists repeated transactions and orphans against the events, by digests.
func (r *receipts) compareMovements(ctx context.Context, s *snapshot) error {
	c := r.examination.found.check(checkMovements)
	err := s.stream(ctx, movementsTable, `SELECT event_id, kind, ledger, payment_id, provider, reference
		FROM receipts.movements WHERE generation = $1`, []any{r.examination.generation}, func(row [][]byte) error {
		c.compared++
		c.findings.rows++
		id, err := uuid.ParseBytes(row[0])
		if err != nil {
			return fmt.Errorf("an event id: %w", err)
		}
		event := r.examination.ids.find(id)
		if event == nil {
			c.differs(Difference{Kind: KindExtra, Table: movementsTable, Key: id.String()})
			return nil
		}
		for _, cell := range row[1:] {
			r.digester.bytes(cell)
		}
		event.digest -= r.digester.sum()
		return nil
	})
	if err != nil {
		return err
	}
	for id, at := range r.examination.ids.index {
		if r.examination.ids.slots[at].digest != 0 {
			c.differs(Difference{
				Kind: KindDifferent, Table: movementsTable, Key: id.String(), Want: "a row for an event that moved money, else none",
				trace: traceID(id),
			})
		}
	}
	return nil
}
