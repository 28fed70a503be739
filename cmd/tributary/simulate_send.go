package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// simulateToLog publishes all messages.
func (a *app) simulateToLog(ctx context.Context, s *simulator) (*sending, error) {
	client, err := a.openLog(ctx)
	if err != nil {
		return nil, err
	}
	defer client.close()
	sent := &sending{last: map[eventlog.TopicPartition]int64{}}
	began := time.Now()
	for messages := s.next(); len(messages) > 0 && err == nil; messages = s.next() {
		if err = s.await(ctx, len(messages)); err == nil {
			err = client.send(ctx, sent, messages)
		}
	}
	if err == nil {
		err = client.flush(ctx)
	}
	sent.took = time.Since(began)
	if err := sent.outcome(err, int(max(s.traffic.Told().Messages, s.options.Events))); err != nil {
		return nil, err
	}
	return sent, nil
}

// await waits until so many more may go.
func (s *simulator) await(ctx context.Context, messages int) error {
	if s.pace == nil {
		return nil
	}
	if err := s.pace.WaitN(ctx, messages); err != nil {
		return fmt.Errorf("keep to --rate: %w", cmp.Or(ctx.Err(), err))
	}
	return nil
}

// logClient writes events as we do and, beside that, whatever others may write. An event and the conflicts with it go the
// first way, so that they keep their order.
type logClient struct {
	ours   *eventlog.Writer
	others *kgo.Client
}

// openLog is a client of topics that are there.
func (a *app) openLog(ctx context.Context) (*logClient, error) {
	admin, err := a.openKafka(ctx)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	if err := requireTopics(ctx, admin); err != nil {
		return nil, err
	}
	kafka, err := a.kafka(a.logger(slog.LevelWarn))
	if err != nil {
		return nil, err
	}
	others, err := eventlog.NewClient(kafka, kgo.ProducerBatchMaxBytes(2*eventlog.MaxRecordBytes))
	if err != nil {
		return nil, err
	}
	ours, err := eventlog.NewWriter(kafka)
	if err != nil {
		others.Close()
		return nil, err
	}
	return &logClient{ours, others}, nil
}

func (c *logClient) close() {
	c.ours.Close()
	c.others.Close()
}

func (c *logClient) flush(ctx context.Context) error {
	if err := c.ours.Flush(ctx); err != nil {
		return err
	}
	if err := c.others.Flush(ctx); err != nil {
		return fmt.Errorf("wait for Kafka to acknowledge: %w: %w", eventlog.ErrUncertain, err)
	}
	return nil
}

// send hands messages to the writers; it waits while these are full.
func (c *logClient) send(ctx context.Context, sent *sending, messages []simulation.Message) error {
	for i := range messages {
		m := &messages[i]
		if m.Format == simulation.FormatProtobuf && m.Kind != simulation.KindBad {
			c.ours.Publish(ctx, m.Event, sent.done)
			continue
		}
		c.others.Produce(ctx, rawRecord(m), func(r *kgo.Record, err error) {
			sent.done(eventlog.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, err)
		})
	}
	sent.published += len(messages)
	return sent.failure()
}

// rawRecord is the message as it is, valid or not.
func rawRecord(m *simulation.Message) *kgo.Record {
	raw := m.Record()
	record := &kgo.Record{Topic: raw.Topic, Key: raw.Key, Value: raw.Value, Headers: make([]kgo.RecordHeader, len(raw.Headers))}
	for i, header := range raw.Headers {
		record.Headers[i] = kgo.RecordHeader{Key: header.Key, Value: header.Value}
	}
	return record
}
