package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// poll takes what has arrived, prepares it, and hands it to the committer.
func (s *session) poll(ctx context.Context) error {
	defer close(s.changes)
	defer s.untap()
	var taken time.Time
	for {
		got, moved := s.gatheredUnlessMoved(ctx, taken)
		taken = time.Now()
		if moved {
			if err := s.follow(ctx); err != nil {
				return err
			}
			continue // What was read is read again, from where the other generation is.
		}
		if err := s.readError(ctx, got.errs); err != nil {
			return err
		}
		batch, err := s.batch(got)
		if err != nil {
			return err
		}
		if len(batch.Ranges) == 0 {
			continue
		}
		if err := s.handOver(ctx, batch); err != nil {
			s.inFlight.end()
			return err
		}
	}
}

// quiet is how long nothing is told of any failure until reading is taken to work, though there is nothing to read. It is
// longer than the client's pause between tries.
const quiet = 5 * time.Second

// gathered is what arrives until it is time for the next batch after the last, or fills one; something at least, but when all was quiet
// for a while.
func (s *session) gathered(ctx context.Context, last time.Time) gathered {
	// busy is how many records in an interval are many.
	const busy = 250
	got := s.taken(ctx, time.Now().Add(quiet), s.settings.BatchEvents)
	s.gather(ctx, &got, last.Add(s.settings.PollInterval))
	if got.records >= busy {
		s.gather(ctx, &got, last.Add(s.settings.BusyInterval))
	}
	return got
}

// gather adds what arrives until then, or until the batch is full.
func (s *session) gather(ctx context.Context, got *gathered, until time.Time) {
	for got.records > 0 && got.records < s.settings.BatchEvents && len(got.errs) == 0 && time.Now().Before(until) && ctx.Err() == nil {
		more := s.taken(ctx, until, s.settings.BatchEvents-got.records)
		if more.term != got.term {
			return // The batch sees that, too.
		}
		got.add(more.arrived)
	}
}

// gathered is what has arrived in a term.
type gathered struct {
	arrived

	term int
}

// taken is what has arrived, or nothing if nothing does until then.
func (s *session) taken(ctx context.Context, until time.Time, most int) gathered {
	tap, term := s.tapped() //nolint:contextcheck // a stream lives as long as anybody reads
	if tap == nil {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case <-s.regrouped:
		case <-timer.C:
		case <-ctx.Done():
		}
		return gathered{term: term}
	}
	got, open := tap.take(ctx, until, most)
	if !open {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tap == tap {
			s.evicted, s.tap = tap.evicted, nil
		}
	}
	return gathered{got, term}
}

// tapped is where to read what is owned, and the term. It is nil while nothing is.
func (s *session) tapped() (*tap, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tap == nil && len(s.owned) > 0 {
		from := make(map[eventlog.TopicPartition]position, len(s.owned))
		for p, o := range s.owned {
			from[p] = position{o.NextOffset, o.LeaderEpoch}
		}
		s.tap = s.feed.open(from, s.evicted)
		s.evicted = false
	}
	return s.tap, s.term
}

// untap stops to read.
func (s *session) untap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextTerm()
}

// listen hears what the group's client has to say. It gives no records.
func (s *session) listen(ctx context.Context) error {
	for {
		fetches := s.client.PollFetches(ctx)
		if err := s.readError(ctx, fetches.Errors()); err != nil {
			return err
		}
	}
}

// readError tells apart what ends the session from what the client retries by itself.
func (s *session) readError(ctx context.Context, errs []kgo.FetchError) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, failed := range errs {
		p := eventlog.TopicPartition{Topic: failed.Topic, Partition: failed.Partition}
		err := eventlog.ExplainFetch(p, failed.Err)
		if eventlog.Classify(err) != eventlog.KindRetriable {
			return err
		}
		s.metrics.retries.WithLabelValues("fetch").Inc()
		s.health.fail("fetch", err)
		s.log.Warn("cannot read; the client tries again", "err", err)
	}
	if len(errs) == 0 {
		s.health.mend("fetch")
	}
	return nil
}

// batch marks out the ranges of what has arrived, under the owners' epochs. It is empty when something was taken over or lost
// meanwhile: then all is read again from where the owners are. What it gives is under way until its commit ends.
func (s *session) batch(got gathered) (Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got.term != s.term || got.records == 0 {
		return Batch{}, nil
	}
	batch := Batch{Records: make([]eventlog.Record, 0, got.records)}
	ranges := map[eventlog.TopicPartition]int{}
	for _, arrived := range got.portions {
		p := arrived.TopicPartition
		owner := s.owned[p]
		if arrived.from > owner.NextOffset {
			return Batch{}, fmt.Errorf("%s is read from %d on, after %d: records between are missing; this is a bug",
				p, arrived.from, owner.NextOffset)
		}
		at, seen := ranges[p]
		if !seen {
			at = len(batch.Ranges)
			ranges[p] = at
			batch.Ranges = append(batch.Ranges, Range{
				TopicPartition: p, From: owner.NextOffset, Epoch: owner.Epoch, Generation: owner.Generation,
			})
		}
		batch.Records = append(batch.Records, arrived.records...)
		last := &arrived.records[len(arrived.records)-1]
		r := &batch.Ranges[at]
		r.To, r.LeaderEpoch, r.RecordedAt = last.Offset+1, last.LeaderEpoch, last.RecordedAt
		owner.NextOffset, owner.LeaderEpoch = r.To, r.LeaderEpoch
	}
	s.inFlight.begin()
	return batch, nil
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
