package projections

import (
	"context"
	"errors"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// A swap fences the owners of the generation that was live. They need not leave their group for that: the partitions are theirs, and
// they take them over in the generation that is live now, and read on from where that one is.
//
//	committer ── fenced, and another generation is live ──┐
//	committer ── fenced by a swap that came to nothing ───┤
//	watch ────── another generation is live ──────────────┴─▶ moved ──▶ poller: take over, go to its offsets, read on

// wake has the poller follow to the generation that is live.
func (s *session) wake() { signal(s.moved) }

// ended is called when a commit has ended. That of an owner of before a swap is refused; then its events are read again.
func (s *session) ended(ctx context.Context, batch Batch, err error) error {
	defer s.inFlight.end()
	fenced, ok := errors.AsType[*FencedError](err)
	if !ok {
		return err
	}
	if fenced.Spared {
		s.wake()
		return nil
	}
	held := make([]Held, len(batch.Ranges))
	for i, r := range batch.Ranges {
		held[i] = Held{TopicPartition: r.TopicPartition, Epoch: r.Epoch, Generation: r.Generation}
	}
	return s.fenced(ctx, held, err)
}

// fenced is called when what was held turns out not to be ours any more. It is no error where a swap is why.
func (s *session) fenced(ctx context.Context, held []Held, err error) error {
	s.following.Lock() // Where the poller follows just now, it is done then.
	outdated := s.outdated(held)
	s.following.Unlock()
	if outdated {
		return nil // The poller has followed while this was under way.
	}
	live, failed := s.store.Generation(ctx)
	if failed != nil || live == held[0].Generation {
		return err // Another member has the partition, or who knows.
	}
	s.wake()
	return nil
}

// outdated tells whether partitions were held before they were taken over anew.
func (s *session) outdated(held []Held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range held {
		if o, ok := s.owned[h.TopicPartition]; ok && o.Generation == h.Generation && o.Epoch == h.Epoch {
			return false
		}
	}
	return true
}

// look sees, now and then, whether another generation is live: with nothing to commit nobody would be told.
func (s *session) look(ctx context.Context) {
	live, err := s.store.Generation(ctx)
	if err != nil {
		return // Whoever commits notices.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.owned {
		if o.Generation != live {
			s.wake()
			return
		}
	}
}

// gatheredUnlessMoved is what gathered gives, or the news that another generation is live.
func (s *session) gatheredUnlessMoved(ctx context.Context, last time.Time) (got gathered, moved bool) {
	polling, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-s.moved:
			moved = true
			stop()
		case <-polling.Done():
		}
	}()
	got = s.gathered(polling, last)
	stop()
	<-done
	return got, moved
}

// follow takes over in the live generation what this session owns, and reads on from there.
func (s *session) follow(ctx context.Context) error {
	s.mu.Lock()
	partitions := eventlog.SortedPartitions(s.owned)
	s.mu.Unlock()
	if len(partitions) == 0 {
		return nil
	}
	s.following.Lock()
	defer s.following.Unlock()
	owned, err := s.takeOver(ctx, s.admin, partitions)
	if err != nil {
		return err
	}
	s.ownAnew(owned)
	s.log.Info("follows to the generation that is live now", "partitions", len(owned), "generation", owned[partitions[0]].Generation)
	return nil
}

// ownAnew keeps the ownerships of what is still owned.
func (s *session) ownAnew(owned map[eventlog.TopicPartition]Ownership) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, o := range owned {
		if _, ours := s.owned[p]; !ours {
			continue // It was revoked meanwhile.
		}
		s.owned[p] = &o
		s.health.started(p, o.NextOffset)
	}
	s.health.recovered()
	s.nextTerm()
}
