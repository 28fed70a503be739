package ledger_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// examples are the events of the golden files, valid and not.
func examples(t testing.TB) []string {
	t.Helper()
	var events []string
	for _, name := range []string{"testdata/postings", "testdata/invalid"} {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		for line := range strings.Lines(string(file)) {
			if strings.HasPrefix(line, "{") {
				events = append(events, strings.TrimSpace(line))
			}
		}
	}
	require.NotEmpty(t, events)
	return events
}

func FuzzDecodeJSON(f *testing.F) {
	for _, doc := range examples(f) {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) { holdPromises(t, doc) })
}

// The scanner agrees with the standard library on what is JSON, and on what a string says.
func FuzzJSON(f *testing.F) {
	for _, value := range []string{
		`"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\ud834\udd1e"`, `"\ud834x"`, `"\u12g4"`,
		`[1,-0.5e+10,{"a":[]},true,false,null]`, `01`, `-`, `1.`,
		`1e`, `tru`, "\"\x01\"", `{"a":1,}`, `[1,]`, `{"a" 1}`, `"`, `"\`, `"\x"`, `"eight by\\tes"`, "\"\xff\"", ``,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if bytes.Count(value, []byte("["))+bytes.Count(value, []byte("{")) > 50 {
			return // the scanner nests less deep
		}
		doc := append([]byte(`{"specversion":"1.0","id":"0197f2c4-5b1e-7d3a-9c41-3f6f0a5e8b21","source":"urn:fuzz","type":"`+
			string(ledger.TypePostPublished)+`","time":"2026-01-31T09:30:00Z","subject":"blog","data":{"plugin_id":"blog",`+
			`"post_id":"p","url":null,"title":`), value...)
		doc = append(doc, "}}"...)
		e, bad := ledger.DecodeJSON(doc, ledger.Lenient)
		if bad != nil && strings.Contains(bad.Message, "twice") {
			return
		}
		require.Equal(t, json.Valid(doc), bad == nil || bad.Code != ledger.CodeUndecodable, "%v", bad)
		if bad != nil {
			return
		}
		var want map[string]any
		require.NoError(t, json.Unmarshal(doc, &want))
		wantData, ok := want["data"].(map[string]any)
		require.True(t, ok)
		got, ok := e.Data.(*eventsv1.PostPublished)
		require.True(t, ok)
		require.Equal(t, wantData["title"], got.GetTitle())
	})
}

func FuzzDecodeProtobuf(f *testing.F) {
	types := ledger.Types()
	for _, doc := range examples(f) {
		e, bad := ledger.DecodeJSON([]byte(doc), ledger.Strict)
		if bad != nil {
			continue
		}
		for i := range types {
			if types[i].Type == e.Type {
				f.Add(uint8(i), e.Subject, e.AppendData(nil))
			}
		}
	}
	f.Fuzz(func(t *testing.T, place uint8, subject string, data []byte) {
		a := ledger.Attributes{
			SpecVersion: "1.0", ID: uuid.Max.String(), Source: "urn:fuzz", Type: string(types[int(place)%len(types)].Type),
			Time: "2026-01-31T09:30:00Z", Subject: subject, DataContentType: ledger.ContentTypeProtobuf,
		}
		if e, bad := ledger.Decode(&a, data, ledger.Lenient); bad == nil {
			holdDecoded(t, e)
		}
	})
}

func FuzzAttributes(f *testing.F) {
	f.Add("urn:example:shop", "2026-01-31T09:30:00Z", "main", "application/json", "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("/a%20b?c=[1]#d", "2105-12-31T23:59:59.999999999+23:59", "live-2", "APPLICATION/json;a=b", "key", "01-"+strings.Repeat("1", 32))
	f.Fuzz(func(t *testing.T, source, at, name, contentType, key, trace string) {
		a := ledger.Attributes{
			SpecVersion: "1.0", ID: uuid.Max.String(), Source: source, Type: string(ledger.TypeReceiverExpired), Time: at,
			Subject: "r", DataContentType: contentType, Ledger: name, PartitionKey: key, TraceParent: trace,
		}
		if e, bad := ledger.Decode(&a, []byte(`{"receiver_id":"r","merchant_id":"m"}`), ledger.Strict); bad == nil {
			holdDecoded(t, e)
		}
	})
}

func FuzzParseAccount(f *testing.F) {
	for _, account := range []string{"merchant:acme:payable", "platform:fees", "a:b:c:d", "merchant:", "merchant::payable", "::"} {
		f.Add(account)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if a, ok := ledger.ParseAccount(text); ok {
			require.Equal(t, text, a.String())
		} else {
			require.Equal(t, ledger.Account{}, a)
		}
	})
}

func FuzzPointerHost(f *testing.F) {
	for _, pointer := range []string{"$wallet.example/alice", "https://Wallet.Example:8443/~bob", "$", "$a:b", "$.", "$[::1]"} {
		f.Add(pointer)
	}
	f.Fuzz(func(t *testing.T, pointer string) {
		if host, ok := ledger.PointerHost(pointer); ok {
			_, ok = ledger.ParseAccount("interledger:" + host + ":clearing")
			require.True(t, ok)
			again, ok := ledger.PointerHost("$" + host)
			require.True(t, ok)
			require.Equal(t, host, again)
		}
	})
}

func FuzzParseAmount(f *testing.F) {
	f.Add("139120", uint32(3))
	f.Add("-"+strings.Repeat("9", 38), uint32(18))
	f.Fuzz(func(t *testing.T, value string, scale uint32) {
		if a, err := ledger.ParseAmount(value, scale); err == nil {
			again, err := ledger.ParseAmount(a.Big().String(), ledger.AmountScale)
			require.NoError(t, err)
			require.Equal(t, a, again)
		}
	})
}
