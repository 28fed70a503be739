package audit

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

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

// model is the reference of one projection: what its tables should be. It first adds both up, without holding either. Where they
// do not come to the same, the log and the tables are read once more, for what does not.
type model interface {
	// wants tells whether the projection keeps the record.
	wants(record *eventlog.Record) bool
	// fold takes a record that counts, each once.
	fold(record *eventlog.Record) error
	// tally reads the tables, once all is folded.
	tally(ctx context.Context, s *snapshot) error
	// suspect tells whether anything does not come to the same; again is then called with each record that counts, and detail
	// says how the tables differ.
	suspect() bool
	again(record *eventlog.Record)
	detail(ctx context.Context, s *snapshot) error
	// touches appends the traces of the rows that a record bears on.
	touches(traces []string, record *eventlog.Record) []string
	// close gives back what was held.
	close() error
}

// examination is one projection under audit.
type examination struct {
	// mu is held while the log is read, over all of it.
	mu sync.Mutex

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
	// accepted is how many events of each partition count.
	accepted map[eventlog.TopicPartition]int64
	// outdated is how many records are refused in the tables, though they are valid to this version.
	outdated int64
	// conflicts are the first MaxConflicts of conflictsTotal, once they are sorted.
	conflicts      []conflict
	conflictsTotal int64
}

// conflict is an event whose id is taken by another content.
type conflict struct {
	id             uuid.UUID
	hash, keptHash contentHash
	at, kept       eventlog.Position
	kind           ledger.Type
	ledger         string
}

// mark is what identifies a record's event, for all projections.
type mark struct {
	hash contentHash
	// id is the hash of the event's id, row the digest of the identity row that names this copy.
	id, row uint64
}

// take takes the records of a batch that the projection has; resolve is called when enough of them have no row.
func (e *examination) take(batch *eventlog.Batch, marks []mark, resolve func() error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var counted pages
	if e.ids != nil {
		counted = e.ids.counts.of(batch.TopicPartition)
	}
	accepted := int64(0)
	defer func() { e.accepted[batch.TopicPartition] += accepted }()
	return e.those(batch, func(i int, record *eventlog.Record, at eventlog.Position) error {
		e.records++
		switch {
		case e.ids == nil || e.aside != nil && e.aside(record):
			return e.model.fold(record)
		case counted.has(at.Offset):
			e.ids.tally.expect(bucketOf(marks[i].id), marks[i].row)
			accepted++
			return e.model.fold(record)
		}
		e.ids.others = append(e.ids.others, other{
			identity{record.Event.ID, marks[i].hash, at},
			ledger.Type(strings.Clone(string(record.Event.Type))), strings.Clone(record.Event.Ledger),
		})
		if len(e.ids.others) < othersAtOnce {
			return nil
		}
		return resolve()
	})
}

// counts tells whether a record is one that the model was given, once all was read.
func (e *examination) counts(record *eventlog.Record, at eventlog.Position) bool {
	return e.ids == nil || e.aside != nil && e.aside(record) || e.ids.counts.has(at)
}

// addConflict notes a conflict, and forgets those with the highest ids when there are many.
func (e *examination) addConflict(c conflict) {
	e.conflictsTotal++
	e.conflicts = append(e.conflicts, c)
	if len(e.conflicts) >= 2*MaxConflicts {
		e.sortConflicts()
	}
}

func (e *examination) sortConflicts() {
	slices.SortFunc(e.conflicts, func(a, b conflict) int {
		return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.at.String(), b.at.String()))
	})
	e.conflicts = e.conflicts[:min(len(e.conflicts), MaxConflicts)]
}

func (e *examination) report() Projection {
	p := Projection{
		Name: e.name, Generation: e.generation, Records: e.records, Duplicates: e.duplicates,
		Outdated:  e.outdated,
		Positions: make([]Position, 0, len(e.next)), Conflicts: []Conflict{}, ConflictsTotal: e.conflictsTotal,
	}
	for _, at := range eventlog.SortedPartitions(e.next) {
		p.Positions = append(p.Positions, Position{at.Topic, at.Partition, e.next[at]})
	}
	e.sortConflicts()
	for _, c := range e.conflicts {
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
