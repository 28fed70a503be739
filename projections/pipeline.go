package projections

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// poll reads what has arrived, decodes and prepares it, and hands it to the committer.
func (s *session) poll(ctx context.Context) error {
	defer close(s.changes)
	var taken time.Time
	for {
		fetches, moved := s.gatheredUnlessMoved(ctx, taken.Add(s.settings.PollInterval))
		taken = time.Now()
		if moved {
			s.client.AllowRebalance()
			if err := s.follow(ctx); err != nil {
				return err
			}
			continue // What was fetched is fetched again, from where the other generation is.
		}
		if err := s.pollError(ctx, fetches); err != nil {
			return err
		}
		batch := s.batch(fetches)
		if len(batch.Ranges) > 0 {
			s.inFlight.begin()
		}
		s.client.AllowRebalance()
		if len(batch.Ranges) == 0 {
			continue
		}
		if err := s.handOver(ctx, batch); err != nil {
			s.inFlight.end()
			return err
		}
	}
}

// quiet is how long the client tells of no failure until reading is taken to work, though there is nothing to read. It is
// longer than the client's pause between tries.
const quiet = 5 * time.Second

// gathered is what arrives until it is time for the next batch, or fills one; something at least, but when all was quiet for a
// while. All of it is asked for: what a client has fetched ahead is as old as the poll before. Rebalances wait meanwhile.
func (s *session) gathered(ctx context.Context, until time.Time) kgo.Fetches {
	fetches := s.fetched(ctx, time.Now().Add(quiet), s.settings.BatchEvents)
	for len(fetches) > 0 && len(fetches.Errors()) == 0 && time.Now().Before(until) {
		room := s.settings.BatchEvents - fetches.NumRecords()
		if room <= 0 {
			break
		}
		fetches = append(fetches, s.fetched(ctx, until, room)...)
	}
	return fetches
}

// fetched is what has arrived, or nothing if nothing does until then.
func (s *session) fetched(ctx context.Context, until time.Time, most int) kgo.Fetches {
	briefly, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	fetches := s.client.PollRecords(briefly, most)
	if ctx.Err() == nil && briefly.Err() != nil && fetches.NumRecords() == 0 &&
		errors.Is(fetches.Err0(), context.DeadlineExceeded) {
		return nil
	}
	return fetches
}

// pollError tells apart what ends the session from what the client retries by itself.
func (s *session) pollError(ctx context.Context, fetches kgo.Fetches) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, failed := range fetches.Errors() {
		p := eventlog.TopicPartition{Topic: failed.Topic, Partition: failed.Partition}
		err := eventlog.ExplainFetch(p, failed.Err)
		if eventlog.Classify(err) != eventlog.KindRetriable {
			return err
		}
		s.metrics.retries.WithLabelValues("fetch").Inc()
		s.health.fail("fetch", err)
		s.log.Warn("cannot read; the client tries again", "err", err)
	}
	if len(fetches.Errors()) == 0 {
		s.health.mend("fetch")
	}
	return nil
}

// batch decodes fetched records and marks out their ranges, under the owners' epochs.
func (s *session) batch(fetches kgo.Fetches) Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := Batch{Records: make([]eventlog.Record, 0, fetches.NumRecords())}
	ranges := map[eventlog.TopicPartition]int{}
	fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
		p := eventlog.TopicPartition{Topic: fetched.Topic, Partition: fetched.Partition}
		owner, ok := s.owned[p]
		if !ok || len(fetched.Records) == 0 {
			return
		}
		// After a swap a partition may be read from before where the other generation is: where nothing was read yet, its offset
		// cannot be set.
		fetched.Records = slices.DeleteFunc(fetched.Records, func(record *kgo.Record) bool { return record.Offset < owner.NextOffset })
		if len(fetched.Records) == 0 {
			return
		}
		for _, record := range fetched.Records {
			batch.Records = append(batch.Records, eventlog.Decode(record))
		}
		last := &batch.Records[len(batch.Records)-1]
		at, seen := ranges[p]
		if !seen {
			at = len(batch.Ranges)
			ranges[p] = at
			batch.Ranges = append(batch.Ranges, Range{
				TopicPartition: p, From: owner.NextOffset, Epoch: owner.Epoch, Generation: owner.Generation,
			})
		}
		r := &batch.Ranges[at]
		r.To, r.LeaderEpoch, r.RecordedAt = last.Offset+1, last.LeaderEpoch, last.RecordedAt
		owner.NextOffset, owner.LeaderEpoch = r.To, r.LeaderEpoch
	})
	return batch
}

const (
	// lagInterval is how often the end of the log is read, for the lag.
	lagInterval = time.Second
	// checksPerLag is every how many of these the log is asked whether it is still the same one.
	checksPerLag = 5
)

// watch compares the ends of the log with what is committed, for the lag, and sees to it that the log is not cut or
// replaced meanwhile: a consumer alone does not always notice.
func (s *session) watch(ctx context.Context) error {
	ticker := time.NewTicker(lagInterval)
	defer ticker.Stop()
	for tick := 1; ; tick++ {
		ends, err := s.admin.EndOffsets(ctx, s.store.Definition().Topics...)
		if err == nil {
			s.noteEnds(ends)
		}
		s.look(ctx)
		if err == nil && tick%checksPerLag == 0 {
			err = s.admin.CheckKept(ctx, s.kept())
		}
		switch {
		case err == nil:
			s.health.mend("brokers")
		case eventlog.Classify(err) == eventlog.KindLogLost:
			return err
		case ctx.Err() == nil:
			s.metrics.retries.WithLabelValues("brokers").Inc()
			s.health.fail("brokers", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// kept is what the log must still have, and be.
func (s *session) kept() map[eventlog.TopicPartition]eventlog.Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make(map[eventlog.TopicPartition]eventlog.Kept, len(s.owned))
	for p, o := range s.owned {
		kept[p] = eventlog.Kept{LogIdentity: o.log(), Next: o.NextOffset}
	}
	return kept
}

// noteEnds tells health and metrics how far the session is behind.
func (s *session) noteEnds(ends map[eventlog.TopicPartition]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.owned {
		if end, ok := ends[p]; ok {
			s.metrics.lag(p, s.health.ended(p, end))
		}
	}
}
