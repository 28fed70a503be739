package devstack_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

const stampType = "message.timestamp.type"

// stamped makes a topic of one partition whose records get the broker's time.
func stamped(t testing.TB, admin *kadm.Client, name string) {
	t.Helper()
	_, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{stampType: new("LogAppendTime")}, name)
	require.NoError(t, err)
}

// records reads so many records of a topic.
func records(t testing.TB, brokers []string, name string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(name), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.MetadataMinAge(10*time.Millisecond))
	require.NoError(t, err)
	defer client.Close()
	var all []*kgo.Record
	for len(all) < n {
		fetches := client.PollFetches(t.Context())
		require.NoError(t, fetches.Err())
		all = append(all, fetches.Records()...)
	}
	require.Len(t, all, n)
	return all
}

// scatter are records whose writer says that they are of all times, in no order.
func scatter(name string, n int) []*kgo.Record {
	all := make([]*kgo.Record, n)
	for i := range all {
		all[i] = &kgo.Record{
			Topic: name, Key: fmt.Append(nil, "key", i), Value: []byte(strings.Repeat(strconv.Itoa(i), 1+i%50)),
			Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, i)}}, Timestamp: time.UnixMilli(int64(i*7919%1000) * 1e9),
		}
	}
	return all
}

func TestRecordsGetTheTimeAtWhichTheyCome(t *testing.T) {
	t.Parallel()
	const n = 500
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "snappy": kgo.SnappyCompression(), "gzip": kgo.GzipCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := devstack.KafkaConfig{Dir: t.TempDir()}
			kafka, err := devstack.OpenKafka(t.Context(), config, slog.Default())
			require.NoError(t, err)
			client := connect(t, kafka.Brokers(), kgo.ProducerBatchCompression(codec))
			stamped(t, kadm.NewClient(client), topic)
			before := time.Now().Truncate(time.Millisecond)
			sent := make([]*kgo.Record, 0, 3*n)
			for range 3 {
				batch := scatter(topic, n)
				require.NoError(t, client.ProduceSync(t.Context(), batch...).FirstErr())
				sent = append(sent, batch...)
			}
			after := time.Now()
			kafka.Close()

			// From the disk, where each batch is held against its checksum.
			got := records(t, stacktest.Cluster(t, config).Brokers(), topic, len(sent))
			last := before
			for i, record := range got {
				require.Equal(t, sent[i].Key, record.Key)
				require.Equal(t, sent[i].Value, record.Value)
				require.Equal(t, sent[i].Headers, record.Headers)
				require.Equal(t, int64(i), record.Offset)
				require.WithinRange(t, record.Timestamp, last, after)
				last = record.Timestamp
			}
		})
	}
}

// A transaction's records get the time at which they came; which topics keep their writers' times can be set, and changed.
func TestWhichTopicsGetTheBrokersTimes(t *testing.T) {
	t.Parallel()
	brokers := stacktest.Cluster(t, devstack.KafkaConfig{Brokers: 3}).Brokers()
	client := connect(t, brokers, kgo.TransactionalID("writer"))
	admin := kadm.NewClient(client)
	stamped(t, admin, topic)
	_, err := admin.CreateTopic(t.Context(), 1, 1, nil, "writers")
	require.NoError(t, err)
	early := time.UnixMilli(1)
	send := func(end kgo.TransactionEndTry) {
		require.NoError(t, client.BeginTransaction())
		require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Timestamp: early},
			&kgo.Record{Topic: "writers", Timestamp: early}).FirstErr())
		require.NoError(t, client.EndTransaction(t.Context(), end))
	}
	before := time.Now().Truncate(time.Millisecond)
	send(kgo.TryCommit)
	send(kgo.TryAbort)
	for name, kind := range map[string]string{topic: "CreateTime", "writers": "LogAppendTime"} {
		_, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: stampType, Value: &kind}}, name)
		require.NoError(t, err)
	}
	send(kgo.TryCommit)
	first, other := records(t, brokers, topic, 2), records(t, brokers, "writers", 2)
	require.WithinRange(t, first[0].Timestamp, before, time.Now())
	require.True(t, first[1].Timestamp.Equal(early))
	require.True(t, other[0].Timestamp.Equal(early))
	require.WithinRange(t, other[1].Timestamp, before, time.Now())
}

// What a clock that was set back leaves behind: the log is ahead of it.
func TestTimesDoNotGoBackWithTheClock(t *testing.T) {
	t.Parallel()
	config := devstack.KafkaConfig{Dir: t.TempDir()}
	kafka, err := devstack.OpenKafka(t.Context(), config, slog.Default())
	require.NoError(t, err)
	client := connect(t, kafka.Brokers())
	admin := kadm.NewClient(client)
	_, err = admin.CreateTopic(t.Context(), 1, 1, nil, topic)
	require.NoError(t, err)
	ahead := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Timestamp: ahead}).FirstErr())
	_, err = admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: stampType, Value: new("LogAppendTime")}}, topic)
	require.NoError(t, err)
	kafka.Close()

	brokers := stacktest.Cluster(t, config).Brokers()
	require.NoError(t, connect(t, brokers).ProduceSync(t.Context(), &kgo.Record{Topic: topic}).FirstErr())
	for _, record := range records(t, brokers, topic, 2) {
		require.True(t, record.Timestamp.Equal(ahead), record.Timestamp)
	}
}

func BenchmarkProduce(b *testing.B) {
	for _, kind := range []string{"CreateTime", "LogAppendTime"} {
		b.Run(kind, func(b *testing.B) {
			brokers := stacktest.Cluster(b, devstack.KafkaConfig{Dir: b.TempDir()}).Brokers()
			client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ProducerBatchCompression(kgo.SnappyCompression()),
				kgo.DefaultProduceTopic(topic))
			require.NoError(b, err)
			defer client.Close()
			_, err = kadm.NewClient(client).CreateTopic(b.Context(), 12, 1, map[string]*string{stampType: &kind}, topic)
			require.NoError(b, err)
			value := []byte(strings.Repeat("an event of two hundred bytes, more or less ", 5))
			began := time.Now()
			for i := range b.N {
				record := kgo.KeySliceRecord(fmt.Append(nil, i), value)
				record.Timestamp = began.Add(time.Duration(i) * time.Millisecond)
				client.Produce(b.Context(), record, func(_ *kgo.Record, err error) {
					if err != nil {
						b.Error(err)
					}
				})
			}
			require.NoError(b, client.Flush(context.WithoutCancel(b.Context())))
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "records/s")
		})
	}
}
