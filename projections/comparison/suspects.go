package comparison

import (
	"github.com/google/uuid"
)

// suspects are the rows of a view that differ and sum up those of another: whether they are about conflicts, and which events
// are behind them, shows when those are compared.
type suspects struct {
	// columns are the key of both.
	columns []string
	rows    map[string]*suspect
}

type suspect struct {
	view *View
	kind string
	// difference is nil where it is not kept.
	difference *Difference
	// conflicts and others count the differing rows behind it.
	conflicts, others int64
	// last are the places of the event that was met last: the rows of one come together.
	last []place
}

const separator = "\x00"

// joined is the key of a row among those that sum it up.
func joined(r *row, places []int) string {
	var key []byte
	for _, at := range places {
		key = append(append(key, r.cells[at]...), separator...)
	}
	return string(key)
}

// wait makes a row wait for those that it sums up; it reports false when too many wait.
func (t *trial) wait(kind string, kept *Difference, live, other *row) bool {
	waiting, ok := t.suspects[t.of.Sums]
	if !ok {
		waiting = &suspects{columns: t.of.Key, rows: map[string]*suspect{}}
		t.suspects[t.of.Sums] = waiting
	}
	if len(waiting.rows) == MaxSuspects {
		return false
	}
	first := live
	if first == nil {
		first = other
	}
	key := joined(first, t.places(t.of.Key))
	if _, twice := waiting.rows[key]; twice {
		return false
	}
	waiting.rows[key] = &suspect{view: &t.view, kind: kind, difference: kept}
	return true
}

// tell tells the rows that sum up these that they differ, and why.
func (t *trial) tell(conflict bool, live, other *row) {
	if t.summed == nil {
		return
	}
	var told *suspect
	for _, r := range []*row{live, other} {
		if r == nil {
			continue
		}
		s, ok := t.summed.rows[joined(r, t.summedKey)]
		if !ok {
			continue
		}
		if s != told {
			s.tell(conflict)
			told = s
		}
		if p, ok := t.place(r); ok {
			s.add(p)
		}
	}
}

func (s *suspect) tell(conflict bool) {
	if conflict {
		s.conflicts++
	} else {
		s.others++
	}
}

// add takes an event down, each place of it once.
func (s *suspect) add(p place) {
	if s.difference == nil {
		return
	}
	if len(s.last) > 0 && (s.last[0].id != p.id || p.id == uuid.Nil) {
		s.last = s.last[:0]
	}
	for _, before := range s.last {
		if before.at == p.at {
			return
		}
	}
	s.last = append(s.last, p)
	s.difference.EventsTotal++
	if len(s.difference.Events) < MaxEvents {
		s.difference.Events = append(s.difference.Events, p.event())
	}
}

// sentence counts the rows that waited.
func (j *judge) sentence() {
	for _, waiting := range j.suspects {
		for _, s := range waiting.rows {
			conflict := s.conflicts > 0 && s.others == 0
			tally(s.view, s.kind, conflict)
			if s.difference != nil {
				s.difference.Conflict = conflict
			}
		}
	}
}
