package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// toldStory is a thing's story.
type toldStory struct {
	storyGroup

	id      string
	copies  [][]eventlog.Record // of each event, in the order in which they were recorded
	events  []storyEvent        // in the order of event times
	leftOut int
	refused []refusedRecord
	scanned int64

	payment         *paymentWithRefunds
	receiver        *receiverWithPayments
	sameTransaction []string
}

// storyEvent is an event, at the position of the copy that counts.
type storyEvent struct {
	eventlog.Record

	state    string
	inBooks  bool
	postings []storyPosting
	copies   []copyOf
	// conflicts are the positions at which its id has another content; takenBy is where that one counts and this does not.
	conflicts []string
	takenBy   string
}

// copyOf is a further record of an event.
type copyOf struct {
	Position   string    `json:"position"`
	RecordedAt time.Time `json:"recorded_at"`
}

// storyPosting is a posting with the account's balance behind its event, empty where the books do not have it.
type storyPosting struct {
	jsonPosting

	Balance string `json:"balance,omitempty"`

	account ledger.Account
}

// told makes a story of a group's records; complete adds what the books say.
func (f *foundStory) told(g storyGroup) *toldStory {
	s := &toldStory{storyGroup: g, id: f.id, refused: f.refused, scanned: f.scanned}
	records := f.records[g]
	slices.SortFunc(records, func(a, b eventlog.Record) int { return eventlog.CompareRecorded(&a, &b) })
	places := map[uuid.UUID]int{}
	for _, record := range records {
		place, again := places[record.Event.ID]
		if !again {
			place = len(s.copies)
			places[record.Event.ID] = place
			s.copies = append(s.copies, nil)
		}
		s.copies[place] = append(s.copies[place], record)
	}
	s.leftOut = f.count[g] - len(records)
	return s
}

// complete asks the books which copies count, and for the balances and the present state.
func (t *teller) complete(ctx context.Context, s *toldStory) error {
	if t.pool == nil {
		s.settle(nil, nil)
		s.states()
		s.cut(t.flags.limit)
		return nil
	}
	return t.read(ctx, func(tx pgx.Tx) error {
		ids := make([]uuid.UUID, len(s.copies))
		for i := range s.copies {
			ids[i] = s.copies[i][0].Event.ID
		}
		counted, err := balances.Counted(ctx, tx, ids)
		if err != nil {
			return err
		}
		conflicts, err := balances.Conflicts(ctx, tx, ids)
		if err != nil {
			return err
		}
		s.settle(counted, conflicts)
		s.states()
		s.cut(t.flags.limit)
		if err := s.addBalances(ctx, tx); err != nil {
			return err
		}
		if err := s.addReleases(ctx, tx); err != nil {
			return err
		}
		return s.addPresent(ctx, tx)
	})
}

// addReleases finds where refused records were published again.
func (s *toldStory) addReleases(ctx context.Context, tx pgx.Tx) error {
	for i := range s.refused {
		r := &s.refused[i]
		kept, err := quarantine.Get(ctx, tx, r.Position)
		if errors.Is(err, quarantine.ErrNotFound) { // the projection is not so far yet
			continue
		}
		if err != nil {
			return err
		}
		if kept.ReleasedAs != nil {
			r.releasedAs = *kept.ReleasedAs
			if at, err := eventlog.ParsePosition(r.releasedAs); err == nil {
				r.releasedAs = at.String()
			}
		}
	}
	return nil
}

// settle finds the copy of each event that counts: the one that the balances have or, where they have none yet, the first.
func (s *toldStory) settle(counted map[uuid.UUID]eventlog.Position, listed []balances.Conflict) {
	for _, copies := range s.copies {
		kept, inBooks := counted[copies[0].Event.ID]
		at := slices.IndexFunc(copies, func(r eventlog.Record) bool { return r.Position == kept })
		e := storyEvent{Record: copies[max(at, 0)], inBooks: inBooks && at >= 0}
		if inBooks && at < 0 {
			e.takenBy = kept.String()
		}
		e.compare(copies)
		for _, c := range listed { // those about something else, too
			if text := c.Refused.String(); c.EventID == e.Event.ID && c.Refused != e.Position && !slices.Contains(e.conflicts, text) {
				e.conflicts = append(e.conflicts, text)
			}
		}
		if e.takenBy == "" {
			for _, p := range ledger.Postings(nil, e.Event) {
				e.postings = append(e.postings, storyPosting{jsonPosting: jsonPostings([]ledger.Posting{p})[0], account: p.Account})
			}
		}
		s.events = append(s.events, e)
	}
	slices.SortFunc(s.events, func(a, b storyEvent) int { return compareEventTime(&a.Record, &b.Record) })
}

// compare sorts the other records of the event's id by whether they say the same.
func (e *storyEvent) compare(records []eventlog.Record) {
	hash := e.Event.ContentHash()
	for i := range records {
		switch other := &records[i]; {
		case other.Position == e.Position:
		case other.Event.ContentHash() == hash:
			e.copies = append(e.copies, copyOf{other.String(), other.RecordedAt})
		default:
			e.conflicts = append(e.conflicts, other.String())
		}
	}
}

// states finds the state after each event. It takes all events: where some are left out there is none.
func (s *toldStory) states() {
	var events []*ledger.Event
	var places []int
	for i := range s.events {
		if s.events[i].takenBy == "" {
			events, places = append(events, s.events[i].Event), append(places, i)
		}
	}
	var states []string
	switch {
	case s.leftOut > 0:
	case s.kind == kindPayment:
		states = receipts.States(events)
	case s.kind == kindReceiver:
		states = receivers.States(events)
	}
	for i := range states {
		s.events[places[i]].state = states[i]
	}
}

// state is that after the last event.
func (s *toldStory) state() string {
	for _, e := range slices.Backward(s.events) {
		if e.takenBy == "" {
			return e.state
		}
	}
	return ""
}

// cut leaves out the earlier events.
func (s *toldStory) cut(limit int) {
	if more := len(s.events) - limit; more > 0 {
		s.leftOut += more
		s.events = s.events[more:]
	}
}

// storyAccount is an account in an asset, of the story's ledger.
type storyAccount struct {
	ledger.Account

	asset string
}

// addBalances asks for the balance of each account behind each event that is in the books.
func (s *toldStory) addBalances(ctx context.Context, tx pgx.Tx) error {
	postings := map[storyAccount][]*storyPosting{}
	points := map[storyAccount][]balances.Point{}
	for i := range s.events {
		e := &s.events[i]
		if !e.inBooks {
			continue
		}
		for j := range e.postings {
			account := storyAccount{e.postings[j].account, e.postings[j].AssetCode}
			postings[account] = append(postings[account], &e.postings[j])
			points[account] = append(points[account], balances.Point{OccurredAt: e.Event.Time, Position: e.Position})
		}
	}
	for account, at := range points {
		sums, err := balances.RunningAt(ctx, tx,
			balances.Balance{Ledger: s.ledger, Account: account.String(), AssetCode: account.asset}, account.DebitNormal(), at)
		if err != nil {
			return err
		}
		for i := range sums {
			postings[account][i].Balance = sums[i]
		}
	}
	return nil
}

// addPresent reads what the books have of the thing itself.
func (s *toldStory) addPresent(ctx context.Context, tx pgx.Tx) error {
	switch s.kind {
	case kindPayment:
		payment, err := receipts.GetPayment(ctx, tx, s.ledger, s.id)
		if errors.Is(err, postgres.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		refunds, err := receipts.ListRefunds(ctx, tx, s.ledger, s.id)
		if err != nil {
			return err
		}
		s.payment = &paymentWithRefunds{payment, notNil(refunds)}
		return s.addSameTransaction(ctx, tx)
	case kindReceiver:
		receiver, err := receivers.Get(ctx, tx, s.ledger, s.id)
		if errors.Is(err, postgres.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		payments, err := receivers.ListPayments(ctx, tx, s.ledger, s.id)
		s.receiver = &receiverWithPayments{receiver, notNil(payments)}
		return err
	}
	return nil
}

// addSameTransaction finds other payments that name a transaction of this one's.
func (s *toldStory) addSameTransaction(ctx context.Context, tx pgx.Tx) error {
	for i := range s.events {
		posted, ok := s.events[i].Event.Data.(*eventsv1.PaymentPosted)
		if !ok {
			continue
		}
		others, err := receipts.SameTransaction(ctx, tx, s.ledger, posted.GetProvider(), posted.GetTransactionId())
		if err != nil {
			return err
		}
		for _, other := range others {
			if other != s.id && !slices.Contains(s.sameTransaction, other) {
				s.sameTransaction = append(s.sameTransaction, other)
			}
		}
	}
	return nil
}
