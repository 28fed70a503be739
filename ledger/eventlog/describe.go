package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Cluster is what status shows of the brokers and topics.
type Cluster struct {
	ID      string        `json:"id"`
	Brokers []Broker      `json:"brokers"`
	Topics  []TopicStatus `json:"topics"`
}

// Broker is one server of the cluster.
type Broker struct {
	ID      int32  `json:"id"`
	Address string `json:"address"`
}

// TopicStatus is one of the ledger's topics.
type TopicStatus struct {
	Name string `json:"name"`
	// Missing means that the topic is not there, and all else is empty.
	Missing    bool              `json:"missing,omitempty"`
	ID         string            `json:"id"`
	Partitions []PartitionStatus `json:"partitions"`
}

// PartitionStatus is one partition of a topic. Offsets count from 0; End is the offset after the last committed record.
type PartitionStatus struct {
	Partition   int32 `json:"partition"`
	Leader      int32 `json:"leader"`
	LeaderEpoch int32 `json:"leader_epoch"`
	Replicas    int   `json:"replicas"`
	InSync      int   `json:"in_sync"`
	Start       int64 `json:"start_offset"`
	End         int64 `json:"end_offset"`
}

// Ping asks the brokers for the cluster's name; an error says which could not be reached, and what to look at.
func (a *Admin) Ping(ctx context.Context) error {
	_, err := a.client.BrokerMetadata(ctx)
	return unreachable(a.config, "reach Kafka", err)
}

// Describe is the cluster and the ledger's topics as they are now.
func (a *Admin) Describe(ctx context.Context) (*Cluster, error) {
	meta, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{ID: meta.Cluster}
	for _, b := range meta.Brokers {
		address := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
		cluster.Brokers = append(cluster.Brokers, Broker{ID: b.NodeID, Address: address})
	}
	var present []string
	for _, topic := range Topics() {
		if !isMissing(meta.Topics[topic]) {
			present = append(present, topic)
		}
	}
	var starts, ends map[TopicPartition]int64
	if len(present) > 0 {
		if starts, err = a.StartOffsets(ctx, present...); err != nil {
			return nil, err
		}
		if ends, err = a.EndOffsets(ctx, present...); err != nil {
			return nil, err
		}
	}
	for _, topic := range Topics() {
		cluster.Topics = append(cluster.Topics, topicStatus(topic, meta.Topics[topic], starts, ends))
	}
	return cluster, nil
}

func topicStatus(name string, detail kadm.TopicDetail, starts, ends map[TopicPartition]int64) TopicStatus {
	if isMissing(detail) {
		return TopicStatus{Name: name, Missing: true}
	}
	status := TopicStatus{Name: name, ID: TopicID(detail.ID).String()}
	for _, p := range detail.Partitions.Sorted() {
		key := TopicPartition{Topic: name, Partition: p.Partition}
		status.Partitions = append(status.Partitions, PartitionStatus{
			Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch,
			Replicas: len(p.Replicas), InSync: len(p.ISR), Start: starts[key], End: ends[key],
		})
	}
	return status
}

// StartOffsets are the first offsets that the log still has; of all the ledger's topics when none is named.
func (a *Admin) StartOffsets(ctx context.Context, topics ...string) (map[TopicPartition]int64, error) {
	return a.offsets(ctx, "start", a.client.ListStartOffsets, topics)
}

// EndOffsets are the offsets after the last committed record: a reader of committed records whose position is there has
// read all. Control records and aborted ones count. Of all the ledger's topics when none is named.
func (a *Admin) EndOffsets(ctx context.Context, topics ...string) (map[TopicPartition]int64, error) {
	return a.offsets(ctx, "end", a.client.ListCommittedOffsets, topics)
}

// WrittenOffsets are the offsets after the last record that is acknowledged, whether its transaction has ended or not, and whether
// or not it is behind one that has not: EndOffsets come to them when all transactions that are open now have ended.
func (a *Admin) WrittenOffsets(ctx context.Context, topics ...string) (map[TopicPartition]int64, error) {
	return a.offsets(ctx, "end", a.client.ListEndOffsets, topics)
}

// OffsetsAt are the offsets of the first records that were recorded at a time or later; a partition's end where there is none.
// Where writers set the times (see RecordedAt), records behind it may still be earlier. Of all the ledger's topics when none
// is named.
func (a *Admin) OffsetsAt(ctx context.Context, at time.Time, topics ...string) (map[TopicPartition]int64, error) {
	after := func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return a.client.ListOffsetsAfterMilli(ctx, max(0, at.UnixMilli()), topics...)
	}
	return a.offsets(ctx, "offsets by time", after, topics)
}

type listing func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error)

func (a *Admin) offsets(ctx context.Context, which string, list listing, topics []string) (map[TopicPartition]int64, error) {
	if len(topics) == 0 {
		topics = Topics()
	}
	started := time.Now()
	listed, err := list(ctx, topics...)
	for ctx.Err() == nil && passing(errors.Join(err, listed.Error()), time.Since(started)) {
		// What the client knows of topics is up to metadataMinAge old, and brokers hear of new topics and leaders one by one.
		if err = sleep(ctx, metadataMinAge); err == nil {
			listed, err = list(ctx, topics...)
		}
	}
	if err != nil {
		return nil, unreachable(a.config, "ask for the log's "+which, err)
	}
	offsets := make(map[TopicPartition]int64)
	for topic, partitions := range listed {
		for partition, offset := range partitions {
			p := TopicPartition{Topic: topic, Partition: partition}
			if partition < 0 && offset.Err != nil { // the answer is about the whole topic
				return nil, fmt.Errorf("ask for the log's %s: topic %s is not there (%w); `tributary migrate` creates the topics",
					which, topic, offset.Err)
			}
			if offset.Err != nil {
				return nil, ExplainFetch(p, fmt.Errorf("ask for the log's %s: %w", which, offset.Err))
			}
			offsets[p] = offset.Offset
		}
	}
	return offsets, nil
}

// passing tells whether to ask again after so long: a topic that is new is known everywhere in a moment, and a partition whose
// leader is dead (the client asks nobody twice who takes no connections) has another as soon as its silence is noticed.
func passing(err error, asked time.Duration) bool {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return asked < 4*metadataMinAge
	}
	_, dead := errors.AsType[*kadm.ShardErrors](err)
	return (dead || kerr.IsRetriable(err)) && asked < adminRetryTimeout
}

// Identities are the topics' ids and the partitions' present leader epochs; of all the ledger's topics when none is named.
func (a *Admin) Identities(ctx context.Context, topics ...string) (map[TopicPartition]LogIdentity, error) {
	if len(topics) == 0 {
		topics = Topics()
	}
	meta, err := a.topics(ctx, topics...)
	if err != nil {
		return nil, err
	}
	identities := make(map[TopicPartition]LogIdentity)
	for _, topic := range topics {
		detail := meta.Topics[topic]
		if err := detail.Err; err != nil {
			return nil, ExplainFetch(TopicPartition{Topic: topic}, err)
		}
		if detail.Topic == "" {
			return nil, errors.New("the broker did not answer about topic " + topic)
		}
		for _, p := range detail.Partitions {
			identities[TopicPartition{Topic: topic, Partition: p.Partition}] = LogIdentity{
				TopicID: TopicID(detail.ID), LeaderEpoch: p.LeaderEpoch,
			}
		}
	}
	return identities, nil
}

// SortedPartitions are a map's keys by topic, then partition.
func SortedPartitions[V any](m map[TopicPartition]V) []TopicPartition {
	return slices.SortedFunc(maps.Keys(m), TopicPartition.Compare)
}
