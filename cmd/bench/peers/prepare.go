package peers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Prepared is a topic of rows made of all events of the log.
type Prepared struct {
	Topic string
	// Events of the log were read, and Rows made of them.
	Events, Rows int64

	last map[int32]*kgo.Record // Of each partition.
}

// The prepared topics.
const (
	topicEntries  = "peers.entries"
	topicAccounts = "peers.accounts"
	topicRevenue  = "peers.revenue"
)

// PrepareEntries writes a row a posting to a topic of so many partitions, anew.
func PrepareEntries(ctx context.Context, kafka eventlog.Config, partitions int32) (Prepared, error) {
	return prepare(ctx, kafka, topicEntries, partitions, entryRows)
}

// PrepareAccounts is PrepareEntries, with rows under the keys of their accounts, for who wants those together.
func PrepareAccounts(ctx context.Context, kafka eventlog.Config, partitions int32) (Prepared, error) {
	return prepare(ctx, kafka, topicAccounts, partitions, entryRowsByAccount)
}

// PrepareRevenue writes a row an event that counts for revenue to a topic of so many partitions, anew.
func PrepareRevenue(ctx context.Context, kafka eventlog.Config, partitions int32) (Prepared, error) {
	return prepare(ctx, kafka, topicRevenue, partitions, revenueRows)
}

func prepare(
	ctx context.Context, kafka eventlog.Config, topic string, partitions int32, rows func([]eventlog.Record) ([]row, error),
) (Prepared, error) {
	if err := freshTopic(ctx, kafka, topic, partitions); err != nil {
		return Prepared{}, err
	}
	starts, ends, err := extent(ctx, kafka)
	if err != nil {
		return Prepared{}, err
	}
	client, err := eventlog.NewClient(kafka, kgo.DefaultProduceTopic(topic))
	if err != nil {
		return Prepared{}, err
	}
	defer client.Close()
	var events, made atomic.Int64
	written := writes{last: map[int32]*kgo.Record{}}
	err = eventlog.ReadRange(ctx, kafka, eventlog.Range{From: starts, To: ends}, func(_ context.Context, batch eventlog.Batch) error {
		rows, err := rows(batch.Records)
		if err != nil {
			return err
		}
		for _, r := range rows {
			client.Produce(ctx, &kgo.Record{Key: r.key, Value: r.value}, written.note)
		}
		events.Add(int64(len(batch.Records)))
		made.Add(int64(len(rows)))
		return nil
	})
	if err = errors.Join(err, client.Flush(ctx), written.failed); err != nil {
		return Prepared{}, fmt.Errorf("prepare the topic %s: %w", topic, err)
	}
	return Prepared{topic, events.Load(), made.Load(), written.last}, nil
}

// writes are the outcomes of a preparation's writes.
type writes struct {
	mu     sync.Mutex
	failed error // The first.
	last   map[int32]*kgo.Record
}

func (w *writes) note(record *kgo.Record, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch last := w.last[record.Partition]; {
	case err != nil:
		w.failed = cmp.Or(w.failed, err)
	case last == nil || last.Offset < record.Offset:
		w.last[record.Partition] = record
	}
}

// freshTopic makes a topic, without what another run left of it.
func freshTopic(ctx context.Context, kafka eventlog.Config, topic string, partitions int32) error {
	client, err := eventlog.NewClient(kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.DeleteTopic(ctx, topic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("delete the topic %s of another run: %w", topic, err)
	}
	// A broker answers before the topic is quite gone.
	return poll(ctx, func(ctx context.Context) (bool, error) {
		_, err := admin.CreateTopic(ctx, partitions, 1, nil, topic)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("make the topic %s: %w", topic, err)
		}
		return true, nil
	})
}
