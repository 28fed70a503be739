package receivers

import (
	"bytes"
	"cmp"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// stamp is the total order that decides which event sets a field: the highest rank, then the latest, then the highest id. The
// zero stamp is that of no event, below all others.
type stamp struct {
	rank int16
	at   int64 // Event time in microseconds since 1970.
	id   uuid.UUID
}

func newStamp(event *ledger.Event, rank int16) stamp {
	return stamp{rank, event.Time.UnixMicro(), event.ID}
}

func (s *stamp) known() bool { return s.rank > 0 }

// below tells whether the other one counts.
func (s *stamp) below(other *stamp) bool {
	return cmp.Or(cmp.Compare(s.rank, other.rank), cmp.Compare(s.at, other.at), bytes.Compare(s.id[:], other.id[:])) < 0
}

// pack writes a stamp; it reports whether there is anything behind it.
func (s *stamp) pack(p *postgres.Packer) bool {
	p.Int(int64(s.rank))
	if !s.known() {
		return false
	}
	p.Int(s.at)
	p.UUID(s.id)
	return true
}

func unpackStamp(u *postgres.Unpacker) stamp {
	s := stamp{rank: int16(u.Int())} //nolint:gosec // It was packed from one.
	if s.known() {
		s.at, s.id = u.Int(), u.UUID()
	}
	return s
}

// moment is when something was first so; it may be unknown.
type moment struct {
	known bool
	at    int64 // Microseconds since 1970.
}

func (m *moment) earlier(other moment) {
	if other.known && (!m.known || other.at < m.at) {
		*m = other
	}
}

func (m *moment) pack(p *postgres.Packer) {
	if m.known {
		p.Uint(1)
		p.Int(m.at)
	} else {
		p.Uint(0)
	}
}

func unpackMoment(u *postgres.Unpacker) moment {
	if u.Uint() == 0 {
		return moment{}
	}
	return moment{true, u.Int()}
}

func (m *moment) put(f *postgres.Fields) {
	if m.known {
		f.Micros(m.at)
	} else {
		f.Null()
	}
}
