package comparison

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/subjects"
)

// judge takes the rows that are not alike, and says what they are.
type judge struct {
	// events is where the places of subjects are asked for.
	events postgres.Querier
	// conflicts are the events of which the generations keep different contents, and sides where these lie.
	conflicts map[uuid.UUID]bool
	sides     map[eventlog.Position]bool
	// about are the subjects of those, hashed; nil until it is asked for.
	about map[int64]bool
	// suspects are the rows that differ and sum up others, by the view of those.
	suspects map[string]*suspects
}

func newJudge(events postgres.Querier) *judge {
	return &judge{
		events: events, conflicts: map[uuid.UUID]bool{}, sides: map[eventlog.Position]bool{}, suspects: map[string]*suspects{},
	}
}

// trial is the comparison of one view.
type trial struct {
	*judge
	shape

	of postgres.ReaderView
	// version is the column by which rows take the place of others, -1 where there is none.
	version int
	view    View
	sums    sums
	// summed are the rows that sum up these, and how their keys are found here; nil where none differ.
	summed    *suspects
	summedKey []int

	kept  []*Difference
	names map[*Difference][]string // the subjects of those kept
}

// each takes two rows of one key, or one that only one generation has.
func (t *trial) each(live, other *row) error {
	kind := KindDifferent
	switch {
	case live == nil:
		kind = KindExtra
	case other == nil:
		kind = KindMissing
	default:
		if same, copies := t.sameBut(live, other); same {
			if copies {
				t.view.OtherCopies++
			}
			return nil
		}
	}
	return t.differs(kind, live, other)
}

func (t *trial) differs(kind string, live, other *row) error {
	if t.isAhead(live, other) {
		t.view.Ahead++
		return nil
	}
	conflict, err := t.isConflict(kind, live, other)
	if err != nil {
		return err
	}
	t.addDeltas(live, other)
	t.tell(conflict, live, other)
	var kept *Difference
	if len(t.kept) < MaxDifferences {
		if kept, err = t.keep(kind, conflict, live, other); err != nil {
			return err
		}
	}
	if t.of.Sums == "" || !t.wait(kind, kept, live, other) {
		tally(&t.view, kind, conflict)
	}
	return nil
}

func tally(v *View, kind string, conflict bool) {
	switch {
	case conflict:
		v.Conflicts++
	case kind == KindMissing:
		v.Missing++
	case kind == KindExtra:
		v.Extra++
	default:
		v.Different++
	}
}

// isConflict tells whether a row differs because of a conflict. Rows that sum up others are judged later.
func (t *trial) isConflict(kind string, live, other *row) (bool, error) {
	if t.of.Identities {
		if kind != KindDifferent {
			return false, nil
		}
		id, ok := t.id(live)
		l, _ := t.place(live)
		o, _ := t.place(other)
		if ok && len(t.conflicts) < MaxSuspects {
			t.conflicts[id], t.sides[l.at], t.sides[o.at] = true, true, true
		}
		return ok, nil
	}
	for _, r := range []*row{live, other} {
		if id, ok := t.id(r); ok {
			if t.conflicts[id] {
				return true, nil
			}
		}
	}
	if t.version >= 0 && live != nil && other != nil && equal(live.cells[t.version], other.cells[t.version]) {
		return true, nil // One event says two things.
	}
	if t.of.Subjects == "" || len(t.conflicts) == 0 {
		return false, nil
	}
	names, err := subjectsOf(live, other)
	return slices.ContainsFunc(names, func(name string) bool { return t.about[subjects.Hash(name)] }), err
}

// begin looks up what rows will be judged by: while they are read nothing else can be asked.
func (t *trial) begin(ctx context.Context) error {
	if t.summed = t.suspects[t.of.Name]; t.summed != nil {
		t.summedKey = t.places(t.summed.columns)
	}
	if t.about != nil || t.of.Subjects == "" || len(t.conflicts) == 0 {
		return nil
	}
	about, err := subjects.About(ctx, t.events, maps.Keys(t.sides))
	t.about = about
	return err
}

func subjectsOf(rows ...*row) ([]string, error) {
	var all []string
	for _, r := range rows {
		if r == nil || r.subjects == nil {
			continue
		}
		var names []string
		if err := json.Unmarshal(r.subjects, &names); err != nil {
			return nil, fmt.Errorf("read the subjects of a row: %w", err)
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// isAhead tells whether the live generation has what takes the place of the other's row: then it may come from past the offsets.
func (t *trial) isAhead(live, other *row) bool {
	return t.version >= 0 && live != nil &&
		(other == nil || decimal(live.cells[t.version]).Cmp(decimal(other.cells[t.version])) > 0)
}

// addDeltas sums up by how much amounts differ. An asset that changed takes from the one and gives to the other.
func (t *trial) addDeltas(live, other *row) {
	for i, c := range t.columns {
		if !c.amount {
			continue
		}
		if live != nil && live.cells[i] != nil {
			n := decimal(live.cells[i])
			t.sums.add(c.name, live.cells[t.asset], n.Neg(n))
		}
		if other != nil && other.cells[i] != nil {
			t.sums.add(c.name, other.cells[t.asset], decimal(other.cells[i]))
		}
	}
}

// keep makes the difference that is reported, with the events that the rows name.
func (t *trial) keep(kind string, conflict bool, live, other *row) (*Difference, error) {
	first := live
	if first == nil {
		first = other
	}
	d := &Difference{
		View: t.of.Name, Kind: kind, Key: t.key(first), Values: t.values(live, other), Conflict: conflict, Events: []Event{},
	}
	for _, r := range []*row{live, other} {
		if p, ok := t.place(r); ok && !slices.Contains(d.Events, p.event()) {
			d.Events = append(d.Events, p.event())
			d.EventsTotal++
		}
	}
	if t.of.Subjects != "" {
		names, err := subjectsOf(live, other)
		if err != nil {
			return nil, err
		}
		t.names[d] = names
	}
	t.kept = append(t.kept, d)
	return d, nil
}

// explain asks which events are about the subjects of the rows that are kept; those of conflicts come first.
func (t *trial) explain(ctx context.Context) error {
	for _, d := range t.kept {
		var places []eventlog.Position
		for _, name := range t.names[d] {
			err := subjects.Places(ctx, t.events, name, func(at eventlog.Position) { places = append(places, at) })
			if err != nil {
				return err
			}
		}
		slices.SortFunc(places, t.comparePlaces)
		places = slices.Compact(places)
		for _, at := range places[:min(len(places), MaxEvents)] {
			d.Events = append(d.Events, place{at: at}.event())
		}
		d.EventsTotal += int64(len(places))
	}
	return nil
}

func (j *judge) comparePlaces(a, b eventlog.Position) int {
	return cmp.Or(-compareBools(j.sides[a], j.sides[b]), a.TopicPartition().Compare(b.TopicPartition()), cmp.Compare(a.Offset, b.Offset))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// finish gives the report, of views in the order in which they were asked for.
func (j *judge) finish(trials []*trial) Report {
	j.sentence()
	report := Report{Views: make([]View, 0, len(trials)), Differences: []Difference{}}
	for _, t := range trials {
		t.view.Deltas = t.sums.deltas()
		report.Views = append(report.Views, t.view)
		for _, d := range t.kept {
			report.Differences = append(report.Differences, *d)
		}
	}
	return report
}

func newTrial(j *judge, of postgres.ReaderView, columns shape) *trial {
	return &trial{judge: j, shape: columns, of: of, version: -1, view: View{Name: of.Name}, names: map[*Difference][]string{}}
}
