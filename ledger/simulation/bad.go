package simulation

import (
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// reasons are those for which a message can be refused at a door: one that reads JSON strictly knows no wrong topic, and one that
// reads records leniently no unknown field.
func reasons(d Door) []ledger.Code {
	all := []ledger.Code{
		ledger.CodeBadEnvelope, ledger.CodeUnknownType, ledger.CodeUndecodable, ledger.CodeMissingField, ledger.CodeBadField,
		ledger.CodeBadID, ledger.CodeBadTime, ledger.CodeBadAmount, ledger.CodeAmountNegative, ledger.CodeAmountTooLarge,
		ledger.CodeFeeOverAmount, ledger.CodeBadAccount, ledger.CodeUnbalancedJournal, ledger.CodeSubjectMismatch,
	}
	if d == DoorFile {
		all = append(all, ledger.CodeUnknownField)
	} else {
		all = append(all, ledger.CodeWrongTopic)
	}
	return append(all, ledger.CodeTooLarge)
}

// nextBad is the next message that must be refused: each reason in turn, but the largest not in each round.
func (t *Traffic) nextBad(at time.Time, book string) Message {
	const roundsToLarge = 50
	all := reasons(t.door)
	reason, round := all[t.bad%len(all)], t.bad/len(all)
	t.bad++
	if reason == ledger.CodeTooLarge && round%roundsToLarge != 0 {
		reason = all[0]
		t.bad++
	}
	m := Message{Kind: KindBad, Reason: reason, Event: t.world.badEvent(reason, at)}
	m.Event.Ledger = book
	if t.door == DoorLog {
		m.Format = t.world.badFormat(reason)
	}
	return m
}

// badFormat is any in which the reason can be told.
func (w *world) badFormat(reason ledger.Code) Format {
	if reason == ledger.CodeUndecodable { // half of a protobuf may be one
		return oneOf(w.draw, []Format{FormatJSON, FormatStructured, FormatBare})
	}
	return Format(w.below(uint64(formats))) //nolint:gosec // a small number
}

// badEvent is a sale, or a journal, that breaks one rule. What is wrong with bytes and topics is done when it is written.
func (w *world) badEvent(reason ledger.Code, at time.Time) *ledger.Event {
	sale := &eventsv1.PaymentPosted{
		PaymentId: w.code("pay_", 20), TransactionId: w.code("txn_", 20), UserId: numbered("user-", w.below(1000)+1),
		PaymentType: "credit", Provider: "northcard", MerchantId: merchantID(w.index(100)),
		Amount: money(w.magnitude(100, 200_000), fiat(eur)), Fee: money(25, fiat(eur)),
	}
	data := ledger.Data(sale)
	switch reason {
	case ledger.CodeMissingField:
		sale.UserId = ""
	case ledger.CodeBadField:
		sale.PaymentType = "cheque"
	case ledger.CodeBadID:
		sale.MerchantId += ":payable"
	case ledger.CodeBadAmount:
		sale.Amount.Value = "12.50"
	case ledger.CodeAmountNegative:
		sale.Amount.Value = "-" + sale.GetAmount().GetValue()
	case ledger.CodeAmountTooLarge:
		sale.Amount.Value = "1" + strings.Repeat("0", 22)
	case ledger.CodeFeeOverAmount:
		sale.Fee = money(200_001, fiat(eur))
	case ledger.CodeTooLarge:
		sale.Email = strings.Repeat("long", ledger.MaxEventBytes/4)
	case ledger.CodeBadAccount, ledger.CodeUnbalancedJournal:
		data = w.badJournal(reason)
	default:
	}
	e := ledger.NewEvent(w.eventID(at), at, "urn:simulation:careless", data)
	switch reason {
	case ledger.CodeBadEnvelope:
		e.Source = "my shop"
	case ledger.CodeUnknownType:
		e.Type = "tributary.payment.teleported.v1"
	case ledger.CodeBadTime:
		e.Time = at.AddDate(200, 0, 0)
	case ledger.CodeSubjectMismatch:
		e.Subject = w.code("pay_", 20)
	default:
	}
	return e
}

func (w *world) badJournal(reason ledger.Code) *eventsv1.JournalPosted {
	d := &eventsv1.JournalPosted{JournalId: w.code("jnl_", 16), Description: "Adjustment"}
	w.transfer(d, account{"equity", "opening", ""}, cashOf("first-harbour"), w.magnitude(100, 10_000), fiat(eur))
	if reason == ledger.CodeBadAccount {
		d.Entries[0].Account = "cash:drawer"
	} else {
		d.Entries[1].Amount = money(99, fiat(eur))
	}
	return d
}

// topic is where the message belongs, or where its producer takes it to belong.
func (m *Message) topic() string {
	if m.Reason == ledger.CodeWrongTopic {
		return ledger.TypeReceiverCreated.Topic()
	}
	if m.Reason == ledger.CodeUnknownType {
		return ledger.TypePaymentPosted.Topic()
	}
	return m.Event.Type.Topic()
}
