package eventlog

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestClaimsOfRefusedRecords(t *testing.T) {
	t.Parallel()
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	for name, c := range map[string]struct {
		record *kgo.Record
		want   Claims
		names  []string
	}{
		"nothing": {&kgo.Record{Value: []byte("nonsense")}, Claims{}, []string{}},
		"a key":   {&kgo.Record{Key: []byte("pay-1"), Value: []byte("nonsense")}, Claims{}, []string{"pay-1"}},
		"headers": {
			&kgo.Record{Headers: []kgo.RecordHeader{
				header("ce_id", "x"), header("ce_type", "tributary.payment.posted.v1"), header("ce_subject", "pay-1"), header("ce_ledger", "test"),
				header("ce_source", "\xff"),
			}, Value: []byte(`{"payment_id":"pay-2"}`)},
			Claims{ID: "x", Type: "tributary.payment.posted.v1", Subject: "pay-1", Ledger: "test"},
			[]string{"pay-1", "pay-2"},
		},
		"a document": {
			&kgo.Record{Value: []byte(`{"id":7,"type":"tributary.x","subject":"tea","source":"s","data":{"plugin_id":"blog","payment_id":9}}`)},
			Claims{Type: "tributary.x", Subject: "tea", Source: "s"},
			[]string{"tea", "blog"},
		},
		"half a document": {&kgo.Record{Value: []byte(`{"id":"x","subject":"pay-1",`)}, Claims{}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.record.Topic = TopicPayments
			got := Decode(c.record)
			require.NotNil(t, got.Rejected)
			require.Equal(t, c.want, got.Rejected.Claims())
			slices.Sort(c.names)
			require.Equal(t, c.names, got.Rejected.Subjects())
		})
	}
}
