package ledger_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/ledgertest"
)

// extremes is how many extreme events of a type are looked at: their fields have few values each.
const extremes = 16

// everyType runs a property for each type, with ordinary and with extreme events.
func everyType(t *testing.T, property func(t require.TestingT, e *ledger.Event)) {
	t.Helper()
	for _, info := range ledger.Types() {
		t.Run(string(info.Type), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { property(t, ledgertest.Event(t, ledgertest.OfType(info.Type))) })
			extreme := rapid.Custom(func(t *rapid.T) *ledger.Event {
				return ledgertest.Event(t, ledgertest.OfType(info.Type), ledgertest.Extreme())
			})
			for seed := range extremes {
				property(t, extreme.Example(seed))
			}
		})
	}
}

// requireSame holds two events to be equal in every attribute, in content and in hash.
func requireSame(t require.TestingT, want, got *ledger.Event) {
	wantAttributes, gotAttributes := want.Attributes(), got.Attributes()
	require.Equal(t, wantAttributes, gotAttributes)
	require.True(t, want.Time.Equal(got.Time))
	require.True(t, proto.Equal(want.Data, got.Data), "want %v\ngot %v", want.Data, got.Data)
	require.Equal(t, want.ContentHash(), got.ContentHash())
}

func requireBalance(t require.TestingT, postings []ledger.Posting) {
	type sides struct{ debits, credits ledger.Sum }
	assets := map[string]*sides{}
	for _, p := range postings {
		require.False(t, p.Amount.IsZero(), "a posting of nothing: %v", p)
		parsed, ok := ledger.ParseAccount(p.Account.String())
		require.True(t, ok, "%v is no account", p.Account)
		require.Equal(t, p.Account, parsed)
		if assets[p.Asset] == nil {
			assets[p.Asset] = new(sides)
		}
		if p.Direction == ledger.Debit {
			assets[p.Asset].debits.Add(p.Amount)
		} else {
			assets[p.Asset].credits.Add(p.Amount)
		}
	}
	for asset, both := range assets {
		require.Equal(t, both.debits, both.credits, asset)
	}
}

// Every drawn event is valid, balances, and is the same event in whatever format it travels.
func TestEveryEvent(t *testing.T) {
	t.Parallel()
	everyType(t, func(t require.TestingT, e *ledger.Event) {
		require.Nil(t, ledger.Validate(e))
		requireBalance(t, ledger.Postings(nil, e))
		a := e.Attributes()
		data := e.AppendData(nil)
		fromProtobuf, bad := ledger.Decode(&a, data, ledger.Strict)
		require.Nil(t, bad)
		requireSame(t, e, fromProtobuf)

		doc := ledger.AppendJSON(nil, e)
		fromJSON, bad := ledger.DecodeJSON(doc, ledger.Strict)
		require.Nil(t, bad, "%s", doc)
		requireSame(t, e, fromJSON)
		require.Equal(t, doc, ledger.AppendJSON(nil, fromJSON), "the JSON of an event is always the same")
		require.NotContains(t, string(doc), "\n")

		_, object, found := strings.Cut(string(doc), `,"data":`)
		require.True(t, found)
		a.DataContentType = "Application/JSON; charset=utf-8"
		binaryJSON, bad := ledger.Decode(&a, []byte(strings.TrimSuffix(object, "}")), ledger.Lenient)
		require.Nil(t, bad)
		requireSame(t, e, binaryJSON)

		head := strings.Replace(string(doc), "application/json", "application/protobuf", 1)
		head, _, _ = strings.Cut(head, `,"data":`)
		structured, bad := ledger.DecodeJSON([]byte(head+`,"data_base64":"`+base64.StdEncoding.EncodeToString(data)+`"}`), ledger.Strict)
		require.Nil(t, bad)
		requireSame(t, e, structured)
	})
}

func TestDecodedJSONSharesNoMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := ledgertest.Event(t)
		doc := ledger.AppendJSON(nil, e)
		got, bad := ledger.DecodeJSON(doc, ledger.Strict)
		require.Nil(t, bad)
		clear(doc)
		requireSame(t, e, got)
	})
}

// A field of a newer schema is no part of the content, wherever it stands.
func TestUnknownProtobufFieldsAreDropped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := ledgertest.Event(t, ledgertest.OfType(ledger.TypePaymentPosted, ledger.TypeJournalPosted, ledger.TypeSiteRegistered))
		a := e.Attributes()
		unknown := rapid.SampledFrom([][]byte{
			protowire.AppendVarint(protowire.AppendTag(nil, 60, protowire.VarintType), 7),
			protowire.AppendString(protowire.AppendTag(nil, 5000, protowire.BytesType), "new"),
			protowire.AppendFixed64(protowire.AppendTag(nil, 61, protowire.Fixed64Type), 1),
			protowire.AppendTag(protowire.AppendTag(nil, 62, protowire.StartGroupType), 62, protowire.EndGroupType),
		}).Draw(t, "unknown")
		for name, data := range map[string][]byte{
			"before": e.AppendData(append([]byte(nil), unknown...)), "behind": append(e.AppendData(nil), unknown...),
			"nested": intoFirstMessage(e.AppendData(nil), unknown),
		} {
			got, bad := ledger.Decode(&a, data, ledger.Strict)
			require.Nil(t, bad, name)
			requireSame(t, e, got)
		}
	})
}

// intoFirstMessage puts a field into the first message that is a field of this one.
func intoFirstMessage(data, unknown []byte) []byte {
	var out []byte
	for done := false; len(data) > 0; {
		number, wireType, n := protowire.ConsumeTag(data)
		size := n + protowire.ConsumeFieldValue(number, wireType, data[n:])
		content, _ := protowire.ConsumeBytes(data[n:])
		if _, inner, ok := protowire.ConsumeTag(content); !done && wireType == protowire.BytesType && ok > 0 &&
			inner == protowire.BytesType && isMoney(content) {
			done = true
			out = append(out, data[:n]...)
			out = protowire.AppendBytes(out, append(append([]byte(nil), content...), unknown...))
		} else {
			out = append(out, data[:size]...)
		}
		data = data[size:]
	}
	return out
}

// isMoney tells money's bytes from text, by the scale in their end.
func isMoney(content []byte) bool {
	return len(content) > 4 && content[0] == 0x0a && content[len(content)-2] == 0x18
}

// Whatever the bytes, decoding answers; and what it accepts keeps every promise.
func TestNoBytesPanic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := ledgertest.Event(t)
		doc := mutate(t, ledger.AppendJSON(nil, e))
		holdPromises(t, doc)
		a := e.Attributes()
		data := mutate(t, e.AppendData(nil))
		if got, bad := ledger.Decode(&a, data, ledger.Lenient); bad == nil {
			holdDecoded(t, got)
		}
		ledger.PeekID(doc)
	})
}

// mutate changes some bytes: other values, cuts, repeats.
func mutate(t *rapid.T, b []byte) []byte {
	for range rapid.IntRange(1, 3).Draw(t, "mutations") {
		if len(b) == 0 {
			return b
		}
		from := rapid.IntRange(0, len(b)-1).Draw(t, "from")
		to := min(len(b), from+rapid.IntRange(0, 8).Draw(t, "length"))
		insert := rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "insert")
		if rapid.Bool().Draw(t, "repeat") {
			insert = append(insert, b[from:to]...)
			to = from
		}
		b = append(append(append([]byte(nil), b[:from]...), insert...), b[to:]...)
	}
	return b
}

// holdPromises decodes a document in both modes: strict accepts no more than lenient, and what is accepted holds.
func holdPromises(t require.TestingT, doc []byte) {
	strict, strictBad := ledger.DecodeJSON(doc, ledger.Strict)
	lenient, lenientBad := ledger.DecodeJSON(doc, ledger.Lenient)
	require.NotEqual(t, strict == nil, strictBad == nil)
	if strict != nil {
		require.Nil(t, lenientBad)
		requireSame(t, strict, lenient)
	}
	if lenient != nil {
		holdDecoded(t, lenient)
		require.Equal(t, lenient.ID.String(), ledger.PeekID(doc))
	}
}

// holdDecoded holds a decoded event to the promises: valid when looked at again, balanced, the same in every format.
func holdDecoded(t require.TestingT, e *ledger.Event) {
	require.Nil(t, ledger.Validate(e))
	requireBalance(t, ledger.Postings(nil, e))
	doc := ledger.AppendJSON(nil, e)
	if len(doc) > ledger.MaxEventBytes {
		return // escapes can make JSON larger than what was read
	}
	again, bad := ledger.DecodeJSON(doc, ledger.Strict)
	require.Nil(t, bad)
	requireSame(t, e, again)
}
