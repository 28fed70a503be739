package projections

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// A leader is elected while a session reads on: what the session then asks the log about is the position with the epoch of the record
// before it. With that of the assignment, a log that is whole looks truncated where that epoch ended.
func TestAPositionGoesWithItsLeaderEpoch(t *testing.T) {
	t.Parallel()
	p := eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: 3}
	s := &session{owned: map[eventlog.TopicPartition]*Ownership{p: {NextOffset: 10, LeaderEpoch: 1}}}
	read := func(epoch int32, offset int64) gathered {
		record := eventlog.Record{Position: p.At(offset), LeaderEpoch: epoch}
		portions := []portion{{TopicPartition: p, from: s.owned[p].NextOffset, records: []eventlog.Record{record}}}
		return gathered{arrived: arrived{portions: portions, records: 1}}
	}
	for _, epoch := range []int32{1, 2, 4} {
		at := 10 + int64(epoch)
		batch, err := s.batch(read(epoch, at))
		require.NoError(t, err)
		require.Equal(t, epoch, batch.Ranges[0].LeaderEpoch)
		want := eventlog.Kept{LogIdentity: eventlog.LogIdentity{LeaderEpoch: epoch}, Next: at + 1}
		require.Equal(t, want, s.kept()[p])
	}
}
