package eventlog

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// FuzzDecode holds for any record: it is an event or a rejection, never both or neither; a rejection keeps every byte; an
// event is written and read again as itself.
func FuzzDecode(f *testing.F) {
	event := sample(f, ledger.TypePaymentPosted, 1)
	id := []byte(event.ID.String())
	for _, record := range wireFormats(f, event) {
		contentType := ""
		if len(record.Headers) > 0 {
			contentType = string(record.Headers[0].Value)
		}
		f.Add(contentType, id, []byte(event.Type), len(record.Headers) > 2, record.Value)
	}
	f.Add("application/protobuf", []byte("x"), []byte("y"), true, []byte{0, 0, 0, 0, 1, 4, 2})
	f.Fuzz(func(t *testing.T, contentType string, id, kind []byte, attributes bool, value []byte) {
		record, bad := Encode(event)
		if bad != nil {
			t.Fatal(bad)
		}
		record.Value = value
		record.Headers[0].Value, record.Headers[2].Value, record.Headers[4].Value = []byte(contentType), id, kind
		if !attributes {
			record.Headers = record.Headers[:1]
		}
		checkDecoded(t, record, bytes.Clone(value))
	})
}

func checkDecoded(t *testing.T, record *kgo.Record, value []byte) {
	t.Helper()
	got := Decode(record)
	if (got.Event == nil) == (got.Rejected == nil) || got.Control {
		t.Fatal("neither an event nor a rejection, or both")
	}
	if got.Rejected != nil {
		if got.Rejected.Invalid.Code == "" || got.Rejected.Invalid.Message == "" {
			t.Fatal("refused without a reason")
		}
		requireKept(t, record, got.Rejected)
		return
	}
	if bad := ledger.Validate(got.Event); bad != nil {
		t.Fatalf("accepted, but not valid: %v", bad)
	}
	again, bad := Encode(got.Event)
	if bad != nil {
		t.Fatalf("accepted, but not written: %v", bad)
	}
	back := Decode(again)
	requireAccepted(t, back, "as written")
	requireSame(t, got.Event, back.Event, "as written")
	if !bytes.Equal(record.Value, value) {
		t.Fatal("the value was changed")
	}
}
