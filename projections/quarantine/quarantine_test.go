package quarantine

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres/foldtest"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// at makes a record lie somewhere, as if it had been fetched from there.
func at(offset int64, r *kgo.Record) eventlog.Record {
	r.Topic, r.Offset, r.Partition = eventlog.TopicPayments, offset, 7
	return eventlog.Decode(r)
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

func TestShowsWhatIsWrongAndKeepsTheBytes(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	payload := []byte("\x00\xff{broken \x00")
	record := at(42, &kgo.Record{
		Timestamp: time.UnixMilli(1_700_000_000_123), Key: []byte("k\x00"), Value: payload,
		Headers: []kgo.RecordHeader{
			header("ce_specversion", "1.0"), header("ce_ledger", "test"), header("ce_id", "not-a-uuid"),
			header("bin\xff\x00", "\xfe\x00"),
			{Key: "none"},
			header("empty", ""), header("text", "päy\n"),
		},
	})
	require.NotNil(t, record.Rejected)
	foldtest.Own(t, pool, New()).Commit(t, record)

	got, err := Get(t.Context(), pool, record.Position)
	require.NoError(t, err)
	require.Equal(t, "test", *got.Ledger)
	require.Equal(t, string(record.Rejected.Invalid.Code), got.Reason)
	require.Equal(t, record.Rejected.Invalid.Message, got.Message)
	require.Equal(t, "not-a-uuid", *got.EventID)
	require.Equal(t, payload, got.Payload)
	require.Equal(t, []byte("k\x00"), got.Key)
	require.Equal(t, time.UnixMilli(1_700_000_000_123).UTC(), got.RecordedAt)
	require.Nil(t, got.ReleasedAt)
	require.Equal(t, record.Position, got.Position())
	text := func(s string) *string { return &s }
	require.Equal(t, []Header{
		{Key: "ce_specversion", Text: text("1.0"), Value: []byte("1.0")},
		{Key: "ce_ledger", Text: text("test"), Value: []byte("test")},
		{Key: "ce_id", Text: text("not-a-uuid"), Value: []byte("not-a-uuid")},
		{Key: "bin\ufffd␀", KeyBytes: []byte("bin\xff\x00"), Value: []byte("\xfe\x00")},
		{Key: "none"},
		{Key: "empty", Text: text(""), Value: []byte{}},
		{Key: "text", Text: text("päy\n"), Value: []byte("päy\n")},
	}, got.Headers)

	_, err = Get(t.Context(), pool, eventlog.Position{Topic: eventlog.TopicPayments, Partition: 7, Offset: 41})
	require.ErrorIs(t, err, ErrNotFound)
}

func TestNamesTheLedgerWhereItCanBeRead(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	owner := foldtest.Own(t, pool, New())
	long := strings.Repeat("l", 41)
	for i, c := range []struct {
		want    string
		headers []kgo.RecordHeader
		value   string
	}{
		{"main", []kgo.RecordHeader{header("ce_id", "x")}, "{"},
		{"tenant-7", []kgo.RecordHeader{header("ce_ledger", "tenant-7")}, "{"},
		{"", []kgo.RecordHeader{header("ce_ledger", "Not One")}, "{"},
		{"", []kgo.RecordHeader{header("ce_ledger", long)}, "{"},
		{"test", nil, `{"specversion": "1.0", "ledger": "test"}`},
		{"main", nil, `{"specversion": "1.0"}`},
		{"", nil, `{"specversion": "1.0", "ledger": 3}`},
		{"", nil, `{"ledger": "test"}`},
		{"", nil, "broken"},
		{"", nil, ""},
	} {
		record := at(int64(i), &kgo.Record{Headers: c.headers, Value: []byte(c.value)})
		owner.Commit(t, record)
		got, err := Get(t.Context(), pool, record.Position)
		require.NoError(t, err)
		if c.want == "" {
			require.Nil(t, got.Ledger, c.value)
			continue
		}
		require.NotNil(t, got.Ledger, c.value)
		require.Equal(t, c.want, *got.Ledger, c.value)
	}
}

// Whatever bytes a record has, Postgres takes them, and gives them back.
func TestNothingIsRefused(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	owner := foldtest.Own(t, pool, New())
	offset := int64(-1)
	rapid.Check(t, func(rt *rapid.T) {
		bytes := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte()),
			rapid.SliceOf(rapid.SampledFrom([]byte("\x00\xff\"\\{}a\u2028"))))
		r := &kgo.Record{
			Key: bytes.Draw(rt, "key"), Value: bytes.Draw(rt, "value"),
			Timestamp: time.UnixMilli(rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, -1, math.MaxInt64})).Draw(rt, "time")),
		}
		for range rapid.IntRange(0, 4).Draw(rt, "headers") {
			key := rapid.OneOf(rapid.SampledFrom([]string{"ce_id", "ce_ledger", "ce_type", "content-type"}),
				rapid.Map(bytes, func(b []byte) string { return string(b) })).Draw(rt, "header")
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: bytes.Draw(rt, "header's value")})
		}
		offset++
		record := at(offset, r)
		if record.Rejected == nil {
			rt.Skip("a valid event")
		}
		owner.Commit(t, record)
		got, err := Get(t.Context(), pool, record.Position)
		require.NoError(t, err)
		require.Equal(t, r.Value, got.Payload)
		require.Equal(t, r.Key, got.Key)
		require.Len(t, got.Headers, len(r.Headers))
		for i, h := range got.Headers {
			require.Equal(t, r.Headers[i].Value, h.Value)
			if h.KeyBytes == nil {
				require.Equal(t, r.Headers[i].Key, h.Key)
			} else {
				require.Equal(t, r.Headers[i].Key, string(h.KeyBytes))
			}
		}
		_, err = json.Marshal(got)
		require.NoError(t, err)
	})
}

func TestListsTheLatestFirstByPages(t *testing.T) {
	t.Parallel()
	pool := foldtest.Open(t, New())
	records := make([]eventlog.Record, 25)
	for i := range records {
		records[i] = at(int64(i), &kgo.Record{Timestamp: time.Unix(int64(1_700_000_000+i/4), 0), Value: []byte("x")})
	}
	records[3].Rejected.Invalid.Code = ledger.CodeAmountNegative
	foldtest.Own(t, pool, New()).Commit(t, records...)
	filter := Filter{Limit: 10}
	var offsets []int64
	for {
		page, err := List(t.Context(), pool, filter)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, s := range page {
			require.EqualValues(t, 1, s.PayloadBytes)
			offsets = append(offsets, s.KafkaOffset)
		}
		filter.After = &page[len(page)-1]
	}
	require.Len(t, offsets, 25)
	for i, offset := range offsets {
		require.EqualValues(t, 24-i, offset)
	}
	negative, err := List(t.Context(), pool, Filter{Reason: "amount_negative", Topic: eventlog.TopicPayments})
	require.NoError(t, err)
	require.Len(t, negative, 1)
	none, err := List(t.Context(), pool, Filter{Ledger: "main"})
	require.NoError(t, err)
	require.Empty(t, none)
	counts, err := Counts(t.Context(), pool)
	require.NoError(t, err)
	require.Equal(t, int64(24), counts[0].Records)
	require.Equal(t, Count{Reason: "amount_negative", Records: 1}, counts[1])
}

// Broken records between good ones, from a real log: the broken are kept, the good are passed over.
func TestFromTheLog(t *testing.T) {
	t.Parallel()
	pool, log := foldtest.Open(t, New()), foldtest.Log(t)
	client, err := eventlog.NewClient(log, kgo.ProducerBatchMaxBytes(3<<20))
	require.NoError(t, err)
	defer client.Close()
	good, bad := ledger.NewEvent(uuid.New(), time.Now(), "urn:test", &eventsv1.ReceiverExpired{ReceiverId: "r", MerchantId: "m"}), 0
	broken := []*kgo.Record{
		{Topic: eventlog.TopicPayments, Value: []byte("{")},
		{Topic: eventlog.TopicPayments, Value: []byte(strings.Repeat("x", 2<<20))},
		{Topic: eventlog.TopicReceivers, Timestamp: time.UnixMilli(math.MaxInt64 / 2)},
		{Topic: eventlog.TopicMonetization, Timestamp: time.UnixMilli(-1), Value: []byte("\x00")},
		{Topic: eventlog.TopicMonetization, Value: []byte("\xff"), Headers: []kgo.RecordHeader{header("ce_type", "\x00\xff")}},
	}
	for _, r := range broken {
		record, invalid := eventlog.Encode(good)
		require.Nil(t, invalid)
		require.NoError(t, client.ProduceSync(t.Context(), record, r).FirstErr())
		bad++
	}
	foldtest.Project(t, pool, New(), log, int64(2*len(broken)))
	list, err := List(t.Context(), pool, Filter{})
	require.NoError(t, err)
	require.Len(t, list, bad)
	for _, r := range broken {
		got, err := Get(t.Context(), pool, eventlog.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
		require.NoError(t, err)
		require.Equal(t, r.Value, got.Payload)
	}
}
