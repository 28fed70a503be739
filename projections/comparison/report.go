package comparison

import (
	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

const (
	// MaxDifferences is how many differing rows of a view are kept.
	MaxDifferences = 200
	// MaxEvents is how many events of a difference are kept.
	MaxEvents = 10
	// MaxSuspects is how many conflicts, and how many differing rows that sum up others, are judged one by one.
	MaxSuspects = 100_000
	// maxAssets is how many assets have a sum of deltas of their own.
	maxAssets = 1_000
	// maxValue is how many bytes of a value are kept.
	maxValue = 1_024
)

// The kinds of difference.
const (
	// KindMissing is a row that the live generation has and the other has not.
	KindMissing = "missing"
	// KindExtra is a row that only the other generation has.
	KindExtra = "extra"
	// KindDifferent is a row that both have, with other values.
	KindDifferent = "different"
)

// Report says what was compared and what differs.
type Report struct {
	Views []View `json:"views"`
	// Differences are at most MaxDifferences of each view.
	Differences []Difference `json:"differences"`
}

// View is the outcome for one view.
type View struct {
	Name string `json:"view"`
	// LiveRows and OtherRows are how many rows it has in each generation.
	LiveRows  int64 `json:"live_rows"`
	OtherRows int64 `json:"other_rows"`
	// Missing, Extra and Different count rows; those about conflicts are not among them.
	Missing   int64 `json:"missing"`
	Extra     int64 `json:"extra"`
	Different int64 `json:"different"`
	// Conflicts is how many rows differ only because the generations kept different sides of conflicts.
	Conflicts int64 `json:"conflicts"`
	// OtherCopies is how many rows were made from another copy of the same event: to a reader the same.
	OtherCopies int64 `json:"other_copies"`
	// Ahead is how many rows the live generation may have from past the offsets, of those that name no position.
	Ahead int64 `json:"ahead"`
	// Deltas are the sums of what differs, by column and asset: the other generation's less the live one's.
	Deltas []Delta `json:"deltas"`
}

// Delta is what all differing rows of a view come to in a column and asset.
type Delta struct {
	Column    string `json:"column"`
	AssetCode string `json:"asset_code"`
	Delta     string `json:"delta"`
}

// Difference is a row that is not the same in both generations.
type Difference struct {
	View string `json:"view"`
	Kind string `json:"kind"`
	// Key are the values of the view's key columns.
	Key []Cell `json:"key"`
	// Values are the columns that differ; of a row that only one generation has, its amounts.
	Values []Value `json:"values"`
	// Conflict is set where the generations kept different sides of a conflict, and nothing else makes the row differ.
	Conflict bool `json:"conflict"`
	// Events are at most MaxEvents of EventsTotal that the row comes from.
	Events      []Event `json:"events"`
	EventsTotal int64   `json:"events_total"`
}

// Cell is a column of a key.
type Cell struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// Value is a column that differs. Live and Other are null where the row is not there or has no value; long ones are cut.
type Value struct {
	Column string  `json:"column"`
	Live   *string `json:"live"`
	Other  *string `json:"other"`
	// Delta is Other less Live, for numbers; what is not there is 0.
	Delta string `json:"delta,omitempty"`
	// AssetCode is what an amount is in.
	AssetCode string `json:"asset_code,omitempty"`
}

// Event is one that a row comes from.
type Event struct {
	// EventID and Type are empty where only the position is known.
	EventID string `json:"event_id,omitempty"`
	Type    string `json:"type,omitempty"`
	// Position is where it lies in the log: "payments/3@1042".
	Position string `json:"position"`
}

// Agrees tells whether readers of both generations see the same.
func (r Report) Agrees() bool {
	for i := range r.Views {
		if v := &r.Views[i]; v.Differing() > 0 || v.Conflicts > 0 {
			return false
		}
	}
	return true
}

// OnlyConflicts tells whether nothing differs but which sides of conflicts were kept.
func (r Report) OnlyConflicts() bool {
	for i := range r.Views {
		if r.Views[i].Differing() > 0 {
			return false
		}
	}
	return true
}

// Differing is how many rows differ, conflicts apart.
func (v View) Differing() int64 { return v.Missing + v.Extra + v.Different }

// place is an event as a row names it.
type place struct {
	id   uuid.UUID
	kind string
	at   eventlog.Position
}

func (p place) event() Event {
	e := Event{Type: p.kind, Position: p.at.String()}
	if p.id != uuid.Nil {
		e.EventID = p.id.String()
	}
	return e
}
