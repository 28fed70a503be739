package ledger_test

import (
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
