package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/audit"
)

const quarantineCheck = "every quarantined record is as the log has it"

// refused puts records that are no events between others into the log, and projects them.
func refused(t *testing.T) *stack {
	t.Helper()
	s := open(t)
	s.put(t, 1, posted(1, 1000))
	for _, record := range []*kgo.Record{
		{Value: []byte("{")},
		{Key: []byte("k"), Value: []byte(`{"specversion":"1.0","id":"x","ledger":"test"}`)},
		{Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte("a\x00\xff")}, {Key: "\xff", Value: nil}, {Key: "e", Value: []byte{}}}},
		{Headers: []kgo.RecordHeader{{Key: "ce_ledger", Value: []byte("NOT ONE")}}, Value: []byte{1, 2, 3}},
	} {
		record.Topic, record.Partition = eventlog.TopicReceivers, 1
		require.NoError(t, s.log.ProduceSync(t.Context(), record).FirstErr())
	}
	s.project(t, "quarantine")
	return s
}

func TestTheQuarantineVerifies(t *testing.T) {
	t.Parallel()
	p := refused(t).verify(t, "quarantine")
	require.Empty(t, p.Differences)
	require.EqualValues(t, 4, p.Records)
	require.EqualValues(t, 4, p.Rows)
	require.Empty(t, failed(p))
	require.Len(t, p.Checks, 4)
}

func TestAChangedQuarantineIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, kind, column string }{
		"removed": {`DELETE FROM quarantine.records WHERE kafka_offset = 1`, audit.KindMissing, ""},
		"ledger":  {`UPDATE quarantine.records SET ledger = 'other' WHERE kafka_offset = 1`, audit.KindDifferent, "ledger"},
		"reason":  {`UPDATE quarantine.records SET reason = 'bad_time' WHERE kafka_offset = 1`, audit.KindDifferent, "reason"},
		"payload": {`UPDATE quarantine.records SET payload = NULL WHERE kafka_offset = 1`, audit.KindDifferent, "payload"},
		"key":     {`UPDATE quarantine.records SET key = 'j' WHERE kafka_offset = 1`, audit.KindDifferent, "key"},
		"headers": {
			`UPDATE quarantine.records SET headers = '[{"key": "a", "value": null}]' WHERE kafka_offset = 1`, audit.KindDifferent, "headers",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := refused(t)
			s.tamper(t, 1, c.sql)
			p := s.verify(t, "quarantine")
			require.Equal(t, []string{quarantineCheck}, failed(p))
			d := only(t, p)
			require.Equal(t, c.kind, d.Kind)
			require.Equal(t, c.column, d.Column)
			require.Equal(t, "tributary.receivers 1 1", d.Key)
			require.Equal(t, []audit.Reference{{Position: "receivers/1@1"}}, d.Events)
		})
	}
}

func TestQuarantinedRowsThatNoRecordExplainsAreFound(t *testing.T) {
	t.Parallel()
	s := refused(t)
	s.tamper(t, 1, `INSERT INTO quarantine.records (topic, "partition", kafka_offset, recorded_at, generation, reason, path, message, headers)
		SELECT 'tributary.payments', 1, 0, recorded_at, generation, reason, path, message, headers
		FROM quarantine.records WHERE kafka_offset = 0`)
	s.tamper(t, 1, `UPDATE quarantine.records SET kafka_offset = 99 WHERE kafka_offset = 3`)
	p := s.verify(t, "quarantine")
	require.Equal(t, []string{pastCheck, quarantineCheck}, failed(p))
	kinds := map[string][]string{}
	for _, d := range p.Differences {
		kinds[d.Key] = append(kinds[d.Key], d.Kind)
	}
	require.Equal(t, map[string][]string{
		"tributary.payments 1 0": {audit.KindExtra}, "tributary.receivers 1 3": {audit.KindMissing},
		"tributary.receivers 1 99": {audit.KindExtra, audit.KindPast},
	}, kinds)
}
