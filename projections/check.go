package projections

import (
	"context"
	"errors"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Checker is a Store that can be asked whether its servers answer, still have what was committed, and belong together.
// Otherwise an owner to which nothing comes would not notice that they are away, or were restored from a backup.
type Checker interface {
	// Check returns a *FencedError where what is held is not the caller's any more, or not as far as it was; then the
	// session starts anew. Any other error is shown, and does not end it.
	Check(ctx context.Context, held []Held) error
}

// Held is a partition that the caller owns, and up to where it is committed.
type Held struct {
	eventlog.TopicPartition

	Next, Epoch int64
	Generation  int32
}

const (
	// checkEvery is how far apart a store is asked.
	checkEvery = 5 * time.Second
	// checkPatience is how long its servers may take to answer.
	checkPatience = 10 * time.Second
	// troubleStore is the kind of trouble of a store that does not pass.
	troubleStore = "store"
)

// check asks the store now and then, beside what the session does.
func (s *session) check(ctx context.Context) error {
	store, ok := s.store.(Checker)
	if !ok {
		return nil
	}
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := s.checkNow(ctx, store); err != nil {
			return err
		}
	}
}

// checkNow returns only what ends the session.
func (s *session) checkNow(ctx context.Context, store Checker) error {
	try, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	held := s.held()
	err := store.Check(try, held)
	_, fenced := errors.AsType[*FencedError](err)
	switch {
	case ctx.Err() != nil:
		return nil // What it was told to end with, another says.
	case err == nil:
		s.health.mend(troubleStore)
		return nil
	case fenced:
		return s.fenced(ctx, held, err)
	default:
		s.health.fail(troubleStore, err)
		return nil
	}
}

// held is what the session owns. Offsets only grow, so what a store is asked for is never more than it has.
func (s *session) held() []Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make([]Held, 0, len(s.owned))
	for p, o := range s.owned {
		held = append(held, Held{p, s.health.next(p), o.Epoch, o.Generation})
	}
	return held
}
