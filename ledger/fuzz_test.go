package ledger_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
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
