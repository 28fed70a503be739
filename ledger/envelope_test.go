package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Every message with the option event_type is a type of event here, and no type comes twice.
func TestTypesAreThoseOfTheSchemas(t *testing.T) {
	t.Parallel()
	want := map[ledger.Type]protoreflect.FullName{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Messages().Len() {
			message := file.Messages().Get(i)
			option, _ := proto.GetExtension(message.Options(), eventsv1.E_EventType).(*eventsv1.EventType)
			if option.GetType() != "" {
				want[ledger.Type(option.GetType())] = message.FullName()
			}
		}
		return true
	})
	got := map[ledger.Type]protoreflect.FullName{}
	for _, info := range ledger.Types() {
		got[info.Type] = info.Descriptor.FullName()
		require.Contains(t, ledger.Topics(), info.Topic)
		require.Equal(t, info.Topic, info.Type.Topic())
		require.Equal(t, info.Type, ledger.TypeOf(info.Type.New()))
		require.NotNil(t, info.Descriptor.Fields().ByName(protoreflect.Name(info.Subject)))
	}
	require.Equal(t, want, got)
	require.Equal(t, "plugin_id", ledger.Types()[len(got)-1].Subject)
	require.Empty(t, ledger.Type("tributary.unknown.v1").Topic())
	require.Nil(t, ledger.Type("tributary.unknown.v1").New())
	require.Empty(t, ledger.TypeOf(new(eventsv1.Money)))
}

// The offsets are those of RFC 3339: the standard library also takes +00:60 and +24:00.
func TestParseTimeAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(
			`(19[67][0-9]|20[0-9]{2}|210[0-9])-[01][0-9]-[0-3][0-9]`+
				`T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,12})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`,
		).Draw(t, "time")
		got, err := ledger.ParseTime(text)
		want, wantErr := time.Parse(time.RFC3339Nano, text)
		if wantErr != nil {
			require.Error(t, err)
			return
		}
		if year := want.UTC().Year(); year < 1970 || year > 2105 {
			require.ErrorIs(t, err, ledger.ErrTimeRange)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want.UTC().Truncate(time.Microsecond), got)
	})
}

func TestParseTimeAtItsEnds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1970-01-01T00:00:00Z", "1969-12-31T23:00:00-01:00", "2105-12-31T23:59:59.9999999Z", "2106-01-01T23:58:59+23:59",
		"2000-02-29t12:00:00z", "2024-06-30T12:00:00-00:00",
	} {
		_, err := ledger.ParseTime(text)
		require.NoError(t, err, text)
	}
	for _, text := range []string{
		"", "Z", "2026-01-31", "2026-01-31T09:30:00.Z", "2026-01-31T09:30:00,5Z", "2026-01-31T09:30:00+1:00", "2026-01-31T09:30:00+0100",
		"2026-01-31T09:30:00ZZ", "2026-01-31T09:30:00.5", "2026-1-31T09:30:00Z", "2100-02-29T00:00:00Z", "2026-01-31T24:00:00Z",
		"+2026-01-31T09:30:00Z", "2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00+01:60", "20a6-01-31T09:30:00Z",
	} {
		_, err := ledger.ParseTime(text)
		require.ErrorIs(t, err, ledger.ErrTimeForm, text)
	}
}

func TestTimeZones(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Paris", "Asia/Kolkata", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "EST5EDT"} {
		require.True(t, ledger.IsTimeZone(name), name)
	}
	for _, name := range []string{"", "Local", "europe/paris", "Europe", "Europe/Paris\n", "../etc/passwd", "CEST", "+01:00", "Factory"} {
		require.False(t, ledger.IsTimeZone(name), name)
	}
}

func TestAttributesBySet(t *testing.T) {
	t.Parallel()
	e, bad := ledger.DecodeJSON([]byte(monetization), ledger.Strict)
	require.Nil(t, bad)
	var a ledger.Attributes
	for name, value := range map[string]string{
		"specversion": "1.0", "id": strings.ToUpper(e.ID.String()), "source": e.Source, "type": string(e.Type),
		"time": "2015-05-17T12:05:03.2500009+02:00", "subject": e.Subject, "datacontenttype": "application/protobuf; charset=x",
		"ledger": "test", "partitionkey": "k", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	} {
		require.True(t, a.Set(name, value), name)
	}
	require.False(t, a.Set("dataschema", "x"))
	require.Equal(t, ledger.CodeUnknownField, ledger.UnknownAttribute("dataschema").Code)

	got, bad := ledger.Decode(&a, e.AppendData(nil), ledger.Strict)
	require.Nil(t, bad)
	require.Equal(t, "k", got.Key())
	require.Equal(t, e.ContentHash(), got.ContentHash())
	got.PartitionKey, got.TraceParent = "", ""
	requireSame(t, e, got)
}

// Lenient reading passes over what a newer producer adds; the content is the same.
func TestLenientIgnoresUnknownFields(t *testing.T) {
	t.Parallel()
	e, bad := ledger.DecodeJSON([]byte(monetization), ledger.Strict)
	require.Nil(t, bad)
	newer := strings.Replace(monetization, `"post_id"`, `"new":[{"a":[1,-2.5e+3,true,false,null,"\ud834\udd1e"]},{}],"post_id"`, 1)
	newer = strings.Replace(newer, `"data":`, `"dataschema":"x","extension":{},"data":`, 1)
	_, bad = ledger.DecodeJSON([]byte(newer), ledger.Strict)
	require.Equal(t, "dataschema", bad.Path)
	got, bad := ledger.DecodeJSON([]byte(newer), ledger.Lenient)
	require.Nil(t, bad)
	requireSame(t, e, got)
}

// The data may come before the type that says how to read it.
func TestAttributesInAnyOrder(t *testing.T) {
	t.Parallel()
	e, bad := ledger.DecodeJSON([]byte(monetization), ledger.Strict)
	require.Nil(t, bad)
	head, data, _ := strings.Cut(monetization, `,"data":`)
	got, bad := ledger.DecodeJSON([]byte(" { \"data\" :\t"+strings.TrimSuffix(data, "}")+" ,\n"+head[1:]+"}\r\n"), ledger.Strict)
	require.Nil(t, bad)
	requireSame(t, e, got)
}

func TestPeekID(t *testing.T) {
	t.Parallel()
	const id = "0bcefd56-36c7-589e-b19b-1c7a0512c79d"
	for doc, want := range map[string]string{
		monetization:                             id,
		`{"data":{"id":1},"id":"` + id + `"`:     id,
		`{"id":"` + strings.ToUpper(id) + `",!`:  id,
		`{"id":"42"}`:                            "",
		`{"id":42,"x":"` + id + `"}`:             "",
		`{"data":{"id":"` + id + `"}}`:           "",
		`[]`:                                     "",
		``:                                       "",
		`{"data":` + strings.Repeat("[", 10_000): "",
	} {
		require.Equal(t, want, ledger.PeekID([]byte(doc)), doc[:min(len(doc), 80)])
	}
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	data := &eventsv1.ReceiverExpired{ReceiverId: "r-1", MerchantId: "acme"}
	at := time.Date(2026, 1, 31, 9, 30, 0, 1999, time.FixedZone("", 3600))
	valid := func() *ledger.Event { return ledger.NewEvent(uuid.New(), at, "urn:example:shop", data) }
	require.Nil(t, ledger.Validate(valid()))
	require.Equal(t, time.Date(2026, 1, 31, 8, 30, 0, 1000, time.UTC), valid().Time)
	require.Equal(t, "r-1", valid().Subject)
	require.Equal(t, ledger.TypeReceiverExpired, valid().Type)

	for path, spoil := range map[string]func(*ledger.Event){
		"missing_field data":             func(e *ledger.Event) { e.Data = nil },
		"missing_field data ":            func(e *ledger.Event) { e.Data = (*eventsv1.ReceiverExpired)(nil) },
		"unknown_type type":              func(e *ledger.Event) { e.Type = ledger.TypeReceiverCreated },
		"bad_time time":                  func(e *ledger.Event) { e.Time = time.Time{} },
		"bad_time time ":                 func(e *ledger.Event) { e.Time = e.Time.Add(1) },
		"bad_time time  ":                func(e *ledger.Event) { e.Time = e.Time.In(time.FixedZone("", 60)) },
		"bad_id id":                      func(e *ledger.Event) { e.ID = uuid.Nil },
		"missing_field ledger":           func(e *ledger.Event) { e.Ledger = "" },
		"missing_field source":           func(e *ledger.Event) { e.Source = "" },
		"subject_mismatch subject":       func(e *ledger.Event) { e.Subject = "r-2" },
		"missing_field data.merchant_id": func(e *ledger.Event) { e.Data = &eventsv1.ReceiverExpired{ReceiverId: "r-1"} },
		"bad_field data.receiver_id":     func(e *ledger.Event) { e.Data = &eventsv1.ReceiverExpired{ReceiverId: "\xff", MerchantId: "m"} },
	} {
		e := valid()
		spoil(e)
		bad := ledger.Validate(e)
		require.NotNil(t, bad, path)
		require.Equal(t, strings.TrimSpace(path), string(bad.Code)+" "+bad.Path)
	}
}
