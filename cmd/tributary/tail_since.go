package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// sinceWhen says where to begin: at a time, at a position, or, where it is zero, at the start.
type sinceWhen struct {
	at       time.Time
	position *eventlog.Position
}

// parseSince reads what --since takes.
func parseSince(text string, now time.Time) (sinceWhen, error) {
	if text == "" || text == "start" {
		return sinceWhen{}, nil
	}
	if position, err := eventlog.ParsePosition(text); err == nil {
		if !slices.Contains(eventlog.Topics(), position.Topic) {
			return sinceWhen{}, noSuchTopic("--since "+text, position.Topic)
		}
		return sinceWhen{position: &position}, nil
	}
	if at, err := ledger.ParseTime(text); err == nil {
		return sinceWhen{at: at}, nil
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, text); err == nil {
			return sinceWhen{at: at}, nil
		}
	}
	if ago, ok := parseAgo(text); ok {
		return sinceWhen{at: now.Add(-ago)}, nil
	}
	return sinceWhen{}, usagef(
		"--since %q is no time (2026-03-02, 2026-03-02T08:00:00Z), time span (90m, 7d), position (payments/3@1042) or start", text)
}

// noSuchTopic names the topics there are.
func noSuchTopic(what, topic string) error {
	return usagef("%s: the log has no topic %q, only %s", what, topic, strings.Join(eventlog.Topics(), ", "))
}

// parseAgo reads a duration, which may be in days.
func parseAgo(text string) (time.Duration, bool) {
	const day, most = 24 * time.Hour, 100_000
	if days, found := strings.CutSuffix(text, "d"); found {
		n, err := strconv.ParseFloat(days, 64)
		return time.Duration(n * float64(day)), err == nil && n >= 0 && n <= most
	}
	ago, err := time.ParseDuration(text)
	return ago, err == nil && ago >= 0
}

// from are the offsets to begin at. Of a position it is what was recorded since then, on all partitions.
func (t *tailer) from(ctx context.Context, admin *eventlog.Admin, since sinceWhen) (map[eventlog.TopicPartition]int64, error) {
	t.notBefore = since.at
	if since.position != nil {
		records, err := eventlog.ReadAt(ctx, t.kafka, []eventlog.Position{*since.position})
		if errors.Is(err, eventlog.ErrNoRecord) || errors.Is(err, eventlog.ErrTruncated) {
			return nil, fmt.Errorf("--since %s: %w", since.position, err)
		}
		if err != nil {
			return nil, err
		}
		t.notBefore = records[0].RecordedAt
	}
	starts, err := admin.StartOffsets(ctx)
	if err != nil || t.notBefore.IsZero() {
		return starts, err
	}
	from, err := admin.OffsetsAt(ctx, t.notBefore)
	if err != nil {
		return nil, err
	}
	for p, start := range starts {
		from[p] = max(from[p], start)
	}
	if since.position != nil {
		from[since.position.TopicPartition()] = since.position.Offset
	}
	return from, nil
}
