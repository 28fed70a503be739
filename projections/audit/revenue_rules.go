package audit

import (
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// revenueRule is a line of the table below: what an event brings in, to whom, and by what it came. Amounts are fields, perhaps
// behind a sign, and zero where empty.
type revenueRule struct {
	stream, owner, pointer string
	gross, fees, refunds   string
	when                   string // A boolean field; empty is always.
}

// revenueRules is what docs/tables.md says of revenue.events, line by line. What is not in it brings nothing in.
//
//nolint:goconst // A table is read, and compared with that of the documentation, as it stands.
func revenueRules() map[ledger.Type]revenueRule {
	return map[ledger.Type]revenueRule{
		"tributary.payment.posted.v1":             {"payments", "merchant_id", "provider", "amount", "fee", "", ""},
		"tributary.payment.refunded.v1":           {"payments", "merchant_id", "provider", "", "-fee_returned", "amount", ""},
		"tributary.payment.dispute_lost.v1":       {"payments", "merchant_id", "provider", "", "", "amount", ""},
		"tributary.receiver.payment_confirmed.v1": {"receivers", "merchant_id", "chain", "amount", "", "", ""},
		"tributary.receiver.payment_reversed.v1":  {"receivers", "merchant_id", "chain", "", "", "amount", "was_confirmed"},
		"tributary.monetization.received.v1":      {"monetization", "plugin_id", "payment_pointer", "amount", "", "", ""},
	}
}

// earning is what an event brings in. It shares memory with the event.
type earning struct {
	stream, owner, pointer, post, session, asset string
	gross, fees, refunds                         *big.Int
}

// earning applies the rules to an event; ok is false where it brings nothing in, which is not the same as zero.
func (r *revenue) earning(event *ledger.Event) (e earning, ok bool) {
	rule, ok := r.rules[event.Type]
	if !ok {
		return e, false
	}
	data := fields{event.Data}
	if !data.holds(rule.when) {
		return e, false
	}
	e = earning{
		stream: rule.stream, owner: data.text(rule.owner), pointer: data.text(rule.pointer),
		asset: data.money("amount").GetAssetCode(),
		gross: data.signed(rule.gross), fees: data.signed(rule.fees), refunds: data.signed(rule.refunds),
	}
	if d, ok := event.Data.(*eventsv1.MonetizationReceived); ok {
		e.post, e.session = d.GetPostId(), d.GetSessionId()
	}
	return e, true
}

// signed is the amount of a field that may stand behind a minus; zero for no field.
func (f fields) signed(term string) *big.Int {
	name, negative := strings.CutPrefix(term, "-")
	if name == "" {
		return new(big.Int)
	}
	amount := units(f.money(name))
	if negative {
		amount.Neg(amount)
	}
	return amount
}

// revenueKeys and revenueValues are the columns of a row; its key says where its event lies.
func revenueKeys() []column { return warehouseTexts("topic", "partition", "kafka_offset", "event_id") }

func revenueValues() []column {
	return append(warehouseTexts("ledger", "stream", "owner", "type", "pointer", "post_id", "session_id", "asset_code",
		"gross", "fees", "refunds"), warehouseTimes("occurred_at", "recorded_at")...)
}

// revenueKey is revenueKeys of a record.
func revenueKey(record *eventlog.Record) []string {
	return []string{
		strings.Clone(record.Topic), strconv.Itoa(int(record.Partition)), strconv.FormatInt(record.Offset, 10), record.Event.ID.String(),
	}
}

// values are revenueValues of the event's row. They share memory with the event.
func (e *earning) values(record *eventlog.Record) []string {
	event := record.Event
	return []string{
		event.Ledger, e.stream, e.owner, string(event.Type), e.pointer, e.post, e.session, e.asset,
		decimal(e.gross), decimal(e.fees), decimal(e.refunds),
		warehouseMicros(event.Time), warehouseMicros(record.RecordedAt),
	}
}

// warehouseMicros is a DateTime64(6) as ClickHouse writes it in UTC.
func warehouseMicros(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }
