package projections

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// A leader is elected while a session reads on: what the session then asks the log about is the position with the epoch of the record
// before it. With that of the assignment, a log that is whole looks truncated where that epoch ended.
func TestAPositionGoesWithItsLeaderEpoch(t *testing.T) {
	t.Parallel()
	p := eventlog.TopicPartition{Topic: eventlog.TopicPayments, Partition: 3}
	s := &session{owned: map[eventlog.TopicPartition]*Ownership{p: {NextOffset: 10, LeaderEpoch: 1}}}
	fetched := func(epoch int32, offset int64) kgo.Fetches {
		return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: p.Topic, Partitions: []kgo.FetchPartition{{
			Partition: p.Partition, Records: []*kgo.Record{{Topic: p.Topic, Partition: p.Partition, Offset: offset, LeaderEpoch: epoch}},
		}}}}}}
	}
	for _, epoch := range []int32{1, 2, 4} {
		at := 10 + int64(epoch)
		batch := s.batch(fetched(epoch, at))
		require.Equal(t, epoch, batch.Ranges[0].LeaderEpoch)
		want := eventlog.Kept{LogIdentity: eventlog.LogIdentity{LeaderEpoch: epoch}, Next: at + 1}
		require.Equal(t, want, s.kept()[p])
	}
}
