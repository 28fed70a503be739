package eventlog

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// sample is a valid event of a type with every field filled in, as the schema's rules ask; n makes it unlike others.
func sample(t testing.TB, kind ledger.Type, n int) *ledger.Event {
	t.Helper()
	data := kind.New()
	fill(data.ProtoReflect(), n)
	id := uuid.UUID{6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(id[:], uint32(n))
	copy(id[12:], fmt.Sprintf("%04d", len(kind))) // other types, other ids
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC).Add(time.Duration(n))
	event := ledger.NewEvent(id, at, "urn:test", data)
	if n%2 == 1 {
		event.Ledger, event.PartitionKey = "test-books", fmt.Sprintf("key-%d", n)
		event.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	}
	require.Nil(t, ledger.Validate(event), "%s", kind)
	return event
}

// samples are n events of the types in turn.
func samples(t testing.TB, n int) []*ledger.Event {
	t.Helper()
	types := ledger.Types()
	events := make([]*ledger.Event, n)
	for i := range events {
		events[i] = sample(t, types[i%len(types)].Type, i)
	}
	return events
}

func fill(m protoreflect.Message, n int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.IsList():
			list := m.Mutable(field).List()
			for j := range 2 {
				item := list.NewElement()
				fill(item.Message(), n)
				if direction := item.Message().Descriptor().Fields().ByName("direction"); direction != nil && j == 1 {
					item.Message().Set(direction, protoreflect.ValueOfString("credit"))
				}
				list.Append(item)
			}
		case field.Kind() == protoreflect.MessageKind:
			fillMoney(m.Mutable(field).Message(), field.Name())
		case field.Kind() == protoreflect.Uint32Kind:
			m.Set(field, protoreflect.ValueOfUint32(3))
		case field.Kind() == protoreflect.BoolKind:
			m.Set(field, protoreflect.ValueOfBool(true))
		default:
			m.Set(field, protoreflect.ValueOfString(text(field, n)))
		}
	}
}

func fillMoney(m protoreflect.Message, name protoreflect.Name) {
	money, _ := m.Interface().(*eventsv1.Money)
	money.Value, money.AssetCode, money.AssetScale = "12345", "GBP", proto.Uint32(3)
	if name == "fee" || name == "fee_returned" || name == "provider_fee" {
		money.Value = "45"
	}
}

func text(field protoreflect.FieldDescriptor, n int) string {
	rule, _ := proto.GetExtension(field.Options(), eventsv1.E_Rule).(*eventsv1.Rule)
	forms := map[eventsv1.Form]string{
		eventsv1.Form_FORM_ACCOUNT:         "equity:owner",
		eventsv1.Form_FORM_DECIMAL:         "1.5",
		eventsv1.Form_FORM_TIMESTAMP:       "2026-02-03T04:05:06Z",
		eventsv1.Form_FORM_DIRECTION:       "debit",
		eventsv1.Form_FORM_PAYMENT_TYPE:    "credit",
		eventsv1.Form_FORM_TIME_ZONE:       "Europe/Paris",
		eventsv1.Form_FORM_PAYMENT_POINTER: "$wallet.example/alice",
		eventsv1.Form_FORM_ASSET_CODE:      "GBP",
		eventsv1.Form_FORM_INTEGER:         "7",
	}
	if value, ok := forms[rule.GetForm()]; ok {
		return value
	}
	return fmt.Sprintf("%s-%d", field.Name(), n)
}
