package evidence

import (
	"fmt"
	"iter"
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Figure is what a store says, and whom it calls as witnesses. Amounts are in units of 10^-18 of the asset.
type Figure struct {
	// Name says whose figure it is, such as an account's name.
	Name, Ledger, Asset string
	// Columns are what events add, such as debits and credits.
	Columns []string
	// Result is what the columns come to, such as a balance, each with its sign of -1, 0 or 1; empty where they stand apart.
	Result string
	Signs  []int64
	// Stored is what the store says, in total; its Events are -1 where it does not count them.
	Stored Sum
	// StoredResult is what it says they come to; nil where it does not.
	StoredResult *big.Int
	// Parts are the store's sums of the claims with the same Part; nil where it keeps none.
	Parts map[string]Sum
	// Claims are the events that stand behind the figure by the store's account, in order of time; an error ends them.
	Claims iter.Seq2[Claim, error]
	// Expected is about how many claims there will be.
	Expected int64
	// Rule is what an event adds to each column; nil for one that has no business here. It is pure.
	Rule func(*ledger.Event) []*big.Int
}

// Claim is what a store says of an event.
type Claim struct {
	At         eventlog.Position
	EventID    uuid.UUID
	OccurredAt time.Time
	// Part is that of the figure which the event belongs to; see Figure.Parts.
	Part string
	// Amounts are what it says the event adds to each column; nil where it does not say.
	Amounts []*big.Int
}

// Sum is some events, and what they add to each column.
type Sum struct {
	Events  int64
	Amounts []*big.Int
}

// NewSum is nothing, of so many columns.
func NewSum(columns int) Sum {
	s := Sum{Amounts: make([]*big.Int, columns)}
	for i := range s.Amounts {
		s.Amounts[i] = new(big.Int)
	}
	return s
}

// Add adds one event.
func (s *Sum) Add(amounts []*big.Int) {
	s.Events++
	for i, amount := range amounts {
		s.Amounts[i].Add(s.Amounts[i], amount)
	}
}

// Clone shares nothing with s.
func (s *Sum) Clone() Sum {
	clone := Sum{s.Events, slices.Clone(s.Amounts)}
	for i, amount := range clone.Amounts {
		clone.Amounts[i] = new(big.Int).Set(amount)
	}
	return clone
}

// Of is what amounts come to.
func (f *Figure) Of(amounts []*big.Int) *big.Int {
	result := new(big.Int)
	for i, amount := range amounts {
		result.Add(result, new(big.Int).Mul(amount, big.NewInt(f.Signs[i])))
	}
	return result
}

// Finding is a claim, and what the log says to it.
type Finding struct {
	Claim

	// Event is what the log has at the position.
	Event Event
	// Adds is what the event adds by the rule; zeros where there is none that could.
	Adds []*big.Int
	// Disputed tells that the log says otherwise; the proof's differences say how.
	Disputed bool
}

// Event is what is shown of one. It shares no memory with its record, and is small whatever that holds.
type Event struct {
	// Recorded tells that there is a record, Valid that it holds a valid event: without that the rest is empty.
	Recorded, Valid  bool
	ID               uuid.UUID
	Type, Reference  string
	Time, RecordedAt time.Time
}

// Proof is what came out.
type Proof struct {
	// Sum is what the events add up to, as the log has them.
	Sum Sum
	// Differences are the first MaxDifferences, DifferencesTotal all of them.
	Differences      []Difference
	DifferencesTotal int64
}

// MaxDifferences bounds what is kept of many.
const MaxDifferences = 100

// Difference is a place where the log and the store say different things.
type Difference struct {
	// Where is a position, a part of the figure, or "total".
	Where string `json:"where"`
	// What is a column, or an attribute of the event.
	What   string `json:"what"`
	Log    string `json:"log"`
	Stored string `json:"stored"`
}

// Agrees tells that there is none.
func (p *Proof) Agrees() bool { return p.DifferencesTotal == 0 }

func (p *Proof) differs(where, what, log, stored string) {
	p.DifferencesTotal++
	if len(p.Differences) < MaxDifferences {
		p.Differences = append(p.Differences, Difference{where, what, log, stored})
	}
}

// Units reads decimals of a store's as units of 10^-18.
func Units(decimals ...string) ([]*big.Int, error) {
	all := make([]*big.Int, len(decimals))
	for i, decimal := range decimals {
		amount, ok := ledger.ParseUnits(decimal)
		if !ok {
			return nil, fmt.Errorf("%q is no amount that events can have added up to", decimal)
		}
		all[i] = amount
	}
	return all, nil
}
