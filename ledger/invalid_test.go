package ledger_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
)

// codes is the closed list.
func codes() []ledger.Code {
	return []ledger.Code{
		ledger.CodeBadEnvelope, ledger.CodeUnknownType, ledger.CodeUndecodable, ledger.CodeUnknownField, ledger.CodeMissingField,
		ledger.CodeBadField, ledger.CodeBadID, ledger.CodeBadTime, ledger.CodeBadAmount, ledger.CodeAmountNegative,
		ledger.CodeAmountTooLarge, ledger.CodeFeeOverAmount, ledger.CodeBadAccount, ledger.CodeUnbalancedJournal,
		ledger.CodeSubjectMismatch, ledger.CodeWrongTopic, ledger.CodeTooLarge,
	}
}

// testdata/invalid has an event for each way of being invalid, and below it the answer: code, path, message.
//
//	json [bytes] [topic=…]        an event; with bytes, its \x escapes stand for bytes
//	json fill=data.name bytes=n   a payment one of whose texts has n bytes
func TestInvalid(t *testing.T) {
	t.Parallel()
	met := map[ledger.Code]bool{}
	datadriven.RunTest(t, "testdata/invalid", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		doc := []byte(d.Input)
		if d.HasArg("fill") {
			var path string
			var size int
			d.ScanArgs(t, "fill", &path)
			d.ScanArgs(t, "bytes", &size)
			doc = filled(path, size)
		} else if d.HasArg("bytes") {
			doc = []byte(strings.ReplaceAll(d.Input, `\xff`, "\xff"))
		}
		bad := answer(t, d, doc)
		met[bad.Code] = true
		require.True(t, strconv.CanBackquote(strings.ReplaceAll(bad.Error(), "`", "")), "printable anywhere: %q", bad.Error())
		return fmt.Sprintf("code: %s\npath: %s\nmessage: %s\n", bad.Code, bad.Path, bad.Message)
	})
	for _, code := range codes() {
		require.True(t, met[code], "no example of %s", code)
	}
	require.Len(t, met, len(codes()), "a code that is not on the list")
}

func answer(t *testing.T, d *datadriven.TestData, doc []byte) *ledger.Invalid {
	t.Helper()
	e, bad := ledger.DecodeJSON(doc, ledger.Strict)
	if d.HasArg("topic") {
		require.Nil(t, bad)
		var topic string
		d.ScanArgs(t, "topic", &topic)
		require.Nil(t, ledger.WrongTopic(e, e.Type.Topic()))
		bad = ledger.WrongTopic(e, topic)
	}
	require.NotNil(t, bad, "%s: valid, and should not be", d.Pos)
	return bad
}

// filled is a payment with one text of a size.
func filled(path string, size int) []byte {
	user, description := "u-1", "tea"
	if path == "data.user_id" {
		user = strings.Repeat("u", size)
	} else {
		description = strings.Repeat("d", size)
	}
	return []byte(`{"specversion":"1.0","id":"0197f2c4-5b1e-7d3a-9c41-3f6f0a5e8b21","source":"urn:example:shop",` +
		`"type":"tributary.payment.started.v1","time":"2026-01-31T09:30:00Z","subject":"p-1","data":{"payment_id":"p-1",` +
		`"user_id":"` + user + `","payment_type":"credit","provider":"till","merchant_id":"acme",` +
		`"amount":{"value":"1250","asset_code":"GBP","asset_scale":2},"description":"` + description + `"}}`)
}
