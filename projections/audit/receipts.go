package audit

import (
	"context"
	"hash/maphash"
	"iter"
	"strings"

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
	seed        maphash.Seed
	words       words
	digester    digester
	// groups have what is said of payments and refunds, payment of the one at hand, refund likewise.
	groups                               *groups
	payment                              *payment
	refund                               *refund
	paymentRows, receiptRows, refundRows *rowset
	movementRows                         *rowset
	// payments by ledger and payment, refunds by these and refund, and movements by event are those that are compared one by one.
	payments  map[string]*payment
	refunds   map[string]*refund
	movements map[string]*movementRow
}

// The first byte of a key says what it is of.
const (
	ofPayment = "p"
	ofRefund  = "r"
)

func newReceipts(a *Auditor, e *examination) model {
	e.ids = newIdentities(a.seed)
	e.found.expect(checkProgress, checkPast, checkIdentities, checkPayments, checkReceipts, checkRefunds, checkMovements)
	r := &receipts{
		examination: e, seed: a.seed, words: words{}, digester: digester{seed: a.seed}, groups: newGroups(a.seed, a.memory.half()),
		payments: map[string]*payment{}, refunds: map[string]*refund{}, movements: map[string]*movementRow{},
		paymentRows: newRowset(e.found.check(checkPayments), a.seed, table{
			name: paymentsView, keys: texts("ledger", "payment_id"),
			values: append(texts("state", "merchant_id", "user_id", "provider", "payment_type", "asset_code", "receipt_id",
				"transaction_id", "started_at", "posted_at", "updated_at"), amounts("amount", "refunded", "disputed")...),
		}),
		refundRows: newRowset(e.found.check(checkRefunds), a.seed, table{
			name: refundsView, keys: texts("ledger", "payment_id", "refund_id"),
			values: append(texts("state", "merchant_id", "asset_code", "reason", "occurred_at"), amounts("amount", "fee_returned")...),
		}),
		movementRows: newRowset(e.found.check(checkMovements), a.seed, table{
			name: movementsTable, keys: texts("event_id"), values: texts("kind", "ledger", "payment_id", "provider", "reference"),
			where: "generation = $1", arguments: []any{e.generation},
			trace: func(key string) string { return "event " + key },
		}),
	}
	r.receiptRows = newRowset(e.found.check(checkReceipts), a.seed, r.receiptsTable())
	return r
}

func (r *receipts) close() error { return r.groups.sorter.Close() }

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

func (r *receipts) fold(record *eventlog.Record) error {
	heard := r.words.hear(record.Event)
	for key, of := range r.each(record.Event) {
		if err := r.groups.add(of+key, heard.append); err != nil {
			return err
		}
	}
	if key, cells := movement(record.Event, &heard); cells != nil {
		r.movementRows.expect(key, cells)
	}
	return nil
}

// each are the keys of what an event is about, and what that is.
func (r *receipts) each(event *ledger.Event) iter.Seq2[string, string] {
	payment, refund := r.keys(event)
	return func(yield func(string, string) bool) {
		if payment == "" || yield(payment, ofPayment) {
			_ = refund == "" || yield(refund, ofRefund)
		}
	}
}

func (r *receipts) again(record *eventlog.Record) {
	heard := r.words.hear(record.Event)
	paymentKey, refundKey := r.keys(record.Event)
	if paymentKey != "" && (r.paymentRows.holds(paymentKey) || r.receiptRows.holds(paymentKey)) {
		p, ok := r.payments[paymentKey]
		if !ok {
			p = &payment{}
			r.payments[paymentKey] = p
		}
		p.hear(heard)
	}
	if refundKey != "" && r.refundRows.holds(refundKey) {
		f, ok := r.refunds[refundKey]
		if !ok {
			f = &refund{}
			r.refunds[refundKey] = f
		}
		f.facts = f.facts.hear(heard, heard.kind)
	}
	if key, cells := movement(record.Event, &heard); cells != nil && r.movementRows.holds(key) {
		r.movements[key] = &movementRow{values: cells}
	}
}

// movementRow is a row of receipts.movements.
type movementRow struct {
	met

	values []string
}

func (m *movementRow) cells() []string { return m.values }

// movement is the row of an event that moved money, nil of any other: which kind, of what, and by what its provider knows it.
func movement(event *ledger.Event, heard *said) (key string, cells []string) {
	kind, reference := movementKind(event.Data)
	if kind == "" {
		return "", nil
	}
	return event.ID.String(), []string{
		kind, strings.Clone(event.Ledger), strings.Clone(event.Subject), heard.provider, strings.Clone(reference),
	}
}

func movementKind(data ledger.Data) (kind, reference string) {
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

func (r *receipts) touches(traces []string, record *eventlog.Record) []string {
	payment, refund := r.keys(record.Event)
	return append(traces, traceRow(paymentsView, payment), traceRow(receiptsView, payment), traceRow(refundsView, refund))
}

func (r *receipts) tally(ctx context.Context, s *snapshot) error {
	r.payment, r.refund = &payment{}, &refund{}
	if err := r.groups.each(r.hear, r.expect); err != nil {
		return err
	}
	for _, rows := range r.all() {
		if err := rows.read(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *receipts) all() []*rowset {
	return []*rowset{r.paymentRows, r.receiptRows, r.refundRows, r.movementRows}
}

func (r *receipts) hear(key string, from *reader) {
	heard := r.words.said(from)
	if strings.HasPrefix(key, ofPayment) {
		r.payment.hear(heard)
	} else {
		r.refund.facts = r.refund.facts.hear(heard, heard.kind)
	}
}

// expect makes the rows of a payment or of a refund of which all was heard.
func (r *receipts) expect(key string) {
	if key, ok := strings.CutPrefix(key, ofRefund); ok {
		r.refundRows.expect(key, r.refund.cells())
		r.refund = &refund{}
		return
	}
	key = strings.TrimPrefix(key, ofPayment)
	r.paymentRows.expect(key, r.payment.cells())
	if posted := r.payment.facts.of(ledger.TypePaymentPosted); posted != nil {
		r.receiptRows.expect(key, append(receipt{r.payment}.cells(), posted.lines))
	}
	r.payment = &payment{}
}

func (r *receipts) suspect() bool {
	found := false
	for _, rows := range r.all() {
		found = rows.suspect() || found
	}
	return found
}

func (r *receipts) detail(ctx context.Context, s *snapshot) error {
	for i, want := range []rows{rowsOf(r.payments), r.posted(), rowsOf(r.refunds), rowsOf(r.movements)} {
		if err := r.all()[i].detail(ctx, s, want); err != nil {
			return err
		}
	}
	return nil
}

// posted are the payments that have a receipt.
func (r *receipts) posted() rows {
	return rows{
		find: func(key []byte) (expected, bool) {
			p, ok := r.payments[string(key)]
			return receipt{p}, ok && p.facts.of(ledger.TypePaymentPosted) != nil
		},
		all: func(yield func(string, expected) bool) {
			for key, p := range r.payments {
				if p.facts.of(ledger.TypePaymentPosted) != nil && !yield(key, receipt{p}) {
					return
				}
			}
		},
	}
}

// receiptsTable has the posted payments.
func (r *receipts) receiptsTable() table {
	t := table{
		name: receiptsView, keys: texts("ledger", "payment_id"),
		values: append(texts("receipt_id", "user_id", "merchant_id", "provider", "payment_type", "asset_code", "issued_at",
			"updated_at", "version"), amounts("amount", "fee", "refunded")...),
		others: texts("lines"),
	}
	t.extra = func(others [][]byte) string { return storedLines(others[0]) }
	t.each = func(cells [][]byte) {
		key, lines := keyOf(string(cells[0]), string(cells[1])), cells[len(cells)-1]
		p, ok := r.payments[key]
		if !ok {
			return
		}
		if posted := p.facts.of(ledger.TypePaymentPosted); posted != nil && storedLines(lines) != posted.lines {
			d := t.difference(KindDifferent, key)
			d.Column, d.Want, d.Got = "lines", "the lines of the event at "+timestamp(posted.at), shown(string(orNull(lines)))
			r.receiptRows.check.differs(d)
		}
	}
	return t
}
