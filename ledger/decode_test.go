package ledger_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
)

const monetization = `{"specversion":"1.0","id":"0bcefd56-36c7-589e-b19b-1c7a0512c79d","source":"urn:example:wallet",` +
	`"type":"tributary.monetization.received.v1","time":"2015-05-17T10:05:03.25Z","subject":"blog","datacontenttype":"application/json",` +
	`"ledger":"test","data":{"plugin_id":"blog","payment_pointer":"$wallet.example/alice","post_id":"post-1",` +
	`"amount":{"value":"200000","asset_code":"USD","asset_scale":9}}}`

func TestDecodeAgreesAcrossFormats(t *testing.T) {
	t.Parallel()
	e, bad := ledger.DecodeJSON([]byte(monetization), ledger.Strict)
	require.Nil(t, bad)
	require.Nil(t, ledger.Validate(e))
	require.Equal(t, []byte(monetization), ledger.AppendJSON(nil, e)) //nolint:testifylint // the very bytes

	a := e.Attributes()
	again, bad := ledger.Decode(&a, e.AppendData(nil), ledger.Strict)
	require.Nil(t, bad)
	require.Equal(t, e.ContentHash(), again.ContentHash())
	require.Equal(t, e.Time, again.Time)
	require.Len(t, ledger.Postings(nil, again), 2)
}

// A door that takes attributes apart from the data gets the same answers as one that takes a document.
func TestDecodeBinary(t *testing.T) {
	t.Parallel()
	const good = `{"receiver_id":"r-1","merchant_id":"acme"}`
	for name, c := range map[string]struct {
		contentType, data, want string
	}{
		"JSON":                {"", good, ""},
		"with parameters":     {"application/json; charset=utf-8", good, ""},
		"white space":         {"", "\r\n\t" + good + " \n", ""},
		"no data":             {"", "", "missing_field at data"},
		"no protobuf":         {"application/protobuf", "", "missing_field at data"},
		"null":                {"", "null", "missing_field at data"},
		"an array":            {"", "[" + good + "]", "undecodable at data"},
		"two objects":         {"", good + good, "undecodable at data"},
		"half":                {"", good[:20], "undecodable at data"},
		"unknown field":       {"", `{"receiver_id":"r-1","merchant_id":"acme","x":1}`, "unknown_field at data.x"},
		"JSON as protobuf":    {"application/protobuf", good, "undecodable at data"},
		"another format":      {"application/avro", good, "bad_envelope at datacontenttype"},
		"too large":           {"", good + strings.Repeat(" ", ledger.MaxEventBytes), "too_large"},
		"a large but valid":   {"", good + strings.Repeat(" ", ledger.MaxEventBytes-1000), ""},
		"wide protobuf tag":   {"application/protobuf", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "undecodable at data"},
		"field number zero":   {"application/protobuf", "\x00\x01", "undecodable at data"},
		"unknown and cut off": {"application/protobuf", "\xa2\x01\x05x", "undecodable at data"},
	} {
		a := ledger.Attributes{
			SpecVersion: "1.0", ID: "0197f2c4-5b1e-7d3a-9c41-3f6f0a5e8b21", Source: "urn:example:shop", Subject: "r-1",
			Type: string(ledger.TypeReceiverExpired), Time: "2026-01-31T09:30:00Z", DataContentType: c.contentType,
		}
		e, bad := ledger.Decode(&a, []byte(c.data), ledger.Strict)
		if c.want == "" {
			require.Nil(t, bad, name)
			require.Equal(t, "r-1", e.Key(), name)
			continue
		}
		require.NotNil(t, bad, name)
		require.True(t, strings.HasPrefix(bad.Error(), c.want+": "), "%s: %v", name, bad)
	}
}

func TestDecodeBase64(t *testing.T) {
	t.Parallel()
	head, data, _ := strings.Cut(monetization, `,"data":`)
	want, bad := ledger.DecodeJSON([]byte(monetization), ledger.Strict)
	require.Nil(t, bad)
	in := func(text string) []byte { return []byte(head + `,"data_base64":"` + text + `"}`) }
	encoded := base64.StdEncoding.EncodeToString([]byte(strings.TrimSuffix(data, "}")))
	for _, text := range []string{encoded, strings.ReplaceAll(encoded, "/", `\/`), strings.ReplaceAll(encoded, "e", `\u0065`)} {
		got, bad := ledger.DecodeJSON(in(text), ledger.Strict)
		require.Nil(t, bad)
		requireSame(t, want, got)
	}
	for text, code := range map[string]ledger.Code{
		"": ledger.CodeMissingField, "eA": ledger.CodeUndecodable, "eA==": ledger.CodeUndecodable, "e30=": ledger.CodeMissingField,
	} {
		_, bad := ledger.DecodeJSON(in(text), ledger.Strict)
		require.NotNil(t, bad, text)
		require.Equal(t, code, bad.Code, text)
	}
}

func TestDebitNormal(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"provider", "chain", "interledger", "bank", "expense"} {
		require.True(t, ledger.Account{Kind: kind, Name: "x"}.DebitNormal(), kind)
	}
	for _, kind := range []string{"merchant", "site", "platform", "tax", "conversion", "equity"} {
		require.False(t, ledger.Account{Kind: kind, Name: "x"}.DebitNormal(), kind)
	}
}

func TestSourceAndTraceParent(t *testing.T) {
	t.Parallel()
	for source, valid := range map[string]bool{
		"urn:a": true, "/": true, "a/b:c": true, "https://[::1]/x?y=%20#z": true, "x": true, "?a:b": true, "a+b-c.d:e": true,
		"1a:b": false, ":a": false, "a b": false, "%2": false, "%zz": false, "\x00": false, "é": false, "a_b:c": false, "<a>": false,
		strings.Repeat("a", 1025): false,
	} {
		requireAttribute(t, "source", source, valid)
	}
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for traceParent, valid := range map[string]bool{
		trace: true, trace + "-x": false, "01" + trace[2:] + "-x": true, "01" + trace[2:] + "x": false, "ff" + trace[2:]: false,
		trace[:54]: false, strings.ToUpper(trace): false, strings.Replace(trace, "00f067aa0ba902b7", "0000000000000000", 1): false,
		strings.Replace(trace, "-", "_", 1): false, "01" + trace[2:] + "-\xff": false,
	} {
		requireAttribute(t, "traceparent", traceParent, valid)
	}
}

func requireAttribute(t *testing.T, name, value string, valid bool) {
	t.Helper()
	a := ledger.Attributes{
		SpecVersion: "1.0", ID: "0197f2c4-5b1e-7d3a-9c41-3f6f0a5e8b21", Source: "urn:example:shop", Subject: "r-1",
		Type: string(ledger.TypeReceiverExpired), Time: "2026-01-31T09:30:00Z",
	}
	require.True(t, a.Set(name, value))
	_, bad := ledger.Decode(&a, []byte(`{"receiver_id":"r-1","merchant_id":"acme"}`), ledger.Strict)
	require.Equal(t, valid, bad == nil, "%s %q: %v", name, value, bad)
}
