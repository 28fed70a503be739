package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// The checks that every projection passes.
const (
	checkProgress   = "progress is within the log"
	checkPast       = "no row is at or past next_offset"
	checkIdentities = "identity rows are the distinct event ids read"
)

// model is the reference of one projection: what its tables should be.
type model interface {
	// wants tells whether the projection keeps the record.
	wants(record *eventlog.Record) bool
	// fold takes a record that counts, each once; s is its slot, nil for a projection without identities.
	fold(record *eventlog.Record, s *slot)
	// compare holds the tables against what was folded.
	compare(ctx context.Context, s *snapshot) error
	// touches appends the traces of the rows that a record bears on.
	touches(traces []string, record *eventlog.Record) []string
}

// suspicious is a model that finds out that an event differs before it knows how. It is shown the log again.
type suspicious interface {
	// suspects are the events that differ.
	suspects() suspects
	// again is called with the copy that counts of each suspect.
	again(record *eventlog.Record)
	// detail then says how they differ.
	detail(ctx context.Context, s *snapshot) error
}

// examination is one projection under audit.
type examination struct {
	name       string
	generation int32
	// live says that readers see the generation.
	live bool
	// next are the store's own offsets; to is how much of that the log has.
	next, to map[eventlog.TopicPartition]int64
	// progress is all that the store says of partitions.
	progress map[eventlog.TopicPartition]progress
	// ids is nil for a projection that keeps records which are no events.
	ids *identities
	// claims is set where ids are claimed, and rows put in, before the offsets move: they may be past these for a while.
	claims bool
	// aside tells which records have no identity though others have; nil for none.
	aside func(record *eventlog.Record) bool
	model model
	found findings

	records, duplicates int64
	// outdated is how many records are refused in the tables, though they are valid to this version.
	outdated  int64
	conflicts []conflict
}

// conflict is an event whose id is taken by another content.
type conflict struct {
	id       uuid.UUID
	hash     contentHash
	at, kept eventlog.Position
	kind     ledger.Type
	ledger   string
}

// take takes a record of the log: at is its position in memory that may be kept.
func (e *examination) take(record *eventlog.Record, at eventlog.Position, hash contentHash) {
	e.records++
	if e.ids == nil || e.aside != nil && e.aside(record) {
		e.model.fold(record, nil)
		return
	}
	s := e.ids.find(record.Event.ID)
	if s == nil {
		s = e.ids.add(record.Event.ID, slot{at: at, hash: hash})
		e.found.check(checkIdentities).differs(Difference{
			Kind: KindMissing, Table: e.name + ".identity", Key: record.Event.ID.String(),
			Events: []Reference{referenceTo(record)}, EventsTotal: 1,
		})
	}
	s.met = true
	switch {
	case s.at == at:
		e.found.check(checkIdentities).same(Difference{
			Table: e.name + ".identity", Key: record.Event.ID.String(), Column: "content_hash",
			Events: []Reference{referenceTo(record)}, EventsTotal: 1,
		}, hex.EncodeToString(hash[:]), hex.EncodeToString(s.hash[:]))
		s.folded = true
		e.model.fold(record, s)
	case s.hash == hash:
		e.duplicates++
		s.due = s.due || s.past && at.Offset < e.progress[at.TopicPartition()].visible
	default:
		e.conflicts = append(e.conflicts, conflict{
			id: record.Event.ID, hash: hash, at: at, kept: s.at,
			kind: ledger.Type(strings.Clone(string(record.Event.Type))), ledger: strings.Clone(record.Event.Ledger),
		})
	}
}

// takeLate folds, of an event whose identity row names a position where it is not, the first copy.
func (e *examination) takeLate(record *eventlog.Record, at eventlog.Position) {
	s := e.ids.find(record.Event.ID)
	if s == nil || s.folded || s.past {
		return
	}
	s.folded = true
	e.found.check(checkIdentities).same(Difference{
		Table: e.name + ".identity", Key: record.Event.ID.String(), Column: "kafka_offset", trace: traceID(record.Event.ID),
	}, at.String(), s.at.String())
	e.model.fold(record, s)
}

// unfolded tells whether there are events of which some copy was read, but not the one that the store says it put in.
func (e *examination) unfolded() bool {
	return e.ids != nil && slices.ContainsFunc(e.ids.slots, func(s slot) bool { return s.met && !s.folded && !s.past })
}

func (e *examination) report() Projection {
	p := Projection{
		Name: e.name, Generation: e.generation, Records: e.records, Duplicates: e.duplicates,
		Outdated:  e.outdated,
		Positions: make([]Position, 0, len(e.next)), Conflicts: []Conflict{}, ConflictsTotal: int64(len(e.conflicts)),
	}
	for _, at := range eventlog.SortedPartitions(e.next) {
		p.Positions = append(p.Positions, Position{at.Topic, at.Partition, e.next[at]})
	}
	slices.SortFunc(e.conflicts, func(a, b conflict) int { return bytes.Compare(a.id[:], b.id[:]) })
	for _, c := range e.conflicts[:min(len(e.conflicts), MaxConflicts)] {
		p.Conflicts = append(p.Conflicts, Conflict{c.id.String(), c.kept.String(), c.at.String(), string(c.kind)})
	}
	e.found.report(&p)
	return p
}

// referenceTo names a record. It shares no memory with it.
func referenceTo(record *eventlog.Record) Reference {
	r := Reference{Position: record.String()}
	if event := record.Event; event != nil {
		r.EventID, r.Type = event.ID.String(), strings.Clone(string(event.Type))
	}
	return r
}

func traceID(id uuid.UUID) string { return "event " + id.String() }
