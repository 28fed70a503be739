package main

import (
	"context"
	"math/big"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/evidence"
)

// statement is a figure's events as they are shown: some of them, and sums in the place of the others, so that all of it adds up.
type statement struct {
	figure *evidence.Figure
	how    explained
	// opening is what lies before --from, later what lies at or past --to, earlier what there is no room for.
	opening, earlier, later evidence.Sum
	// sum is of all until now.
	sum evidence.Sum
	// latest are the events that are listed, a ring when it is full; next is the place of the oldest then.
	latest []listed
	next   int
	// emit, where set, gets each event at once instead.
	emit func(listed) error
	bar  *progress
}

// listed is an event of a statement.
type listed struct {
	evidence.Finding

	// result is what all until and with this one come to, or what this one does.
	result *big.Int
}

// explainAll explains figures one by one; the answer is no where one does not add up.
func (a *app) explainAll(ctx context.Context, figures []evidence.Figure, log *eventlog.Lookup, how explained) error {
	agree := true
	for i := range figures {
		if i > 0 && !a.asJSON {
			if err := a.printf("\n"); err != nil {
				return err
			}
		}
		proof, err := a.explainOne(ctx, &figures[i], log, how)
		if err != nil {
			return err
		}
		agree = agree && proof.Agrees()
	}
	if !agree {
		return errNo
	}
	return nil
}

func (a *app) explainOne(ctx context.Context, f *evidence.Figure, log *eventlog.Lookup, how explained) (evidence.Proof, error) {
	const long = 5000 // events that take a moment to read
	columns := len(f.Columns)
	s := statement{
		figure: f, how: how, bar: &progress{},
		opening: evidence.NewSum(columns), earlier: evidence.NewSum(columns), later: evidence.NewSum(columns), sum: evidence.NewSum(columns),
	}
	if how.limit == 0 {
		s.emit = func(event listed) error { return a.printJSON(s.eventJSON(&event)) }
	} else if f.Expected > long {
		s.bar = a.startProgress(ctx, "reading", f.Expected, countEvents)
	}
	proof, err := f.Prove(ctx, log, s.take)
	s.bar.end()
	if err != nil {
		return proof, err
	}
	if a.asJSON {
		err = a.printStatementJSON(&s, &proof)
	} else {
		err = a.printStatement(&s, &proof)
	}
	return proof, err
}

// take puts an event where it belongs.
func (s *statement) take(f *evidence.Finding) error {
	s.bar.add(1)
	s.sum.Add(f.Adds)
	switch {
	case !s.how.from.IsZero() && f.OccurredAt.Before(s.how.from):
		s.opening.Add(f.Adds)
		return nil
	case !s.how.to.IsZero() && !f.OccurredAt.Before(s.how.to):
		s.later.Add(f.Adds)
		return nil
	}
	event := listed{Finding: *f}
	if s.figure.Result != "" {
		event.result = s.figure.Of(f.Adds)
		if s.how.running {
			event.result = s.figure.Of(s.sum.Amounts)
		}
	}
	switch {
	case s.emit != nil:
		return s.emit(event)
	case len(s.latest) < s.how.limit:
		s.latest = append(s.latest, event)
	default:
		s.earlier.Add(s.latest[s.next].Adds)
		s.latest[s.next] = event
		s.next = (s.next + 1) % len(s.latest)
	}
	return nil
}

// events are those that are listed, the earliest first.
func (s *statement) events() []listed {
	return append(append(make([]listed, 0, len(s.latest)), s.latest[s.next:]...), s.latest[:s.next]...)
}

// figureJSON says of which figure a line is.
type figureJSON struct {
	Kind   string `json:"kind"`
	Of     string `json:"of"`
	Ledger string `json:"ledger"`
	Asset  string `json:"asset_code"`
}

type eventJSON struct {
	figureJSON

	Position   string            `json:"position"`
	EventID    string            `json:"event_id"`
	Type       string            `json:"type"`
	Reference  string            `json:"reference"`
	OccurredAt time.Time         `json:"occurred_at"`
	RecordedAt *time.Time        `json:"recorded_at"`
	Adds       map[string]string `json:"adds"`
	Disputed   bool              `json:"disputed,omitempty"`
}

type sumJSON struct {
	figureJSON

	Events int64             `json:"events"`
	Adds   map[string]string `json:"adds"`
}

type totalJSON struct {
	figureJSON

	Events           int64                 `json:"events"`
	Log              map[string]string     `json:"log"`
	Stored           map[string]string     `json:"stored"`
	Agrees           bool                  `json:"agrees"`
	Differences      []evidence.Difference `json:"differences"`
	DifferencesTotal int64                 `json:"differences_total"`
}

func (s *statement) named(kind string) figureJSON {
	return figureJSON{kind, s.figure.Name, s.figure.Ledger, s.figure.Asset}
}

// amounts are columns by name, with what they come to.
func (s *statement) amounts(amounts []*big.Int, result *big.Int) map[string]string {
	named := map[string]string{}
	for i, column := range s.figure.Columns {
		named[column] = ledger.FormatUnits(amounts[i])
	}
	if s.figure.Result != "" {
		if result == nil {
			result = s.figure.Of(amounts)
		}
		named[s.figure.Result] = ledger.FormatUnits(result)
	}
	return named
}

func (s *statement) eventJSON(event *listed) eventJSON {
	shown := eventJSON{
		figureJSON: s.named("event"), Position: event.At.String(), EventID: event.EventID.String(),
		Type: event.Event.Type, Reference: event.Event.Reference, OccurredAt: event.OccurredAt,
		Adds: s.amounts(event.Adds, nil), Disputed: event.Disputed,
	}
	if event.Event.Recorded {
		shown.RecordedAt = &event.Event.RecordedAt
	}
	return shown
}

func (a *app) printStatementJSON(s *statement, proof *evidence.Proof) error {
	sum := func(kind string, sum *evidence.Sum) error {
		if sum.Events == 0 {
			return nil
		}
		return a.printJSON(sumJSON{s.named(kind), sum.Events, s.amounts(sum.Amounts, nil)})
	}
	if err := sum("opening", &s.opening); err != nil {
		return err
	}
	if err := sum("earlier", &s.earlier); err != nil {
		return err
	}
	for _, event := range s.events() {
		if err := a.printJSON(s.eventJSON(&event)); err != nil {
			return err
		}
	}
	if err := sum("later", &s.later); err != nil {
		return err
	}
	total := totalJSON{
		figureJSON: s.named("total"), Events: proof.Sum.Events, Log: s.amounts(proof.Sum.Amounts, nil),
		Stored: s.amounts(s.figure.Stored.Amounts, s.figure.StoredResult), Agrees: proof.Agrees(),
		Differences: proof.Differences, DifferencesTotal: proof.DifferencesTotal,
	}
	if total.Differences == nil {
		total.Differences = []evidence.Difference{}
	}
	return a.printJSON(total)
}
