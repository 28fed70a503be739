package eventlog

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// lostPartition is the one that these tests harm.
func lostPartition() TopicPartition { return TopicPartition{Topic: TopicPayments, Partition: 1} }

const lostRecords = 20

// harmable is a log of which one partition has some records.
func harmable(t testing.TB, k kafka) (Config, *Admin) {
	t.Helper()
	config, admin := k.log(t)
	fillPartition(t, config, lostRecords)
	return config, admin
}

func fillPartition(t testing.TB, config Config, records int) {
	t.Helper()
	client, err := NewClient(config, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer client.Close()
	for n := range records {
		record, bad := Encode(sample(t, ledger.TypePaymentPosted, n))
		require.Nil(t, bad)
		record.Partition = lostPartition().Partition
		require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
	}
}

func recreate(ctx context.Context, admin *Admin) error {
	if _, err := admin.client.DeleteTopics(ctx, TopicPayments); err != nil {
		return err
	}
	for { // a broker that has not heard of it yet says that the topic is there
		_, err := admin.Ensure(ctx, TopicSettings{Partitions: testPartitions})
		if !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return err
		}
	}
}

func deleteRecords(t testing.TB, admin *Admin, p TopicPartition, before int64) {
	t.Helper()
	offsets := make(kadm.Offsets)
	offsets.Add(kadm.Offset{Topic: p.Topic, Partition: p.Partition, At: before, LeaderEpoch: -1})
	answers, err := admin.client.DeleteRecords(t.Context(), offsets)
	require.NoError(t, err)
	require.NoError(t, answers.Error())
}

// groupReader consumes as the projections' runner does, one partition from a position of its own.
func groupReader(t testing.TB, config Config, from kgo.Offset) *kgo.Client {
	t.Helper()
	adjust := func(_ context.Context, all map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
		for topic, partitions := range all {
			for partition := range partitions {
				partitions[partition] = kgo.NewOffset().At(0)
				if (TopicPartition{Topic: topic, Partition: partition}) == lostPartition() {
					partitions[partition] = from
				}
			}
		}
		return all, nil
	}
	client, err := NewClient(config, kgo.ConsumerGroup("test-"+strconv.FormatInt(time.Now().UnixNano(), 10)),
		kgo.ConsumeTopics(TopicPayments), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords(),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		// A partition that joins late waits for the fetch under way to end: five seconds otherwise.
		kgo.FetchMaxWait(250*time.Millisecond), kgo.AdjustFetchOffsetsFn(adjust))
	require.NoError(t, err)
	t.Cleanup(client.CloseAllowingRebalance)
	return client
}

// poll returns at the first record or error of a partition.
func poll(t testing.TB, client *kgo.Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		fetches := client.PollFetches(ctx)
		client.AllowRebalance()
		for _, failed := range fetches.Errors() {
			return ExplainFetch(TopicPartition{Topic: failed.Topic, Partition: failed.Partition}, failed.Err)
		}
		if !fetches.Empty() {
			return nil
		}
	}
}

func TestHowAConsumerTellsOfALostLog(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			var loss *kgo.ErrDataLoss
			t.Run("offset beyond the end", func(t *testing.T) {
				t.Parallel()
				config, _ := harmable(t, k)
				err := poll(t, groupReader(t, config, kgo.NewOffset().At(1000)))
				require.ErrorIs(t, err, ErrTruncated)
				require.ErrorIs(t, err, kerr.OffsetOutOfRange)
				require.Equal(t, KindLogLost, Classify(err))
			})
			t.Run("offset beyond the end, with its epoch", func(t *testing.T) {
				t.Parallel()
				config, _ := harmable(t, k)
				err := poll(t, groupReader(t, config, kgo.NewOffset().At(1000).WithEpoch(0)))
				require.ErrorIs(t, err, ErrTruncated)
				require.ErrorAs(t, err, &loss)
				require.Equal(t, KindLogLost, Classify(err))
				require.ErrorContains(t, err, "offset 1000 was reached, the log diverges at 20")
			})
			t.Run("records deleted", func(t *testing.T) {
				t.Parallel()
				config, admin := harmable(t, k)
				deleteRecords(t, admin, lostPartition(), 10)
				err := poll(t, groupReader(t, config, kgo.NewOffset().At(5)))
				require.ErrorIs(t, err, ErrTruncated)
				require.Equal(t, KindLogLost, Classify(err))
			})
			t.Run("records deleted, an offset with its epoch", func(t *testing.T) {
				t.Parallel()
				config, admin := harmable(t, k)
				deleteRecords(t, admin, lostPartition(), 10)
				client := groupReader(t, config, kgo.NewOffset().At(5).WithEpoch(0))
				for range 3 { // it is told again and again
					require.ErrorIs(t, poll(t, client), ErrTruncated)
				}
			})
			t.Run("a diverged log is told once, and read on", func(t *testing.T) {
				t.Parallel()
				config, _ := harmable(t, k)
				client := groupReader(t, config, kgo.NewOffset().At(1000).WithEpoch(0))
				require.ErrorIs(t, poll(t, client), ErrTruncated)
				fillPartition(t, config, 1)
				require.NoError(t, poll(t, client), "were it told again, a reader could rely on it")
			})
			t.Run("recreated while it reads", func(t *testing.T) {
				t.Parallel()
				config, admin := harmable(t, k)
				client := groupReader(t, config, kgo.NewOffset().At(0))
				require.NoError(t, poll(t, client))
				require.NoError(t, recreate(t.Context(), admin))
				err := poll(t, client)
				require.ErrorIs(t, err, ErrRecreated)
				require.Equal(t, KindLogLost, Classify(err))
			})
		})
	}
}

func TestCheckKeptNoticesALostLog(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := lostPartition()
			check := func(t *testing.T, harm func(*Admin, Config), change func(*Kept)) error {
				t.Helper()
				config, admin := harmable(t, k)
				identities, err := admin.Identities(t.Context())
				require.NoError(t, err)
				kept := Kept{LogIdentity: identities[p], Next: 5}
				require.NoError(t, admin.CheckKept(t.Context(), map[TopicPartition]Kept{p: kept}))
				harm(admin, config)
				change(&kept)
				return admin.CheckKept(t.Context(), map[TopicPartition]Kept{p: kept})
			}
			keep := func(*Kept) {}
			whole := func(*Admin, Config) {}
			t.Run("recreated, and as long again", func(t *testing.T) {
				t.Parallel()
				err := check(t, func(admin *Admin, config Config) {
					require.NoError(t, recreate(t.Context(), admin))
					fillPartition(t, config, lostRecords)
				}, keep)
				require.ErrorIs(t, err, ErrRecreated)
				require.ErrorContains(t, err, "topic id")
			})
			t.Run("records deleted", func(t *testing.T) {
				t.Parallel()
				err := check(t, func(admin *Admin, _ Config) { deleteRecords(t, admin, p, 10) }, keep)
				require.ErrorIs(t, err, ErrTruncated)
				require.ErrorContains(t, err, "payments/1: the log that this position belongs to is gone")
				require.ErrorContains(t, err, "offset 5 is next, the log starts at 10")
			})
			t.Run("the deleted were read", func(t *testing.T) {
				t.Parallel()
				require.NoError(t, check(t, func(admin *Admin, _ Config) { deleteRecords(t, admin, p, 5) }, keep))
			})
			t.Run("beyond the end", func(t *testing.T) {
				t.Parallel()
				require.ErrorIs(t, check(t, whole, func(k *Kept) { k.Next = lostRecords + 1 }), ErrTruncated)
			})
			t.Run("at the end", func(t *testing.T) {
				t.Parallel()
				require.NoError(t, check(t, whole, func(k *Kept) { k.Next = lostRecords }))
			})
			t.Run("the epoch went back", func(t *testing.T) {
				t.Parallel()
				require.ErrorIs(t, check(t, whole, func(k *Kept) { k.LeaderEpoch = 1000 }), ErrTruncated)
			})
			t.Run("the topic is gone", func(t *testing.T) {
				t.Parallel()
				err := check(t, func(admin *Admin, _ Config) {
					_, err := admin.client.DeleteTopics(t.Context(), TopicPayments)
					require.NoError(t, err)
				}, keep)
				require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
				require.ErrorContains(t, err, "tributary migrate")
				require.Equal(t, KindRetriable, Classify(err))
			})
		})
	}
}

func TestReadRangeRefusesALostLog(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := lostPartition()
			config, admin := harmable(t, k)
			identities, err := admin.Identities(t.Context())
			require.NoError(t, err)
			expect := map[string]TopicID{p.Topic: identities[p].TopicID}
			to := map[TopicPartition]int64{p: lostRecords}

			_, err = read(t.Context(), t, config, Range{To: map[TopicPartition]int64{p: lostRecords + 1}})
			require.ErrorIs(t, err, ErrTruncated)
			_, err = read(t.Context(), t, config, Range{To: map[TopicPartition]int64{{Topic: p.Topic, Partition: 99}: 1}})
			require.ErrorIs(t, err, ErrTruncated)
			deleteRecords(t, admin, p, 10)
			_, err = read(t.Context(), t, config, Range{To: to})
			require.ErrorIs(t, err, ErrTruncated)
			readAll(t, config, Range{From: map[TopicPartition]int64{p: 10}, To: to, Expect: expect})
			require.NoError(t, recreate(t.Context(), admin))
			fillPartition(t, config, lostRecords)
			_, err = read(t.Context(), t, config, Range{To: to, Expect: expect})
			require.ErrorIs(t, err, ErrRecreated)
		})
	}
}

// A topic that is recreated under a running ReadRange ends it; nothing of the new log is taken for the old.
func TestReadRangeNoticesARecreatedTopic(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := lostPartition()
			config, admin := k.log(t)
			const records = 60 // several fetches long
			fillWith(t, config, journal(4000, ""), records)
			var once sync.Once
			var next int64
			var recreated error
			err := ReadRange(t.Context(), config, Range{To: map[TopicPartition]int64{p: records}}, func(_ context.Context, batch Batch) error {
				next = batch.Next
				once.Do(func() { recreated = recreate(t.Context(), admin) }) //nolint:contextcheck // the test's context outlives the batch's
				return recreated
			})
			require.ErrorIs(t, err, ErrRecreated)
			require.Less(t, next, int64(records))
		})
	}
}
