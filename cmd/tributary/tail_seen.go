package main

import "github.com/google/uuid"

// mostSeenIDs is how many ids are remembered; copies of an event mostly come soon after it.
const mostSeenIDs = 100_000

// seenIDs are the last ids that were shown.
type seenIDs struct {
	ids  map[uuid.UUID]struct{}
	ring []uuid.UUID // of the same, in the order in which they came, from next on when it is full
	next int
}

// again tells whether an id was seen before, and remembers it.
func (s *seenIDs) again(id uuid.UUID) bool {
	if _, known := s.ids[id]; known {
		return true
	}
	if s.ids == nil {
		s.ids = map[uuid.UUID]struct{}{}
	}
	if len(s.ring) < mostSeenIDs {
		s.ring = append(s.ring, id)
	} else {
		delete(s.ids, s.ring[s.next])
		s.ring[s.next] = id
		s.next = (s.next + 1) % mostSeenIDs
	}
	s.ids[id] = struct{}{}
	return false
}
