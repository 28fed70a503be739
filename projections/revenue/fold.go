package revenue

import (
	"encoding/binary"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// The streams.
const (
	Payments     = "payments"
	Receivers    = "receivers"
	Monetization = "monetization"
)

// Counts tells whether money came in or went back by an event.
func (*Projection) Counts(record *eventlog.Record) bool {
	if record.Event == nil {
		return false
	}
	switch data := record.Event.Data.(type) {
	case *eventsv1.PaymentPosted, *eventsv1.PaymentRefunded, *eventsv1.PaymentDisputeLost,
		*eventsv1.ReceiverPaymentConfirmed, *eventsv1.MonetizationReceived:
		return true
	case *eventsv1.ReceiverPaymentReversed:
		return data.GetWasConfirmed()
	default:
		return false
	}
}

// row is what an event says of money.
type row struct {
	stream, owner, pointer, postID, sessionID string
	asset                                     string
	gross, refunds                            ledger.Amount
	// fee was taken, feeReturned was given back: fees are the difference.
	fee, feeReturned ledger.Amount
}

// rowOf is the row of an event that counts.
func rowOf(event *ledger.Event) row {
	switch data := event.Data.(type) {
	case *eventsv1.PaymentPosted:
		return row{
			stream: Payments, owner: data.GetMerchantId(), pointer: data.GetProvider(), asset: data.GetAmount().GetAssetCode(),
			gross: ledger.MoneyAmount(data.GetAmount()), fee: ledger.MoneyAmount(data.GetFee()),
		}
	case *eventsv1.PaymentRefunded:
		return row{
			stream: Payments, owner: data.GetMerchantId(), pointer: data.GetProvider(), asset: data.GetAmount().GetAssetCode(),
			refunds: ledger.MoneyAmount(data.GetAmount()), feeReturned: ledger.MoneyAmount(data.GetFeeReturned()),
		}
	case *eventsv1.PaymentDisputeLost:
		return row{
			stream: Payments, owner: data.GetMerchantId(), pointer: data.GetProvider(), asset: data.GetAmount().GetAssetCode(),
			refunds: ledger.MoneyAmount(data.GetAmount()),
		}
	case *eventsv1.ReceiverPaymentConfirmed:
		return row{
			stream: Receivers, owner: data.GetMerchantId(), pointer: data.GetChain(), asset: data.GetAmount().GetAssetCode(),
			gross: ledger.MoneyAmount(data.GetAmount()),
		}
	case *eventsv1.ReceiverPaymentReversed:
		return row{
			stream: Receivers, owner: data.GetMerchantId(), pointer: data.GetChain(), asset: data.GetAmount().GetAssetCode(),
			refunds: ledger.MoneyAmount(data.GetAmount()),
		}
	case *eventsv1.MonetizationReceived:
		return row{
			stream: Monetization, owner: data.GetPluginId(), pointer: data.GetPaymentPointer(), postID: data.GetPostId(),
			sessionID: data.GetSessionId(), asset: data.GetAmount().GetAssetCode(), gross: ledger.MoneyAmount(data.GetAmount()),
		}
	default:
		panic("an event that does not count: " + string(event.Type))
	}
}

// Fold makes a row of each event. Its strings share memory with the records.
func (*Projection) Fold(records []eventlog.Record) proto.Input {
	n := len(records)
	ledgers, streams, owners, types := text(n), text(n), text(n), text(n)
	pointers, posts, assets := text(n), text(n), text(n)
	ids, sessions := make(proto.ColUUID, n), new(proto.ColStr)
	occurred, recorded := micros(n), micros(n)
	gross, fees, refunds := amounts(n), amounts(n), amounts(n)
	for i := range records {
		event := records[i].Event
		r := rowOf(event)
		ledgers.Append(event.Ledger)
		streams.Append(r.stream)
		owners.Append(r.owner)
		ids[i] = event.ID
		types.Append(string(event.Type))
		occurred.Data[i] = proto.DateTime64(event.Time.UnixMicro())
		recorded.Data[i] = proto.DateTime64(records[i].RecordedAt.UnixMicro())
		pointers.Append(r.pointer)
		posts.Append(r.postID)
		sessions.Append(r.sessionID)
		assets.Append(r.asset)
		gross.ColDecimal128[i], refunds.ColDecimal128[i] = decimal(r.gross), decimal(r.refunds)
		// At most one of the two is there. In two's complement the difference of the words is that of the numbers.
		fees.ColDecimal128[i] = decimal(r.fee.Sub(r.feeReturned))
	}
	return proto.Input{
		{Name: "ledger", Data: ledgers},
		{Name: "stream", Data: streams},
		{Name: "owner", Data: owners},
		{Name: "event_id", Data: &ids},
		{Name: "type", Data: types},
		{Name: "occurred_at", Data: occurred},
		{Name: "recorded_at", Data: recorded},
		{Name: "pointer", Data: pointers},
		{Name: "post_id", Data: posts},
		{Name: "session_id", Data: sessions},
		{Name: "asset_code", Data: assets},
		{Name: "gross", Data: gross},
		{Name: "fees", Data: fees},
		{Name: "refunds", Data: refunds},
	}
}

// FoldAside makes a row of each post.published.
func (*Projection) FoldAside(records []eventlog.Record) map[string]proto.Input {
	ledgers, plugins, posts := text(0), text(0), text(0)
	titles, urls, categories, versions := new(proto.ColStr), new(proto.ColStr), new(proto.ColStr), new(proto.ColUInt256)
	for i := range records {
		event := records[i].Event
		if event == nil {
			continue
		}
		data, ok := event.Data.(*eventsv1.PostPublished)
		if !ok {
			continue
		}
		ledgers.Append(event.Ledger)
		plugins.Append(data.GetPluginId())
		posts.Append(data.GetPostId())
		titles.Append(data.GetTitle())
		urls.Append(data.GetUrl())
		categories.Append(data.GetCategory())
		versions.Append(versionOf(event))
	}
	return map[string]proto.Input{"posts": {
		{Name: "ledger", Data: ledgers},
		{Name: "plugin_id", Data: plugins},
		{Name: "post_id", Data: posts},
		{Name: "title", Data: titles},
		{Name: "url", Data: urls},
		{Name: "category", Data: categories},
		{Name: "version", Data: versions},
	}}
}

// FoldCopies makes a row of each further copy of an event that counts.
func (*Projection) FoldCopies(copies []eventlog.Record) map[string]proto.Input {
	n := len(copies)
	ids, recorded, topics := make(proto.ColUUID, n), micros(n), text(n)
	partitions, offsets := make(proto.ColInt32, n), make(proto.ColInt64, n)
	for i := range copies {
		ids[i] = copies[i].Event.ID
		recorded.Data[i] = proto.DateTime64(copies[i].RecordedAt.UnixMicro())
		topics.Append(copies[i].Topic)
		partitions[i], offsets[i] = copies[i].Partition, copies[i].Offset
	}
	return map[string]proto.Input{"copies": {
		{Name: "event_id", Data: &ids},
		{Name: "recorded_at", Data: recorded},
		{Name: "topic", Data: topics},
		{Name: "partition", Data: &partitions},
		{Name: "kafka_offset", Data: &offsets},
	}}
}

// versionOf is the order of events that name the same post: time, then id.
func versionOf(event *ledger.Event) proto.UInt256 {
	return proto.UInt256{
		High: proto.UInt128{Low: uint64(event.Time.UnixMicro())},
		Low:  proto.UInt128{High: binary.BigEndian.Uint64(event.ID[:8]), Low: binary.BigEndian.Uint64(event.ID[8:])},
	}
}

// amountColumn is a column of amounts, with their scale.
type amountColumn struct{ proto.ColDecimal128 }

// Type is that of the table's columns.
func (*amountColumn) Type() proto.ColumnType { return "Decimal(38, 18)" }

func amounts(rows int) *amountColumn { return &amountColumn{make(proto.ColDecimal128, rows)} }

// decimal is an amount as ClickHouse has it; two's complement.
func decimal(a ledger.Amount) proto.Decimal128 { return proto.Decimal128{Low: a.Lo, High: a.Hi} }

// text is a column of text that repeats.
func text(rows int) *proto.ColLowCardinality[string] {
	column := proto.NewLowCardinality(new(proto.ColStr))
	column.Values = make([]string, 0, rows)
	return column
}

// micros is a column of times.
func micros(rows int) *proto.ColDateTime64 {
	column := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMicro).WithLocation(time.UTC)
	column.Data = make([]proto.DateTime64, rows)
	return column
}
