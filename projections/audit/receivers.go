package audit

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

const (
	checkReceivers        = "every receiver is as the log says"
	checkReceiverPayments = "every payment to a receiver is as the log says"
	checkDecisions        = "payments to receivers name the events that decided them"

	receiversView         = "books.receivers"
	receiverPaymentsView  = "books.receiver_payments"
	receiverPaymentsTable = "receivers.payments"
)

// receivers is the reference of receivers and the payments to them.
type receivers struct {
	examination *examination
	words       words
	receivers   map[string]*receiver // By ledger and receiver.
}

func newReceivers(_ *Auditor, e *examination) model {
	e.ids = &identities{}
	e.found.expect(checkProgress, checkPast, checkIdentities, checkReceivers, checkReceiverPayments, checkDecisions)
	return &receivers{e, words{}, map[string]*receiver{}}
}

func (r *receivers) wants(record *eventlog.Record) bool {
	return record.Event != nil && strings.HasPrefix(string(record.Event.Type), "tributary.receiver.")
}

// outputOf is which output an event is about, if it is about one.
func outputOf(data ledger.Data) (txid string, vout uint32, ok bool) {
	d, ok := data.(interface {
		GetTxid() string
		GetVout() uint32
	})
	if !ok {
		return "", 0, false
	}
	return d.GetTxid(), d.GetVout(), true
}

func (r *receivers) fold(record *eventlog.Record, _ *slot) {
	event := record.Event
	key := keyOf(event.Ledger, event.Subject)
	to, ok := r.receivers[key]
	if !ok {
		to = newReceiver()
		r.receivers[key] = to
	}
	kind, heard := ledger.Type(r.words.keep(string(event.Type))), r.words.tell(event)
	to.hear(kind, heard)
	if txid, vout, ok := outputOf(event.Data); ok {
		to.output(txid, vout).hear(kind, heard)
	}
}

func (r *receivers) touches(traces []string, record *eventlog.Record) []string {
	event := record.Event
	traces = append(traces, traceRow(receiversView, keyOf(event.Ledger, event.Subject)))
	if txid, vout, ok := outputOf(event.Data); ok {
		key := keyOf(event.Ledger, event.Subject, txid, strconv.FormatUint(uint64(vout), 10))
		traces = append(traces, traceRow(receiverPaymentsView, key), traceRow(receiverPaymentsTable, key))
	}
	return traces
}

func (r *receivers) compare(ctx context.Context, s *snapshot) error {
	found := &r.examination.found
	all := table{
		name: receiversView, keys: texts("ledger", "receiver_id"),
		values: append(texts("state", "merchant_id", "chain", "address", "asset_code", "fiat_code", "callback_url",
			"expires_at", "created_at", "updated_at"), amounts("amount_due", "pending", "confirmed", "amount_fiat", "base_fiat")...),
	}
	if err := compare(ctx, s, found.check(checkReceivers), all, rowsOf(r.receivers)); err != nil {
		return err
	}
	keys := texts("ledger", "receiver_id", "txid", "vout")
	payments := table{
		name: receiverPaymentsView, keys: keys,
		values: append(texts("state", "asset_code", "instant_locked", "detected_at", "confirmed_at", "late"), amounts("amount")...),
	}
	rows := r.outputs(func(o *output) expected { return o })
	if err := compare(ctx, s, found.check(checkReceiverPayments), payments, rows); err != nil {
		return err
	}
	decisions := table{
		name: receiverPaymentsTable, keys: keys, values: texts("event_id"),
		where: "generation = $1", arguments: []any{r.examination.generation},
	}
	return compare(ctx, s, found.check(checkDecisions), decisions, r.outputs(func(o *output) expected { return decision{o} }))
}

// outputs are the payments to all receivers, each as a row.
func (r *receivers) outputs(row func(*output) expected) rows {
	const outputKeys = 2 // txid and vout, behind the receiver's
	return rows{
		find: func(key []byte) (expected, bool) {
			cells := strings.Split(string(key), separator)
			at := len(cells) - outputKeys
			if to, ok := r.receivers[keyOf(cells[:at]...)]; ok {
				o, ok := to.outputs[keyOf(cells[at:]...)]
				return row(o), ok
			}
			return nil, false
		},
		all: r.eachOutput(row),
	}
}

func (r *receivers) eachOutput(row func(*output) expected) iter.Seq2[string, expected] {
	return func(yield func(string, expected) bool) {
		for key, to := range r.receivers {
			for output, o := range to.outputs {
				if !yield(keyOf(key, output), row(o)) {
					return
				}
			}
		}
	}
}
