package eventlog

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// wireFormats are all the forms in which a record may hold an event, by name.
func wireFormats(t testing.TB, event *ledger.Event) map[string]*kgo.Record {
	t.Helper()
	document := ledger.AppendJSON(nil, event)
	_, data, found := bytes.Cut(document, []byte(`"data":`))
	require.True(t, found)
	data = data[:len(data)-1]
	frame := []byte{0, 0, 0, 1, 2}
	form := func(contentType string, value []byte) *kgo.Record {
		record, bad := Encode(event)
		require.Nil(t, bad)
		record.Value = value
		record.Headers[0].Value = []byte(contentType)
		if contentType == "" {
			record.Headers = record.Headers[1:]
		}
		return record
	}
	alone := func(value []byte, headers ...kgo.RecordHeader) *kgo.Record {
		return &kgo.Record{Topic: event.Type.Topic(), Key: []byte(event.Key()), Value: value, Headers: headers}
	}
	contentType := func(value string) kgo.RecordHeader {
		return kgo.RecordHeader{Key: "content-type", Value: []byte(value)}
	}
	wire := event.AppendData(nil)
	return map[string]*kgo.Record{
		"protobuf":                   form("application/protobuf", wire),
		"protobuf, another name":     form("Application/X-Protobuf; proto=tributary.events.v1", wire),
		"protobuf, framed, short":    form("application/protobuf", concat(frame, []byte{0}, wire)),
		"protobuf, framed, path":     form("application/protobuf", concat(frame, []byte{4, 2, 0x80, 0x01}, wire)),
		"protobuf, framed, pathless": form("application/protobuf", concat(frame, wire)),
		"JSON":                       form("application/json", data),
		"JSON, with parameters":      form("application/json; charset=utf-8", data),
		"JSON, a suffix":             form("application/vnd.example+json", data),
		"JSON, framed":               form("application/json", concat(frame, data)),
		"JSON, no content type":      form("", concat([]byte(" \n"), data)),
		"structured":                 alone(document, contentType("application/cloudevents+json")),
		"structured, parameters":     alone(document, contentType("Application/CloudEvents+JSON; charset=UTF-8")),
		"structured, framed":         alone(concat(frame, document), contentType("application/cloudevents+json")),
		"structured, headers too":    form("application/cloudevents+json", document),
		"bare document":              alone(document),
		"bare document, JSON":        alone(document, contentType("application/json")),
		"bare document, others' too": alone(document, kgo.RecordHeader{Key: "traceparent", Value: []byte("x")}),
		"bare document, framed":      alone(concat(frame, document)),
	}
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestEveryTypeInEveryFormatIsTheSameEvent(t *testing.T) {
	t.Parallel()
	for i, info := range ledger.Types() {
		for n := i; n < i+2; n++ { // with extension attributes, and without
			event := sample(t, info.Type, n)
			for name, record := range wireFormats(t, event) {
				record.Timestamp = time.UnixMilli(1_700_000_000_123)
				record.Partition, record.Offset, record.LeaderEpoch = 3, 42, 7
				got := Decode(record)
				requireAccepted(t, got, name)
				requireSame(t, event, got.Event, name)
				require.Equal(t, Position{Topic: info.Topic, Partition: 3, Offset: 42}, got.Position)
				require.Equal(t, int32(7), got.LeaderEpoch)
				require.Equal(t, time.UnixMilli(1_700_000_000_123).UTC(), got.RecordedAt)
				require.Equal(t, recordBytes(record), got.Bytes)
				require.False(t, got.Control)
			}
		}
	}
}

func TestEncodeWritesEachFormatAsItSays(t *testing.T) {
	t.Parallel()
	contentTypes := map[Format]string{
		FormatProtobuf: "application/protobuf", FormatJSON: "application/json", FormatStructured: "application/cloudevents+json",
	}
	for i, info := range ledger.Types() {
		event := sample(t, info.Type, i)
		for format, contentType := range contentTypes {
			record, bad := EncodeAs(event, format)
			require.Nil(t, bad)
			require.Equal(t, info.Topic, record.Topic)
			require.Equal(t, event.Key(), string(record.Key))
			require.Equal(t, kgo.RecordHeader{Key: "content-type", Value: []byte(contentType)}, record.Headers[0])
			require.Equal(t, format != FormatProtobuf, json.Valid(record.Value))
			require.Equal(t, format == FormatStructured, len(record.Headers) == 1)
			got := Decode(record)
			requireAccepted(t, got, contentType)
			requireSame(t, event, got.Event, contentType)
		}
	}
}

// requireAccepted shows why a record was rejected, and not all of its bytes.
func requireAccepted(t testing.TB, got Record, name string) {
	t.Helper()
	if got.Rejected != nil {
		require.FailNow(t, name, got.Rejected.Invalid.Error())
	}
	require.NotNil(t, got.Event, name)
}

func requireSame(t testing.TB, want, got *ledger.Event, name string) {
	t.Helper()
	require.Equal(t, want.ContentHash(), got.ContentHash(), name)
	require.Equal(t, want.Attributes(), got.Attributes(), name)
	require.Equal(t, want.AppendData(nil), got.AppendData(nil), name)
}

func TestRejectionsKeepTheRecord(t *testing.T) {
	t.Parallel()
	event := sample(t, ledger.TypePaymentPosted, 1)
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	cases := []struct {
		name   string
		change func(*kgo.Record)
		code   ledger.Code
		path   string
		id     string
	}{
		{"nothing", func(r *kgo.Record) { *r = kgo.Record{Topic: r.Topic} }, ledger.CodeMissingField, "specversion", ""},
		{"tombstone", func(r *kgo.Record) { r.Value = nil }, ledger.CodeMissingField, "data", event.ID.String()},
		{"wrong topic", func(r *kgo.Record) { r.Topic = TopicReceivers }, ledger.CodeWrongTopic, "type", event.ID.String()},
		{"repeated", func(r *kgo.Record) {
			r.Headers = append(r.Headers, header("ce_id", "x"))
		}, ledger.CodeBadEnvelope, "id", event.ID.String()},
		{"repeated content type", func(r *kgo.Record) {
			r.Headers = append(r.Headers, header("Content-Type", "application/json"))
		}, ledger.CodeBadEnvelope, "content-type", event.ID.String()},
		{"readable id", func(r *kgo.Record) { r.Headers[2].Value = []byte("order-7") }, ledger.CodeBadID, "id", "order-7"},
		{"NUL in id", func(r *kgo.Record) { r.Headers[2].Value = []byte("a\x00b") }, ledger.CodeBadID, "id", ""},
		{"long id", func(r *kgo.Record) { r.Headers[2].Value = bytes.Repeat([]byte("a"), 10_000) }, ledger.CodeBadID, "id", ""},
		{"bytes", func(r *kgo.Record) { r.Value = []byte{0xff, 0xfe, 0} }, ledger.CodeUndecodable, "data", event.ID.String()},
		{"frame without a path", func(r *kgo.Record) { r.Value = []byte{0, 0, 0, 0, 1} }, ledger.CodeUndecodable, "data", event.ID.String()},
		{"frame, endless path", func(r *kgo.Record) {
			r.Value = concat([]byte{0, 0, 0, 0, 1}, bytes.Repeat([]byte{0xff}, 20))
		}, ledger.CodeUndecodable, "data", event.ID.String()},
		{"frame, negative path", func(r *kgo.Record) { r.Value = []byte{0, 0, 0, 0, 1, 1} }, ledger.CodeUndecodable, "data", event.ID.String()},
		{"batch", func(r *kgo.Record) {
			r.Headers[0].Value = []byte("application/cloudevents-batch+json")
		}, ledger.CodeBadEnvelope, "datacontenttype", event.ID.String()},
		{"avro", func(r *kgo.Record) {
			r.Headers[0].Value = []byte("application/avro")
		}, ledger.CodeBadEnvelope, "datacontenttype", event.ID.String()},
		{"too large", func(r *kgo.Record) {
			r.Headers = append(r.Headers, header("x", strings.Repeat("x", MaxRecordBytes)))
		}, ledger.CodeTooLarge, "", event.ID.String()},
		{"broken document", func(r *kgo.Record) {
			*r = kgo.Record{Topic: r.Topic, Value: []byte(`{"id":"` + event.ID.String() + `","data":{`)}
		}, ledger.CodeUndecodable, "", event.ID.String()},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			record, bad := Encode(event)
			require.Nil(t, bad)
			c.change(record)
			got := Decode(record)
			require.Nil(t, got.Event)
			require.NotNil(t, got.Rejected)
			require.Equal(t, c.code, got.Rejected.Invalid.Code, "%v", got.Rejected.Invalid)
			require.Equal(t, c.path, got.Rejected.Invalid.Path, "%v", got.Rejected.Invalid)
			require.Equal(t, c.id, got.Rejected.EventID)
			requireKept(t, record, got.Rejected)
		})
	}
}

func requireKept(t testing.TB, record *kgo.Record, kept *Rejection) {
	t.Helper()
	require.Equal(t, record.Key, kept.Key)
	require.Equal(t, record.Value, kept.Payload)
	require.Len(t, kept.Headers, len(record.Headers))
	for i, h := range record.Headers {
		require.Equal(t, Header{Key: h.Key, Value: h.Value}, kept.Headers[i])
	}
}

// The edge of the size rule: an event whose document is exactly as large as a door takes is read back in each format, and
// one that would be refused when read is not written.
func TestWhatADoorTakesIsReadBack(t *testing.T) {
	t.Parallel()
	event := largest(t, ledger.MaxEventBytes)
	require.Len(t, ledger.AppendJSON(nil, event), ledger.MaxEventBytes)
	for name, record := range wireFormats(t, event) {
		got := Decode(record)
		requireAccepted(t, got, name)
		requireSame(t, event, got.Event, name)
	}

	record, bad := EncodeAs(event, FormatStructured)
	require.Nil(t, bad)
	requireAccepted(t, Decode(record), "structured")
	_, bad = EncodeAs(largest(t, ledger.MaxEventBytes+1), FormatStructured)
	require.NotNil(t, bad)
	require.Equal(t, ledger.CodeTooLarge, bad.Code)

	for content := ledger.MaxEventBytes - 2; content <= ledger.MaxEventBytes+2; content++ {
		event := withContent(t, content)
		record, bad := Encode(event)
		if content > ledger.MaxEventBytes {
			require.NotNil(t, bad)
			require.Equal(t, ledger.CodeTooLarge, bad.Code)
			continue
		}
		require.Nil(t, bad)
		requireAccepted(t, Decode(record), "protobuf")
	}
}

// largest is an event whose JSON document has so many bytes, its key as long as can be.
func largest(t testing.TB, size int) *ledger.Event {
	t.Helper()
	return sized(t, size, func(event *ledger.Event) int { return len(ledger.AppendJSON(nil, event)) })
}

// withContent is an event whose attributes and data are so many bytes.
func withContent(t testing.TB, size int) *ledger.Event {
	t.Helper()
	return sized(t, size, func(event *ledger.Event) int {
		a := event.Attributes()
		return len(a.SpecVersion) + len(a.ID) + len(a.Source) + len(a.Type) + len(a.Time) + len(a.Subject) + len(a.DataContentType) +
			len(a.Ledger) + len(a.PartitionKey) + len(a.TraceParent) + event.Data.SizeVT()
	})
}

// sized is a journal of as many entries as fit, and a description that fills the rest.
func sized(t testing.TB, size int, measure func(*ledger.Event) int) *ledger.Event {
	t.Helper()
	key := strings.Repeat("k", 1024)
	one := measure(journal(1, key))
	event := journal(1+(size-one)/(measure(journal(2, key))-one), key)
	pad(event, size-measure(event))
	require.Equal(t, size, measure(event))
	return event
}
