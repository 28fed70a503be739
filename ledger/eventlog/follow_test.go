package eventlog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// following is Follow at work.
type following struct {
	records chan Record
	outages chan Outage
	done    chan error
	stop    context.CancelFunc
}

func follow(t testing.TB, config Config, from map[TopicPartition]int64) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	f := &following{records: make(chan Record, 1000), outages: make(chan Outage, 1000), done: make(chan error, 1), stop: cancel}
	go func() {
		f.done <- Follow(ctx, config, from, func(o Outage) { f.outages <- o }, func(records []Record) error {
			for _, record := range records {
				if record.Rejected != nil && string(record.Rejected.Key) == "stop" {
					return errors.New("told to stop")
				}
				f.records <- record
			}
			return nil
		})
	}()
	t.Cleanup(func() { f.end(t) })
	return f
}

func (f *following) end(t testing.TB) {
	t.Helper()
	f.stop()
	err := f.wait(t)
	f.done <- err
}

func (f *following) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-f.done:
		return err
	case <-time.After(time.Minute):
		require.FailNow(t, "following does not end")
		return nil
	}
}

func (f *following) next(t testing.TB) Record {
	t.Helper()
	select {
	case record := <-f.records:
		return record
	case err := <-f.done:
		require.FailNow(t, "following has ended", "%v", err)
	case <-time.After(time.Minute):
		require.FailNow(t, "nothing comes")
	}
	return Record{}
}

func TestFollowingGoesOnFromTheOffsets(t *testing.T) {
	t.Parallel()
	config, admin := harmable(t, kafka{})
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	ends[lostPartition()] -= 2
	f := follow(t, config, ends)
	require.Equal(t, ends[lostPartition()], f.next(t).Offset)
	require.Equal(t, ends[lostPartition()]+1, f.next(t).Offset)
	fillPartition(t, config, 3)
	for n := range int64(3) {
		require.Equal(t, ends[lostPartition()]+2+n, f.next(t).Offset)
	}
	produceRaw(t, config, &kgo.Record{Topic: TopicReceivers, Value: []byte("nonsense")})
	require.NotNil(t, f.next(t).Rejected)
	f.stop()
	require.NoError(t, f.wait(t))
	f.done <- nil
	require.Empty(t, f.records)
}

func TestFollowingEndsWithTheError(t *testing.T) {
	t.Parallel()
	config, admin := testLog(t)
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	f := follow(t, config, ends)
	produceRaw(t, config, &kgo.Record{Topic: TopicPayments, Key: []byte("stop")})
	err = f.wait(t)
	require.ErrorContains(t, err, "told to stop")
	f.done <- err
}

func TestFollowingFindsNewPartitions(t *testing.T) {
	t.Parallel()
	config, admin := testLog(t)
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	f := follow(t, config, ends)
	_, err = admin.client.CreatePartitions(t.Context(), 1, TopicPayments)
	require.NoError(t, err)
	client, err := NewClient(config, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer client.Close()
	record, bad := Encode(sample(t, ledger.TypePaymentPosted, 1))
	require.Nil(t, bad)
	record.Partition = testPartitions
	require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
	require.Equal(t, TopicPartition{TopicPayments, testPartitions}.At(0), f.next(t).Position)
}

func TestFollowingARecreatedTopicEnds(t *testing.T) {
	t.Parallel()
	config, admin := harmable(t, kafka{})
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	ends[lostPartition()]--
	f := follow(t, config, ends)
	f.next(t)
	require.NoError(t, recreate(t.Context(), admin))
	err = f.wait(t)
	require.Equal(t, KindLogLost, Classify(err), "%v", err)
	f.done <- err
}
