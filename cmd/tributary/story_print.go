package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
)

// storyPrinter writes a story for people.
type storyPrinter struct {
	out     *bufio.Writer
	painter painter
	width   int // 0 where nobody watches
	// typeRoom and amountRoom are how wide these columns are.
	typeRoom, amountRoom int
}

func (a *app) printStory(s *toldStory) error {
	if err := a.printPresent(s); err != nil {
		return err
	}
	p := storyPrinter{out: bufio.NewWriter(a.stdout), painter: painter(a.colours())}
	if isTerminal(a.stdout) {
		p.width = a.width()
	}
	if s.leftOut > 0 {
		p.writef("\n… %s before these; --limit shows more\n", several(s.leftOut, "earlier event"))
	}
	for i := range s.events {
		e := &s.events[i]
		amount, _ := summary(e.Event)
		p.typeRoom = max(p.typeRoom, len(shortType(string(e.Event.Type))))
		p.amountRoom = max(p.amountRoom, len([]rune(amount)))
	}
	before := ""
	for i := range s.events {
		p.event(&s.events[i], before)
		before = s.events[i].state
	}
	if len(s.refused) > 0 {
		p.writef("\n%s\n", p.painter.paint(red, "refused, and changed nothing"))
		for _, r := range s.refused {
			p.detail(red, r.line())
			p.detail(dim, after("  released as ", r.releasedAs))
		}
	}
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	a.noteMissing(s)
	return nil
}

// printPresent says what the thing is now.
func (a *app) printPresent(s *toldStory) error {
	switch {
	case s.payment != nil:
		if err := a.printPayment(&s.payment.Payment, s.payment.Refunds); err != nil {
			return err
		}
	case s.receiver != nil:
		if err := a.printReceiver(&s.receiver.Receiver, s.receiver.Payments); err != nil {
			return err
		}
	default:
		var c card
		c.add(s.kind, s.id)
		c.add("state", s.state())
		if err := a.printf("%s", &c); err != nil {
			return err
		}
	}
	if s.ledger != ledger.DefaultLedger {
		if err := a.printf("in ledger %s\n", s.ledger); err != nil {
			return err
		}
	}
	for _, other := range s.sameTransaction {
		if err := a.printf("its transaction was posted for %s, too\n", printable(other)); err != nil {
			return err
		}
	}
	return nil
}

// noteMissing says what the books do not have yet.
func (a *app) noteMissing(s *toldStory) {
	missing := 0
	for i := range s.events {
		if !s.events[i].inBooks && s.events[i].takenBy == "" {
			missing++
		}
	}
	switch {
	case missing > 0 && a.settings.get("postgres.url") == "":
		a.notef("no Postgres is configured (TRIBUTARY_POSTGRES_URL), so there are no balances")
	case missing > 0:
		a.notef(`the balances do not have %s of these yet; "tributary status" tells who is behind`, several(missing, "event"))
	}
}

// writef keeps the first error in the writer.
func (p *storyPrinter) writef(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format, args...) }

// storyIndent is how far what belongs to an event stands in.
const storyIndent = "    "

// event writes an event, before which the state was another.
func (p *storyPrinter) event(e *storyEvent, before string) {
	amount, told := summary(e.Event)
	short := shortType(string(e.Event.Type))
	row := lineLayout{painter: p.painter, width: p.width}
	row.put(dim, shortTime(e.Event.Time), 0, false)
	row.put(typeColour(short), short, p.typeRoom, false)
	if p.width > 0 && p.width < narrow {
		row.put(bold, amount, 0, false)
		p.writef("\n%s\n", row.text.String())
		p.detail(plain, printable(told))
	} else {
		row.put(bold, amount, p.amountRoom, true)
		row.put(plain, printable(told), 0, false)
		p.writef("\n%s\n", row.text.String())
	}
	where := e.String()
	if e.state != "" && e.state != before {
		where += ", now " + e.state
	}
	p.detail(dim, where)
	if e.takenBy != "" {
		p.detail(red, "does not count: its id "+e.Event.ID.String()+" has another content at "+e.takenBy)
	}
	for _, c := range e.copies {
		p.detail(dim, "again at "+c.Position+", and counted once")
	}
	for _, at := range e.conflicts {
		if at != e.takenBy {
			p.detail(red, "conflict: another content under its id "+e.Event.ID.String()+" at "+at+" does not count")
		}
	}
	p.postings(e)
}

// detail writes what belongs to an event, or nothing.
func (p *storyPrinter) detail(c colour, text string) {
	if text == "" {
		return
	}
	if p.width > 0 {
		text = cut(text, p.width-len(storyIndent))
	}
	p.writef("%s%s\n", storyIndent, p.painter.paint(c, text))
}

// postings writes what an event did, and the balances behind it.
func (p *storyPrinter) postings(e *storyEvent) {
	if len(e.postings) == 0 {
		return
	}
	amounts, balances := newFigures(), newFigures()
	for _, posting := range e.postings {
		amounts.see(posting.AssetCode, posting.Amount)
		balances.see(posting.AssetCode, posting.Balance)
	}
	t := newTable("", "", ".", "", "", ".")
	for _, posting := range e.postings {
		arrow, balance := "", ""
		switch {
		case posting.Balance != "":
			arrow, balance = "balance", balances.show(posting.AssetCode, posting.Balance)
		case !e.inBooks:
			arrow = "not in the books yet"
		}
		t.row(posting.Direction, posting.Account, amounts.show(posting.AssetCode, posting.Amount), posting.AssetCode, arrow, balance)
	}
	for line := range strings.Lines(t.String()) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			p.writef("%s%s\n", storyIndent, line)
		}
	}
}

// storyDocument is a story as --json prints it.
type storyDocument struct {
	Kind            string          `json:"kind"`
	ID              string          `json:"id"`
	Ledger          string          `json:"ledger"`
	State           *string         `json:"state"`
	Current         any             `json:"current"`
	Events          []storyDocEvent `json:"events"`
	LeftOut         int             `json:"left_out"`
	Refused         []storyRefused  `json:"refused"`
	SameTransaction []string        `json:"same_transaction"`
	Scanned         int64           `json:"scanned"`
}

type storyDocEvent struct {
	Position   string          `json:"position"`
	RecordedAt time.Time       `json:"recorded_at"`
	Event      json.RawMessage `json:"event"`
	State      *string         `json:"state"`
	InBooks    bool            `json:"in_books"`
	Postings   []storyPosting  `json:"postings"`
	Copies     []copyOf        `json:"copies"`
	Conflicts  []string        `json:"conflicts"`
	// TakenBy is where the content counts that another event has under this id; null where this one counts.
	TakenBy *string `json:"taken_by"`
}

type storyRefused struct {
	Position   string    `json:"position"`
	RecordedAt time.Time `json:"recorded_at"`
	Reason     string    `json:"reason"`
	Path       string    `json:"path"`
	Message    string    `json:"message"`
}

// document is the story as JSON; amounts and balances are decimals.
func (s *toldStory) document() storyDocument {
	d := storyDocument{
		Kind: s.kind, ID: s.id, Ledger: s.ledger, State: orNull(s.state()), LeftOut: s.leftOut, Scanned: s.scanned,
		Events: []storyDocEvent{}, Refused: []storyRefused{}, SameTransaction: notNil(s.sameTransaction),
	}
	switch {
	case s.payment != nil:
		d.Current = s.payment
	case s.receiver != nil:
		d.Current = s.receiver
	}
	for i := range s.events {
		e := &s.events[i]
		d.Events = append(d.Events, storyDocEvent{
			Position: e.String(), RecordedAt: e.RecordedAt, Event: ledger.AppendJSON(nil, e.Event), State: orNull(e.state),
			InBooks: e.inBooks, Postings: notNil(e.postings), Copies: notNil(e.copies), Conflicts: notNil(e.conflicts), TakenBy: orNull(e.takenBy),
		})
	}
	for _, r := range s.refused {
		invalid := r.Rejected.Invalid
		d.Refused = append(d.Refused, storyRefused{r.String(), r.RecordedAt, string(invalid.Code), invalid.Path, invalid.Message})
	}
	return d
}

// orNull is nil for nothing.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
