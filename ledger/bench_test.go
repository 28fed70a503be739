package ledger_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
)

// small is an event of a hundred bytes of data; large a payment of twenty lines.
func small(b *testing.B) *ledger.Event {
	b.Helper()
	return mustDecode(b, monetization)
}

func large(b *testing.B) *ledger.Event {
	b.Helper()
	line := `{"sku":"22423","description":"REGENCY CAKESTAND 3 TIER","quantity":"12",` +
		`"unit_price":{"value":"10950","asset_code":"GBP","asset_scale":3}}`
	return mustDecode(b, `{"specversion":"1.0","id":"0197f2c4-5b1e-7d3a-9c41-3f6f0a5e8b21","source":"urn:example:shop",`+
		`"type":"tributary.payment.posted.v1","time":"2026-01-31T09:30:00Z","subject":"p-536365","data":{"payment_id":"p-536365",`+
		`"transaction_id":"till-536365","user_id":"customer-17850","payment_type":"credit","provider":"till","merchant_id":"acme",`+
		`"amount":{"value":"2628000","asset_code":"GBP","asset_scale":3},"fee":{"value":"7884","asset_code":"GBP","asset_scale":3},`+
		`"lines":[`+strings.Repeat(line+",", 19)+line+`]}}`)
}

func mustDecode(b *testing.B, doc string) *ledger.Event {
	b.Helper()
	e, bad := ledger.DecodeJSON([]byte(doc), ledger.Strict)
	require.Nil(b, bad)
	return e
}

// bothSizes runs a benchmark with a small and a large event; the rate is of the JSON's or protobuf's bytes.
func bothSizes(b *testing.B, run func(b *testing.B, e *ledger.Event)) {
	b.Helper()
	b.Run("small", func(b *testing.B) { b.ReportAllocs(); run(b, small(b)) })
	b.Run("large", func(b *testing.B) { b.ReportAllocs(); run(b, large(b)) })
}

func BenchmarkDecodeJSON(b *testing.B) {
	bothSizes(b, func(b *testing.B, e *ledger.Event) {
		b.Helper()
		doc := ledger.AppendJSON(nil, e)
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			if _, bad := ledger.DecodeJSON(doc, ledger.Strict); bad != nil {
				b.Fatal(bad)
			}
		}
	})
}

func BenchmarkDecodeProtobuf(b *testing.B) {
	bothSizes(b, func(b *testing.B, e *ledger.Event) {
		b.Helper()
		a, data := e.Attributes(), e.AppendData(nil)
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, bad := ledger.Decode(&a, data, ledger.Lenient); bad != nil {
				b.Fatal(bad)
			}
		}
	})
}

func BenchmarkPostings(b *testing.B) {
	bothSizes(b, func(b *testing.B, e *ledger.Event) {
		b.Helper()
		var buf []ledger.Posting
		for b.Loop() {
			buf = ledger.Postings(buf[:0], e)
		}
	})
}

func BenchmarkContentHash(b *testing.B) {
	bothSizes(b, func(b *testing.B, e *ledger.Event) {
		b.Helper()
		for b.Loop() {
			e.ContentHash()
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	bothSizes(b, func(b *testing.B, e *ledger.Event) {
		b.Helper()
		var buf []byte
		for b.Loop() {
			buf = ledger.AppendJSON(buf[:0], e)
		}
		b.SetBytes(int64(len(buf)))
	})
}

func BenchmarkParseAmount(b *testing.B) {
	for _, value := range []string{"139120", strings.Repeat("9", 38)} {
		b.Run(value, func(b *testing.B) {
			b.ReportAllocs()
			scale := uint32(len(value)) % 20
			for b.Loop() {
				if _, err := ledger.ParseAmount(value, scale); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
