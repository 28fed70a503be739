package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// sending follows events until they are acknowledged.
type sending struct {
	published int
	took      time.Duration

	mu           sync.Mutex
	acknowledged int
	last         map[eventlog.TopicPartition]int64
	failed       error
}

// sendLines publishes the valid lines, in the file's order.
func (a *app) sendLines(ctx context.Context, input *os.File, c *check) (*sending, error) {
	kafka, err := a.kafka(a.logger(slog.LevelWarn))
	if err != nil {
		return nil, err
	}
	writer, err := eventlog.NewWriter(kafka)
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	if _, err := rewind(input); err != nil {
		return nil, err
	}
	bar := a.startProgress(ctx, "publishing", c.size, countBytes)
	defer bar.end()
	s := &sending{last: map[eventlog.TopicPartition]int64{}}
	started := time.Now()
	// Events are published under ctx, not under that of the reading, which ends before they are acknowledged.
	err = eachChunk(ctx, counted{input, bar}, validEvents, func(_ context.Context, events []*ledger.Event) error {
		return s.publish(ctx, writer, events)
	})
	if err == nil {
		err = writer.Flush(ctx)
	}
	s.took = time.Since(started)
	if err := s.outcome(err, c.events); err != nil {
		return nil, err
	}
	return s, nil
}

// checkLog fails where the log is not there to be written.
func (a *app) checkLog(ctx context.Context) error {
	admin, err := a.openKafka(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	return requireTopics(ctx, admin)
}

// requireTopics fails before anything is published where something could not be.
func requireTopics(ctx context.Context, admin *eventlog.Admin) error {
	missing, err := admin.Missing(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("topic %s is not there, and nothing was published: \"tributary migrate\" creates the topics", missing[0])
	}
	return nil
}

func validEvents(part chunk) []*ledger.Event {
	var events []*ledger.Event
	for _, line := range part.lines() {
		if event, invalid := ledger.DecodeJSON(line, ledger.Strict); invalid == nil {
			events = append(events, event)
		}
	}
	return events
}

// publish hands events to the writer; it waits while that is full.
func (s *sending) publish(ctx context.Context, writer *eventlog.Writer, events []*ledger.Event) error {
	for _, event := range events {
		writer.Publish(ctx, event, s.done)
	}
	s.published += len(events)
	return s.failure()
}

func (s *sending) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *sending) done(at eventlog.Position, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = cmpOr(s.failed, err)
		return
	}
	s.acknowledged++
	place := at.TopicPartition()
	s.last[place] = max(s.last[place], at.Offset)
}

func cmpOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// outcome says how far it came where it did not come to the end.
func (s *sending) outcome(err error, expected int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = cmpOr(s.failed, err)
	switch {
	case err == nil && s.acknowledged != expected:
		return fmt.Errorf("the input changed while it was read: %s events were valid at first, %s then; all of these are published",
			count(expected), count(s.acknowledged))
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted after %s of %s events were acknowledged; publishing all of them again is safe, an event counts once",
			count(s.acknowledged), count(expected))
	default:
		return fmt.Errorf("%s of %s events were acknowledged, then: %w (publishing all of them again is safe, an event counts once)",
			count(s.acknowledged), count(expected), err)
	}
}

// ends are the offsets after the last event of each partition.
func (s *sending) ends() map[eventlog.TopicPartition]int64 {
	ends := maps.Clone(s.last)
	for place := range ends {
		ends[place]++
	}
	return ends
}

func (s *sending) positions() []string {
	positions := make([]string, 0, len(s.last))
	for _, place := range eventlog.SortedPartitions(s.last) {
		positions = append(positions, place.At(s.last[place]).String())
	}
	return positions
}

// lastPositions are the partitions with the offsets of their last events, by topic, in lines that fit a screen.
func (s *sending) lastPositions() string {
	const perLine = 6
	var out strings.Builder
	byTopic := map[string][]string{}
	for _, position := range s.positions() {
		topic, rest, _ := strings.Cut(position, "/")
		byTopic[topic] = append(byTopic[topic], fmt.Sprintf("%-11s", rest))
	}
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		name := topic + "/"
		for positions := range slices.Chunk(byTopic[topic], perLine) {
			out.WriteString(strings.TrimRight(fmt.Sprintf("  %-14s%s", name, strings.Join(positions, " ")), " ") + "\n")
			name = ""
		}
	}
	return out.String()
}

// printSent tells people what was published, what was not, and where the last events are.
func (a *app) printSent(c *check, s *sending, brief bool) error {
	if a.asJSON {
		return nil // all of it comes in one object at the end
	}
	if err := a.printBad(c); err != nil {
		return err
	}
	if skipped := c.invalid(); skipped > 0 {
		if err := a.printf("skipped %s bad lines: %s\n", count(skipped), byCode(c.counts)); err != nil {
			return err
		}
	}
	rate := int64(float64(s.acknowledged) / max(s.took.Seconds(), time.Millisecond.Seconds()))
	if err := a.printf("published %s events in %s (%s/s)\n", count(s.acknowledged), duration(s.took), count(rate)); err != nil {
		return err
	}
	if brief {
		return nil
	}
	return a.printf("%s", s.lastPositions())
}
