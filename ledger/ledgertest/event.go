package ledgertest

import (
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Option narrows what Event draws.
type Option func(*drawer)

// OfType draws one of these types alone.
func OfType(types ...ledger.Type) Option {
	return func(d *drawer) { d.types = types }
}

// InLedger puts the event into this ledger.
func InLedger(name string) Option {
	return func(d *drawer) { d.ledger = name }
}

// Extreme draws the ends of every field's range: the longest texts, the smallest and largest amounts, the earliest and
// latest times, every optional field there.
func Extreme() Option {
	return func(d *drawer) { d.extreme = true }
}

// Repeats draws texts and ids from a few, so that events refer to the same payments, merchants and sites.
func Repeats() Option {
	return func(d *drawer) { d.repeats = true }
}

// drawer draws the parts of one event.
type drawer struct {
	*rapid.T

	types   []ledger.Type
	ledger  string
	extreme bool
	repeats bool
}

// Event draws a valid event.
func Event(t *rapid.T, options ...Option) *ledger.Event {
	d := &drawer{T: t}
	for _, option := range options {
		option(d)
	}
	if len(d.types) == 0 {
		for _, info := range ledger.Types() {
			d.types = append(d.types, info.Type)
		}
	}
	data := rapid.SampledFrom(d.types).Draw(t, "type").New()
	d.message(data.ProtoReflect())
	d.agree(data)
	e := ledger.NewEvent(d.id(), d.time(), d.source(), data)
	e.Ledger = d.ledgerName()
	if d.optional("partitionkey") {
		e.PartitionKey = d.text("partitionkey", maxTextBytes)
	}
	if d.optional("traceparent") {
		e.TraceParent = rapid.StringMatching(`00-[0-9a-f]{31}1-1[0-9a-f]{15}-0[01]`).Draw(t, "traceparent")
	}
	return e
}

// History draws up to a dozen events of one ledger that refer to the same payments, merchants and sites, and collide: in amounts, in
// transactions, in times. Each has an id of its own. types are those to draw; none means all.
func History(t *rapid.T, types ...ledger.Type) []*ledger.Event {
	const most = 12
	events := make([]*ledger.Event, rapid.IntRange(1, most).Draw(t, "events"))
	for i := range events {
		events[i] = Event(t, OfType(types...), Repeats(), InLedger("main"))
		events[i].ID = uuid.UUID{15: byte(i + 1)}
		if rapid.Bool().Draw(t, "at the same time") {
			events[i].Time = time.Unix(1_700_000_000, 0).UTC()
		}
	}
	return events
}

// message fills the fields of a message, each by its rule.
func (d *drawer) message(m protoreflect.Message) {
	if money, ok := m.Interface().(*eventsv1.Money); ok {
		d.money(money, false)
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		rule, _ := proto.GetExtension(fd.Options(), eventsv1.E_Rule).(*eventsv1.Rule)
		if rule.GetRequired() || d.optional(string(fd.Name())) {
			d.field(m, fd, rule)
		}
	}
}

func (d *drawer) field(m protoreflect.Message, fd protoreflect.FieldDescriptor, rule *eventsv1.Rule) {
	name := string(fd.Name())
	switch {
	case fd.IsList():
		for range rapid.IntRange(1, maxRepeats).Draw(d.T, name) {
			element := m.Mutable(fd).List().AppendMutable().Message()
			d.message(element)
		}
	case fd.Kind() == protoreflect.MessageKind:
		d.child(m.Mutable(fd).Message(), rule)
	case fd.Kind() == protoreflect.Uint32Kind:
		m.Set(fd, protoreflect.ValueOfUint32(d.uint32(name)))
	case fd.Kind() == protoreflect.BoolKind:
		m.Set(fd, protoreflect.ValueOfBool(rapid.Bool().Draw(d.T, name)))
	default:
		m.Set(fd, protoreflect.ValueOfString(d.string(name, rule)))
	}
}

func (d *drawer) child(m protoreflect.Message, rule *eventsv1.Rule) {
	if money, ok := m.Interface().(*eventsv1.Money); ok {
		d.money(money, rule.GetSigned())
		return
	}
	d.message(m)
}

// agree makes the fields agree that have rules in common.
func (d *drawer) agree(data ledger.Data) {
	switch e := data.(type) {
	case *eventsv1.PaymentStarted:
		d.part(e.GetAmount(), e.GetFee())
	case *eventsv1.PaymentPosted:
		d.part(e.GetAmount(), e.GetFee())
	case *eventsv1.PaymentRefunded:
		d.part(e.GetAmount(), e.GetFeeReturned())
	case *eventsv1.SettlementReceived:
		if e.GetProviderFee() != nil {
			d.split(e.GetAmount(), e.GetProviderFee())
		}
	case *eventsv1.JournalPosted:
		e.Entries = d.entries()
	}
}

// entries draws a journal: some debits, each with a credit of the same worth, in another scale where there is room.
func (d *drawer) entries() []*eventsv1.Entry {
	entries := make([]*eventsv1.Entry, 0, 2*maxRepeats)
	for range rapid.IntRange(1, maxRepeats).Draw(d.T, "pairs") {
		amount := new(eventsv1.Money)
		d.money(amount, false)
		same, _ := proto.Clone(amount).(*eventsv1.Money)
		if scale := same.GetAssetScale(); scale < ledger.AmountScale {
			same.Value += "0"
			same.AssetScale = new(scale + 1)
		}
		entries = append(entries,
			&eventsv1.Entry{Account: d.account(), Direction: "debit", Amount: amount},
			&eventsv1.Entry{Account: d.account(), Direction: "credit", Amount: same})
	}
	return rapid.Permutation(entries).Draw(d.T, "entries")
}

// optional decides whether an optional field is there.
func (d *drawer) optional(name string) bool {
	return d.extreme || rapid.Bool().Draw(d.T, "with "+name)
}

func (d *drawer) id() uuid.UUID {
	var id uuid.UUID
	copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(d.T, "id"))
	if id == uuid.Nil {
		id[0] = 1
	}
	return id
}

// time draws an instant from the first to the last that is valid, with more weight on the whole seconds.
func (d *drawer) time() time.Time {
	first := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2105, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	if d.extreme {
		return rapid.SampledFrom([]time.Time{first, last}).Draw(d.T, "time")
	}
	micros := rapid.Int64Range(first.UnixMicro(), last.UnixMicro()).Draw(d.T, "time")
	if rapid.Bool().Draw(d.T, "whole second") {
		micros -= micros % time.Second.Microseconds()
	}
	return time.UnixMicro(micros).UTC()
}
