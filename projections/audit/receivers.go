package audit

import (
	"context"
	"encoding/binary"
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
	// groups have what is said of receivers and the payments to them, receiver of the one at hand.
	groups                                  *groups
	receiver                                *receiver
	receiverRows, paymentRows, decisionRows *rowset
	receivers                               map[string]*receiver // By ledger and receiver: those that are compared one by one.
}

func newReceivers(a *Auditor, e *examination) model {
	e.ids = newIdentities(a.seed)
	e.found.expect(checkProgress, checkPast, checkIdentities, checkReceivers, checkReceiverPayments, checkDecisions)
	keys := texts("ledger", "receiver_id", "txid", "vout")
	r := &receivers{
		examination: e, words: words{}, groups: newGroups(a.seed, a.memory.half()), receivers: map[string]*receiver{},
		receiverRows: newRowset(e.found.check(checkReceivers), a.seed, table{
			name: receiversView, keys: texts("ledger", "receiver_id"),
			values: append(texts("state", "merchant_id", "chain", "address", "asset_code", "fiat_code", "callback_url",
				"expires_at", "created_at", "updated_at"), amounts("amount_due", "pending", "confirmed", "amount_fiat", "base_fiat")...),
		}),
		paymentRows: newRowset(e.found.check(checkReceiverPayments), a.seed, table{
			name: receiverPaymentsView, keys: keys,
			values: append(texts("state", "asset_code", "instant_locked", "detected_at", "confirmed_at", "late"), amounts("amount")...),
		}),
		decisionRows: newRowset(e.found.check(checkDecisions), a.seed, table{
			name: receiverPaymentsTable, keys: keys, values: texts("event_id"),
			where: "generation = $1", arguments: []any{e.generation},
		}),
	}
	const receiverKeys = 2
	r.paymentRows.together, r.decisionRows.together = receiverKeys, receiverKeys
	return r
}

func (r *receivers) close() error { return r.groups.sorter.Close() }

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

func (r *receivers) fold(record *eventlog.Record) error {
	event := record.Event
	return r.groups.add(keyOf(event.Ledger, event.Subject), func(buf []byte) []byte {
		buf = r.words.tell(event).append(appendText(buf, string(event.Type)))
		if txid, vout, ok := outputOf(event.Data); ok {
			buf = binary.AppendUvarint(appendText(append(buf, 1), txid), uint64(vout))
		}
		return buf
	})
}

// hear takes what fold wrote.
func (r *receivers) hear(_ string, from *reader) {
	kind, heard := ledger.Type(r.words.keepBytes(from.bytes())), r.words.told(from)
	r.receiver.hear(kind, heard)
	if len(from.rest) > 0 && from.flag() {
		r.receiver.output(from.text(), uint32(from.uvarint())).hear(kind, heard) //nolint:gosec // It was one.
	}
}

// expect makes the rows of a receiver of which all was heard.
func (r *receivers) expect(key string) {
	r.receiverRows.expect(key, r.receiver.cells())
	for output, o := range r.receiver.outputs {
		r.paymentRows.expect(keyOf(key, output), o.cells())
		r.decisionRows.expect(keyOf(key, output), decision{o}.cells())
	}
	r.receiver = newReceiver()
}

func (r *receivers) again(record *eventlog.Record) {
	event := record.Event
	key := keyOf(event.Ledger, event.Subject)
	to, ok := r.receivers[key]
	if !ok {
		if !r.receiverRows.holds(key) && !r.paymentRows.holds(key) && !r.decisionRows.holds(key) {
			return
		}
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

func (r *receivers) all() []*rowset {
	return []*rowset{r.receiverRows, r.paymentRows, r.decisionRows}
}

func (r *receivers) tally(ctx context.Context, s *snapshot) error {
	r.receiver = newReceiver()
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

func (r *receivers) suspect() bool {
	found := false
	for _, rows := range r.all() {
		found = rows.suspect() || found
	}
	return found
}

func (r *receivers) detail(ctx context.Context, s *snapshot) error {
	for i, want := range []rows{
		rowsOf(r.receivers), r.outputs(func(o *output) expected { return o }), r.outputs(func(o *output) expected { return decision{o} }),
	} {
		if err := r.all()[i].detail(ctx, s, want); err != nil {
			return err
		}
	}
	return nil
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
