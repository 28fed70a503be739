package ledger

import (
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Every type of event.
const (
	TypePaymentStarted            Type = "tributary.payment.started.v1"
	TypePaymentPrepared           Type = "tributary.payment.prepared.v1"
	TypePaymentPostRequested      Type = "tributary.payment.post_requested.v1"
	TypePaymentPosted             Type = "tributary.payment.posted.v1"
	TypePaymentFailed             Type = "tributary.payment.failed.v1"
	TypePaymentCancelled          Type = "tributary.payment.cancelled.v1"
	TypePaymentRefundRequested    Type = "tributary.payment.refund_requested.v1"
	TypePaymentRefunded           Type = "tributary.payment.refunded.v1"
	TypePaymentRefundFailed       Type = "tributary.payment.refund_failed.v1"
	TypePaymentDisputeOpened      Type = "tributary.payment.dispute_opened.v1"
	TypePaymentDisputeWon         Type = "tributary.payment.dispute_won.v1"
	TypePaymentDisputeLost        Type = "tributary.payment.dispute_lost.v1"
	TypeSettlementReceived        Type = "tributary.settlement.received.v1"
	TypePayoutSent                Type = "tributary.payout.sent.v1"
	TypePayoutReturned            Type = "tributary.payout.returned.v1"
	TypeJournalPosted             Type = "tributary.journal.posted.v1"
	TypeReceiverCreated           Type = "tributary.receiver.created.v1"
	TypeReceiverPaymentDetected   Type = "tributary.receiver.payment_detected.v1"
	TypeReceiverPaymentConfirmed  Type = "tributary.receiver.payment_confirmed.v1"
	TypeReceiverPaymentReversed   Type = "tributary.receiver.payment_reversed.v1"
	TypeReceiverExpired           Type = "tributary.receiver.expired.v1"
	TypeReceiverCallbackDelivered Type = "tributary.receiver.callback_delivered.v1"
	TypeReceiverCallbackFailed    Type = "tributary.receiver.callback_failed.v1"
	TypeSiteRegistered            Type = "tributary.site.registered.v1"
	TypePostPublished             Type = "tributary.post.published.v1"
	TypeMonetizationReceived      Type = "tributary.monetization.received.v1"
)

// The topics that hold events.
const (
	TopicPayments     = "tributary.payments"
	TopicReceivers    = "tributary.receivers"
	TopicMonetization = "tributary.monetization"
)

// factories makes an empty message of each type, in the order of the documentation; all else about a type is read from
// the message's descriptor. Closures, because making messages by reflection costs more than decoding them.
func factories() []func() Data {
	return []func() Data{
		func() Data { return new(eventsv1.PaymentStarted) },
		func() Data { return new(eventsv1.PaymentPrepared) },
		func() Data { return new(eventsv1.PaymentPostRequested) },
		func() Data { return new(eventsv1.PaymentPosted) },
		func() Data { return new(eventsv1.PaymentFailed) },
		func() Data { return new(eventsv1.PaymentCancelled) },
		func() Data { return new(eventsv1.PaymentRefundRequested) },
		func() Data { return new(eventsv1.PaymentRefunded) },
		func() Data { return new(eventsv1.PaymentRefundFailed) },
		func() Data { return new(eventsv1.PaymentDisputeOpened) },
		func() Data { return new(eventsv1.PaymentDisputeWon) },
		func() Data { return new(eventsv1.PaymentDisputeLost) },
		func() Data { return new(eventsv1.SettlementReceived) },
		func() Data { return new(eventsv1.PayoutSent) },
		func() Data { return new(eventsv1.PayoutReturned) },
		func() Data { return new(eventsv1.JournalPosted) },
		func() Data { return new(eventsv1.ReceiverCreated) },
		func() Data { return new(eventsv1.ReceiverPaymentDetected) },
		func() Data { return new(eventsv1.ReceiverPaymentConfirmed) },
		func() Data { return new(eventsv1.ReceiverPaymentReversed) },
		func() Data { return new(eventsv1.ReceiverExpired) },
		func() Data { return new(eventsv1.ReceiverCallbackDelivered) },
		func() Data { return new(eventsv1.ReceiverCallbackFailed) },
		func() Data { return new(eventsv1.SiteRegistered) },
		func() Data { return new(eventsv1.PostPublished) },
		func() Data { return new(eventsv1.MonetizationReceived) },
	}
}

// TypeInfo describes a type of event, for documentation and tools.
type TypeInfo struct {
	Type Type
	// Topic is the Kafka topic that holds it.
	Topic string
	// Subject is the name of the data field that the subject attribute equals.
	Subject string
	// Descriptor is the data's message, whose options hold each field's rule.
	Descriptor protoreflect.MessageDescriptor
}

// Types lists every type, in the order of the documentation.
func Types() []TypeInfo {
	kinds := registry().kinds
	infos := make([]TypeInfo, 0, len(kinds))
	for _, k := range kinds {
		infos = append(infos, TypeInfo{k.name, k.topic, k.message.fields[k.subject].name, k.descriptor})
	}
	return infos
}

// Topics lists the topics that hold events.
func Topics() []string { return []string{TopicPayments, TopicReceivers, TopicMonetization} }

// Topic is the Kafka topic that holds events of the type; empty for an unknown one.
func (t Type) Topic() string {
	if k := registry().byType[t]; k != nil {
		return k.topic
	}
	return ""
}

// New makes an empty message of the type; nil for an unknown one.
func (t Type) New() Data {
	if k := registry().byType[t]; k != nil {
		return k.make()
	}
	return nil
}

// TypeOf is the type whose data is a message such as this; empty for a message that is no event's data.
func TypeOf(data Data) Type {
	if k := kindOf(data); k != nil {
		return k.name
	}
	return ""
}

func kindOf(data Data) *kind {
	if data == nil {
		return nil
	}
	return registry().byMessage[data.ProtoReflect().Descriptor().FullName()]
}

// NewEvent forms an event of the default ledger around data, which decides its type and its subject. The time is kept
// to the microsecond. It checks nothing: Validate does.
func NewEvent(id uuid.UUID, at time.Time, source string, data Data) *Event {
	e := &Event{ID: id, Source: source, Ledger: DefaultLedger, Time: at.UTC().Truncate(time.Microsecond), Data: data}
	if k := kindOf(data); k != nil {
		e.Type, e.Subject = k.name, k.subjectOf(data)
	}
	return e
}

// WrongTopic refuses an event that was found on a topic other than its type's.
func WrongTopic(e *Event, topic string) *Invalid {
	want := e.Type.Topic()
	if topic == want {
		return nil
	}
	return invalid(CodeWrongTopic, "type", "%s belongs to the topic %s, and was found on %s; publish it there",
		e.Type, want, quote(topic))
}
