package eventlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// reader asks for pieces of partitions itself. A consumer would tell of records only: where a range ends with aborted
// records whose transaction's end lies behind an open one, it has nothing to tell until that one ends, and nobody could
// see that the range is done.
type reader struct {
	config       Config
	client       *kgo.Client
	admin        *Admin
	decompressor kgo.Decompressor
	expect       map[string]TopicID
	patience     time.Duration
	pieceBytes   int

	mu      sync.Mutex
	leaders map[TopicPartition]leader
}

// newReader is a reader that knows no topic yet. Close its client when done.
func newReader(config Config) (*reader, error) {
	config.Metrics = nil
	client, err := NewClient(config.named("reader"), kgo.RetryTimeout(adminRetryTimeout))
	if err != nil {
		return nil, err
	}
	return &reader{
		config: config, client: client, admin: AdminOf(config, client), decompressor: kgo.DefaultDecompressor(), patience: readPatience,
	}, nil
}

type leader struct {
	broker int32
	epoch  int32
	topic  TopicID
}

// refresh learns who leads the topics' partitions, and notices when a topic is not the one it was.
func (r *reader) refresh(ctx context.Context, topics ...string) error {
	if len(topics) == 0 {
		return nil
	}
	meta, err := r.admin.topics(ctx, topics...)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaders == nil {
		r.leaders = make(map[TopicPartition]leader)
	}
	for _, topic := range topics {
		detail := meta.Topics[topic]
		if detail.Err != nil {
			return ExplainFetch(TopicPartition{Topic: topic}, detail.Err)
		}
		for _, partition := range detail.Partitions {
			p := TopicPartition{Topic: topic, Partition: partition.Partition}
			seen := LogIdentity{TopicID: TopicID(detail.ID), LeaderEpoch: -1}
			if err := CheckIdentity(p, LogIdentity{TopicID: r.expected(p), LeaderEpoch: -1}, seen); err != nil {
				return err
			}
			r.leaders[p] = leader{broker: partition.Leader, epoch: partition.LeaderEpoch, topic: seen.TopicID}
		}
	}
	return nil
}

// expected is the topic's id as the caller knows it, or as it was when the reading began.
func (r *reader) expected(p TopicPartition) TopicID {
	if id, ok := r.expect[p.Topic]; ok {
		return id
	}
	return r.leaders[p].topic
}

func (r *reader) leader(p TopicPartition) leader {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaders[p]
}

// fetchOnce asks the leader for what is at next, and decodes what is before to.
func (r *reader) fetchOnce(ctx context.Context, s span) (Batch, error) {
	p, next, to := s.TopicPartition, s.next, s.to
	leads := r.leader(p)
	if leads.broker < 0 {
		return Batch{}, fmt.Errorf("%s: %w", p, kerr.LeaderNotAvailable)
	}
	answer, err := r.client.Broker(int(leads.broker)).RetriableRequest(ctx, fetchRequest(s, leads))
	if err != nil {
		return Batch{}, fmt.Errorf("fetch %s: %w", p.At(next), err)
	}
	part, err := onlyPartition(answer)
	if err != nil {
		return Batch{}, fmt.Errorf("fetch %s: %w", p.At(next), err)
	}
	fetched, after := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: next, IsolationLevel: kgo.ReadCommitted(), Topic: p.Topic, Partition: p.Partition,
	}, part, r.decompressor, nil)
	if fetched.Err != nil {
		return Batch{}, ExplainFetch(p, fetched.Err)
	}
	batch := Batch{TopicPartition: p, From: next, Next: min(after, to), Records: make([]Record, 0, len(fetched.Records))}
	batch.LeaderEpoch, batch.RecordedAt = lastBefore(batch.Next, part.RecordBatches)
	for _, record := range fetched.Records {
		if record.Offset >= to {
			break
		}
		if s.wanted == nil {
			batch.Records = append(batch.Records, Decode(record))
		} else if s.wanted.has(record.Offset) {
			batch.Records = append(batch.Records, s.wanted.decode(detached(record)))
		}
	}
	if n := len(batch.Records); n > 0 && batch.Records[n-1].Offset == batch.Next-1 {
		batch.RecordedAt = batch.Records[n-1].RecordedAt
	}
	return batch, nil
}

// lastBefore is the leader epoch, and the latest time, of the record batch that has the last offset before next: consumers pass over
// control records and aborted ones, and a position past those belongs to their epoch.
func lastBefore(next int64, raw []byte) (epoch int32, at time.Time) {
	const (
		lengthAt, epochAt, magicAt, timeAt = 8, 12, 16, 35 // in a record batch of the second version, which all now are
		headerBytes                        = 61
	)
	epoch = -1
	for len(raw) >= headerBytes && int64(binary.BigEndian.Uint64(raw)) < next { //nolint:gosec // bits
		if raw[magicAt] >= 2 { //nolint:mnd // as said
			epoch = int32(binary.BigEndian.Uint32(raw[epochAt:]))                         //nolint:gosec // bits
			at = recordedAt(time.UnixMilli(int64(binary.BigEndian.Uint64(raw[timeAt:])))) //nolint:gosec // bits
		}
		size := lengthAt + 4 + int(binary.BigEndian.Uint32(raw[lengthAt:])) //nolint:mnd // the length itself, and what it counts
		if size > len(raw) {
			break
		}
		raw = raw[size:]
	}
	return epoch, at
}

// detached is the record in memory of its own.
func detached(record *kgo.Record) *kgo.Record {
	own := *record
	own.Key, own.Value, own.Headers = bytes.Clone(record.Key), bytes.Clone(record.Value), slices.Clone(record.Headers)
	for i := range own.Headers {
		own.Headers[i].Key, own.Headers[i].Value = strings.Clone(own.Headers[i].Key), bytes.Clone(own.Headers[i].Value)
	}
	return &own
}

func fetchRequest(s span, leads leader) *kmsg.FetchRequest {
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition = s.Partition
	partition.CurrentLeaderEpoch = leads.epoch
	partition.FetchOffset = s.next
	partition.PartitionMaxBytes = int32(s.fetchBytes) //nolint:gosec // at most readFetchBytesMost
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = s.Topic
	topic.TopicID = leads.topic
	topic.Partitions = append(topic.Partitions, partition)
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes = partition.PartitionMaxBytes
	request.IsolationLevel = 1
	request.SessionEpoch = -1 // no session: each request stands for itself
	request.Topics = append(request.Topics, topic)
	return request
}

// onlyPartition is the answer about the one partition that was asked for.
func onlyPartition(answer kmsg.Response) (*kmsg.FetchResponseTopicPartition, error) {
	response, ok := answer.(*kmsg.FetchResponse)
	if !ok {
		return nil, fmt.Errorf("the broker answered a fetch with a %T", answer)
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return nil, fmt.Errorf("the broker answers: %w", err)
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return nil, kerr.UnknownTopicOrPartition
	}
	return &response.Topics[0].Partitions[0], nil
}
