package audit

// Report says what was compared and what differs.
type Report struct {
	Projections []Projection `json:"projections"`
}

// Agrees tells whether nothing differs.
func (r Report) Agrees() bool {
	for i := range r.Projections {
		if r.Projections[i].DifferencesTotal > 0 {
			return false
		}
	}
	return true
}

// Projection is the outcome for a generation of one projection.
type Projection struct {
	Name       string `json:"name"`
	Generation int32  `json:"generation"`
	// Positions are where the tables are: what was read of the log ends there.
	Positions []Position `json:"positions"`
	// Records is how many records were read that the projection keeps, copies among them: events, or for the quarantine
	// records that are none.
	Records int64 `json:"records"`
	// Duplicates is how many of them are further copies of an event that counts.
	Duplicates int64 `json:"duplicates"`
	// Outdated is how many quarantined records are valid events to this version: an earlier one refused them.
	Outdated int64 `json:"outdated"`
	// Rows is how many rows of tables and views were compared.
	Rows int64 `json:"rows"`
	// Checks are all that were made.
	Checks []Check `json:"checks"`
	// Differences are at most MaxDifferences of DifferencesTotal.
	Differences      []Difference `json:"differences"`
	DifferencesTotal int64        `json:"differences_total"`
	// Conflicts are events that came under an id which has another content: not a fault of the tables. They are at most
	// MaxConflicts of ConflictsTotal.
	Conflicts      []Conflict `json:"conflicts"`
	ConflictsTotal int64      `json:"conflicts_total"`
}

// MaxDifferences is how many differences a Report holds for a projection; the others are counted.
const MaxDifferences = 1000

// MaxConflicts is how many conflicts a Report holds for a projection; the others are counted.
const MaxConflicts = 1000

// MaxEvents is how many events a Difference names, the first in the log of each partition; the others are counted.
const MaxEvents = 10

// Position is how far a partition is in.
type Position struct {
	Topic      string `json:"topic"`
	Partition  int32  `json:"partition"`
	NextOffset int64  `json:"next_offset"`
}

// Check is one of the things that must hold.
type Check struct {
	Name string `json:"name"`
	// Compared is how many rows, events or sums were held against it.
	Compared int64 `json:"compared"`
	// Differences is how many of them failed.
	Differences int64 `json:"differences"`
	Passed      bool  `json:"passed"`
}

// The kinds of difference.
const (
	// KindMissing is a row that should be there.
	KindMissing = "missing"
	// KindExtra is a row that no event explains.
	KindExtra = "extra"
	// KindRepeated is a row that is there more than once.
	KindRepeated = "repeated"
	// KindDifferent is a column with another value.
	KindDifferent = "different"
	// KindPast is a row from a position that the projection has not reached by its own account.
	KindPast = "past_next_offset"
	// KindBeyondLog is progress further than the log goes.
	KindBeyondLog = "beyond_log"
	// KindOtherLog is progress on a topic that was deleted and created again.
	KindOtherLog = "other_log"
	// KindUnbalanced is a ledger's asset whose debits and credits are not equal.
	KindUnbalanced = "unbalanced"
)

// Difference is one thing that is not as the log says.
type Difference struct {
	Kind string `json:"kind"`
	// Table is where: a view of schema books, or a table that no reader sees.
	Table string `json:"table"`
	// Key is the row, its key columns joined by spaces.
	Key string `json:"key"`
	// Column, Want (from the log) and Got (from the table) are empty where a whole row is missing or too many.
	Column string `json:"column,omitempty"`
	Want   string `json:"want,omitempty"`
	Got    string `json:"got,omitempty"`
	// Events are the first MaxEvents of EventsTotal events, copies included, that bear on the row.
	Events      []Reference `json:"events"`
	EventsTotal int64       `json:"events_total"`

	// trace finds the events, where they are not known yet.
	trace string
}

// Reference names an event.
type Reference struct {
	// Position is such as "payments/3@1042".
	Position string `json:"position"`
	EventID  string `json:"event_id"`
	Type     string `json:"type"`
}

// Conflict is two contents under one event id.
type Conflict struct {
	EventID string `json:"event_id"`
	// Kept is the position of the event that counts, Refused of the one that does not.
	Kept    string `json:"kept"`
	Refused string `json:"refused"`
	// Type is that of the refused one.
	Type string `json:"type"`
}
