package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
)

// What only real brokers do: they set times, count replicas, die, and elect others.

// brokerPatience bounds the waiting for brokers to notice that one is gone, or back.
const brokerPatience = 2 * time.Minute

func TestTheBrokerSaysWhenARecordWasRecorded(t *testing.T) {
	t.Parallel()
	config := kafka{real: true}.config(t, brokersForReplication)
	createTopic(t, testAdmin(t, config), TopicReceivers, "message.timestamp.type", "CreateTime")
	admin := testTopics(t, config)
	claimed := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	before := time.Now().Add(-time.Second)
	produceRaw(t, config, &kgo.Record{Topic: TopicPayments, Timestamp: claimed}, &kgo.Record{Topic: TopicReceivers, Timestamp: claimed})
	for p, records := range readAll(t, config, wholeLog(t, admin)).records {
		require.Len(t, records, 1)
		if p.Topic == TopicReceivers {
			require.Equal(t, claimed, records[0].RecordedAt, "the topic leaves it to the producer, as Check warns")
			continue
		}
		require.WithinRange(t, records[0].RecordedAt, before, time.Now().Add(time.Second))
	}
}

func TestTooFewReplicasMakePublishingWait(t *testing.T) {
	t.Parallel()
	cluster := stacktest.SharedApacheKafka(t)
	config := Config{Brokers: cluster.Brokers()}
	createTopic(t, testAdmin(t, config), TopicPayments, "min.insync.replicas", "3")
	admin := testTopics(t, config)
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
	writer := testWriter(t, config)
	payments := func(from int) []*ledger.Event {
		return []*ledger.Event{sample(t, ledger.TypePaymentPosted, from), sample(t, ledger.TypePaymentPosted, from+1)}
	}
	_, err := writer.PublishAll(t.Context(), payments(0))
	require.NoError(t, err)

	require.NoError(t, cluster.Broker(1).Kill())
	awaitInSync(t, admin, TopicPayments, 2)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	positions, err := writer.PublishAll(short, payments(2))
	require.ErrorIs(t, err, ErrUncertain)
	require.Equal(t, int64(-1), positions[0].Offset)

	published := make(chan error, 1)
	go func() {
		_, err := writer.PublishAll(context.WithoutCancel(t.Context()), payments(4))
		published <- err
	}()
	require.Eventually(t, func() bool { return writer.Buffered() > 0 }, brokerPatience, time.Millisecond)
	(&stallWatch{log: logger, client: writer.client, admin: AdminOf(config, writer.client)}).look(t.Context(), 0)
	require.Contains(t, logged.String(), "publishing waits")
	require.Contains(t, logged.String(), "in-sync replicas is 2 (in 3 of 3 partitions), must be 3 or more (min.insync.replicas)")
	select {
	case err := <-published:
		require.FailNow(t, "it did not wait for the replica", "%v", err)
	default:
	}
	require.NoError(t, cluster.Broker(1).Restart(t.Context()))
	require.NoError(t, <-published)
	require.NoError(t, writer.Flush(t.Context()))
	ids := readAll(t, config, wholeLog(t, admin)).ids()
	for _, event := range slices.Concat(payments(0), payments(2), payments(4)) { // what one gave up is tried further
		require.Equal(t, 1, ids[event.ID.String()])
	}
}

// awaitInSync waits until each partition of a topic has so many replicas in sync, and a leader.
func awaitInSync(t testing.TB, admin *Admin, topic string, replicas int) {
	t.Helper()
	require.Eventually(t, func() bool {
		meta, err := admin.topics(t.Context(), topic)
		if err != nil {
			return false
		}
		for _, p := range meta.Topics[topic].Partitions {
			if p.Leader < 0 || len(p.ISR) != replicas {
				return false
			}
		}
		return len(meta.Topics[topic].Partitions) > 0
	}, brokerPatience, 50*time.Millisecond)
}

// killLeader kills the broker that leads a partition.
func killLeader(ctx context.Context, cluster *devstack.ApacheKafka, admin *Admin, p TopicPartition) (*devstack.Broker, error) {
	meta, err := admin.topics(ctx, p.Topic)
	if err != nil {
		return nil, err
	}
	leader := meta.Topics[p.Topic].Partitions[p.Partition].Leader
	if leader < 1 {
		return nil, fmt.Errorf("%s: %w", p, kerr.LeaderNotAvailable)
	}
	return cluster.Broker(int(leader)), cluster.Broker(int(leader)).Kill()
}

// While one reads and another publishes, the leader of what both use dies. The reader goes on without a gap, and what was
// acknowledged is in the log once.
func TestALeaderDiesUnderReaderAndWriter(t *testing.T) {
	t.Parallel()
	cluster := stacktest.SharedApacheKafka(t)
	config := Config{Brokers: cluster.Brokers()}
	admin := testTopics(t, config)
	p := lostPartition()
	fillWith(t, config, journal(4000, ""), 40)
	identities, err := admin.Identities(t.Context())
	require.NoError(t, err)
	part := Range{To: map[TopicPartition]int64{p: 40}}

	writer := testWriter(t, config)
	var (
		once   sync.Once
		leader *devstack.Broker
		killed error
		events = samples(t, 600)
		acked  = make(chan error, 1)
	)
	started := make(chan struct{})
	go func() {
		for i := 0; i < len(events); i += 30 {
			_, err := writer.PublishAll(context.WithoutCancel(t.Context()), events[i:i+30])
			if err != nil {
				acked <- err
				return
			}
			if i == 0 {
				close(started)
			}
		}
		acked <- nil
	}()
	<-started
	read, count := int64(0), 0
	require.NoError(t, ReadRange(t.Context(), config, part, func(ctx context.Context, batch Batch) error {
		once.Do(func() { leader, killed = killLeader(ctx, cluster, admin, p) })
		if batch.From != read {
			return errors.New("a gap at " + batch.String())
		}
		read, count = batch.Next, count+len(batch.Records)
		return killed
	}))
	require.Equal(t, 40, count)
	require.NoError(t, <-acked)

	after, err := admin.Identities(t.Context())
	require.NoError(t, err)
	require.Greater(t, after[p].LeaderEpoch, identities[p].LeaderEpoch)
	kept := map[TopicPartition]Kept{p: {LogIdentity: identities[p], Next: 40}}
	require.NoError(t, admin.CheckKept(t.Context(), kept), "another leader with the same records is no loss")
	require.NoError(t, leader.Restart(t.Context()))
	ids := readAll(t, config, wholeLog(t, admin)).ids()
	for _, event := range events {
		require.Equal(t, 1, ids[event.ID.String()], event.ID)
	}
}

// fillWith appends an event so many times, uncompressed, to the partition that these tests harm.
func fillWith(t testing.TB, config Config, event *ledger.Event, times int) {
	t.Helper()
	client, err := NewClient(config, append(writerOptions(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	require.NoError(t, err)
	defer client.Close()
	for range times {
		record, bad := Encode(event)
		require.Nil(t, bad)
		record.Partition = lostPartition().Partition
		require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
	}
}

// The broker that coordinates the transactions dies among them, and comes back. Each batch is in as a whole or not at all, as
// its outcome says.
func TestAtomicBatchesSurviveTheirCoordinator(t *testing.T) {
	t.Parallel()
	cluster := stacktest.SharedApacheKafka(t)
	config := Config{Brokers: cluster.Brokers()}
	admin := testTopics(t, config)
	const batches, size, id = 24, 10, "door-1"
	events := samples(t, batches*size)
	older := testAtomicWriter(t, config, id)
	writer := older
	outcomes := make([]error, batches)
	var coordinator *devstack.Broker
	for i := range batches {
		switch i {
		case 8:
			found := admin.client.FindTxnCoordinators(t.Context(), id)[id]
			require.NoError(t, found.Err)
			coordinator = cluster.Broker(int(found.NodeID))
			require.NoError(t, coordinator.Kill())
		case 12:
			require.NoError(t, coordinator.Restart(t.Context()))
		case 16: // as a process that takes over
			writer = testAtomicWriter(t, config, id)
		}
		_, outcomes[i] = writer.PublishAtomic(t.Context(), events[i*size:(i+1)*size])
	}
	_, err := older.PublishAtomic(t.Context(), events[:size])
	require.ErrorIs(t, err, ErrAborted)
	require.ErrorIs(t, err, ErrFenced)
	ids := readAll(t, config, wholeLog(t, admin)).ids()
	for i, outcome := range outcomes {
		found := 0
		for _, event := range events[i*size : (i+1)*size] {
			found += ids[event.ID.String()]
		}
		switch {
		case outcome == nil:
			require.Equal(t, size, found, "batch %d was acknowledged", i)
		case errors.Is(outcome, ErrUncertain):
			require.Contains(t, []int{0, size}, found, "batch %d: %v", i, outcome)
		default:
			require.ErrorIs(t, outcome, ErrAborted)
			require.Zero(t, found, "batch %d: %v", i, outcome)
		}
	}
	require.NoError(t, outcomes[batches-1])
}

// A leader is elected that lacks acknowledged records, as an operator may allow. What had been read of them is gone, and stays
// gone when the log has grown beyond it.
func TestAnUncleanElectionIsToldAsTruncation(t *testing.T) {
	t.Parallel()
	cluster := stacktest.SharedApacheKafka(t)
	config := Config{Brokers: cluster.Brokers()}
	admin := testAdmin(t, config)
	const first, second = 2, 3 // broker 1 is there for the controllers' majority
	createUnclean(t, admin, first, second)
	p := lostPartition()
	fillPartition(t, config, lostRecords)
	awaitInSync(t, admin, p.Topic, 2)
	require.NoError(t, cluster.Broker(second).Kill())
	awaitInSync(t, admin, p.Topic, 1)
	fillPartition(t, config, 10)
	identities, err := admin.Identities(t.Context(), p.Topic)
	require.NoError(t, err)
	kept := Kept{LogIdentity: identities[p], Next: lostRecords + 10}
	check := func() error { return admin.CheckKept(t.Context(), map[TopicPartition]Kept{p: kept}) }
	require.NoError(t, check())

	require.NoError(t, cluster.Broker(first).Kill())
	require.NoError(t, cluster.Broker(second).Restart(t.Context()))
	require.Eventually(t, func() bool {
		meta, err := admin.topics(t.Context(), p.Topic)
		return err == nil && meta.Topics[p.Topic].Partitions[p.Partition].Leader == second
	}, brokerPatience, 50*time.Millisecond)
	require.Eventually(t, func() bool {
		err = check()
		return Classify(err) != KindRetriable
	}, brokerPatience, 50*time.Millisecond)
	require.ErrorIs(t, err, ErrTruncated)

	fillPartition(t, config, 20)
	ends, err := admin.EndOffsets(t.Context(), p.Topic)
	require.NoError(t, err)
	require.Greater(t, ends[p], kept.Next)
	require.ErrorIs(t, check(), ErrTruncated, "other records are where those were")
	require.ErrorIs(t, poll(t, groupReader(t, config, kgo.NewOffset().At(kept.Next).WithEpoch(kept.LeaderEpoch))), ErrTruncated)
	require.NoError(t, cluster.Broker(first).Restart(t.Context()))
}

// createUnclean makes the payments' topic with replicas on two brokers, of which any may lead that is there.
func createUnclean(t testing.TB, admin *Admin, first, second int32) {
	t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = TopicPayments, -1, -1
	for partition := range int32(testPartitions) {
		replicas := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		replicas.Partition, replicas.Replicas = partition, []int32{first, second}
		topic.ReplicaAssignment = append(topic.ReplicaAssignment, replicas)
	}
	for name, value := range map[string]string{"unclean.leader.election.enable": "true", "min.insync.replicas": "1"} {
		setting := kmsg.NewCreateTopicsRequestTopicConfig()
		setting.Name, setting.Value = name, &value
		topic.Configs = append(topic.Configs, setting)
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	client, err := NewClient(admin.config)
	require.NoError(t, err)
	defer client.Close()
	response, err := request.RequestWith(t.Context(), client)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(response.Topics[0].ErrorCode))
	awaitTopic(t, admin.config, TopicPayments)
}
