package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// simulateToLog publishes all events and returns the last position of each partition.
func (a *app) simulateToLog(ctx context.Context, s *simulator) ([]string, error) {
	writer, err := a.openLog(ctx)
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	sent := &sending{last: map[eventlog.TopicPartition]int64{}}
	began := time.Now()
	for events := s.next(); len(events) > 0 && err == nil; events = s.next() {
		err = sent.publish(ctx, writer, events)
	}
	if err == nil {
		err = writer.Flush(ctx)
	}
	sent.took = time.Since(began)
	if err := sent.outcome(err, int(s.stream.Options().Events)); err != nil {
		return nil, err
	}
	return sent.positions(), nil
}

// openLog is a writer to topics that are there.
func (a *app) openLog(ctx context.Context) (*eventlog.Writer, error) {
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
	return eventlog.NewWriter(kafka)
}
