package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// tailPrinter writes records as lines. A few are held back, so that columns are as wide as they need.
type tailPrinter struct {
	app      *app
	out      *bufio.Writer
	postings bool
	painter  painter
	// width is how wide lines may be; 0 where nobody watches.
	width  int
	widths [tailColumns]int
	ledger string // of the events so far; ledgers are shown when there are several
	day    string // of the last line, where lines have no date of their own
	lines  []tailLine
	seen   seenIDs
}

// The columns of a line; what an event tells comes behind them.
const (
	tailTime = iota
	tailPosition
	tailType
	tailLedger
	tailSubject
	tailAmount
	tailColumns
)

// tailLine is a record, ready to be laid out.
type tailLine struct {
	at       time.Time
	cells    [tailColumns]string
	told     string
	colour   colour
	postings []ledger.Posting
	json     []byte
}

// narrow is a terminal on which a record takes two lines, without a date and fractions of seconds.
const narrow = 120

func (p *tailPrinter) isNarrow() bool { return p.width > 0 && p.width < narrow }

// refusedType stands where other records have their type.
const refusedType = "refused"

func newTailPrinter(a *app, postings bool) *tailPrinter {
	const outBytes = 64 << 10
	p := &tailPrinter{app: a, out: bufio.NewWriterSize(a.stdout, outBytes), postings: postings, painter: painter(a.colours())}
	if isTerminal(a.stdout) {
		p.width = a.width()
	}
	return p
}

// add takes a record in; it may be reused then.
func (p *tailPrinter) add(record *eventlog.Record) {
	again := record.Event != nil && p.seen.again(record.Event.ID)
	if p.app.asJSON {
		p.lines = append(p.lines, tailLine{json: p.document(record, again)})
		return
	}
	line := tailLine{at: record.RecordedAt}
	line.cells[tailTime] = p.clock(record.RecordedAt)
	line.cells[tailPosition] = record.String()
	if event := record.Event; event != nil {
		short := shortType(string(event.Type))
		line.cells[tailType], line.colour = short, typeColour(short)
		line.cells[tailLedger], line.cells[tailSubject] = event.Ledger, event.Subject
		line.cells[tailAmount], line.told = summary(event)
		if again {
			line.told = "again, counts once" + colon(line.told)
		} else if p.postings {
			line.postings = ledger.Postings(nil, event)
		}
	} else {
		claims := record.Rejected.Claims()
		line.cells[tailType], line.colour = refusedType, red
		line.cells[tailLedger], line.cells[tailSubject] = claims.Ledger, claims.Subject
		line.told = refusal(record.Rejected, claims.Type)
	}
	for i := range line.cells {
		line.cells[i] = printable(line.cells[i])
	}
	line.told = printable(line.told)
	p.lines = append(p.lines, line)
}

// refusal says why a record is no valid event.
func refusal(r *eventlog.Rejection, claimedType string) string {
	return sentence(string(r.Invalid.Code)+after(" at ", r.Invalid.Path), after("of ", shortType(claimedType)), colon(r.Invalid.Message))
}

func (p *tailPrinter) clock(at time.Time) string {
	if p.isNarrow() {
		return at.Format(time.TimeOnly)
	}
	return at.Format("2006-01-02 15:04:05.000")
}

// flushWhenFull keeps what is held back small.
func (p *tailPrinter) flushWhenFull() error {
	const most = 500
	if len(p.lines) < most {
		return nil
	}
	return p.lay()
}

// flush shows all of what was added.
func (p *tailPrinter) flush() error {
	if err := p.lay(); err != nil {
		return err
	}
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

func (p *tailPrinter) end() error { return p.flush() }

// lay lays out what is held back. Columns only get wider.
func (p *tailPrinter) lay() error {
	for i := range p.lines {
		line := &p.lines[i]
		p.seeLedger(line.cells[tailLedger])
		for column, cell := range line.cells {
			p.widths[column] = max(p.widths[column], min(utf8.RuneCountInString(cell), widest(column)))
		}
	}
	if p.ledger != severalLedgers {
		p.widths[tailLedger] = 0
	}
	for i := range p.lines {
		p.line(&p.lines[i])
	}
	p.lines = p.lines[:0]
	if _, err := p.out.Write(nil); err != nil { // tells what went wrong before
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// widest is how wide a column may get for the sake of one line.
func widest(column int) int {
	const ofSubject, ofOthers = 36, 48
	if column == tailSubject {
		return ofSubject
	}
	return ofOthers
}

// severalLedgers is no ledger's name.
const severalLedgers = "*"

func (p *tailPrinter) seeLedger(name string) {
	switch {
	case name == "" || p.ledger == severalLedgers:
	case p.ledger == "":
		p.ledger = name
	case p.ledger != name:
		p.ledger = severalLedgers
	}
}

// line writes one. Errors show when the buffer is written.
func (p *tailPrinter) line(line *tailLine) {
	if line.json != nil {
		_, _ = p.out.Write(line.json)
		return
	}
	if day := line.at.Format(time.DateOnly); p.isNarrow() && day != p.day {
		p.day = day
		_, _ = p.out.WriteString(p.painter.paint(dim, day+" UTC") + "\n")
	}
	colours := [tailColumns]colour{tailTime: dim, tailPosition: dim, tailType: line.colour, tailLedger: dim, tailAmount: bold}
	row := lineLayout{painter: p.painter, width: p.width}
	for column, cell := range line.cells {
		if p.widths[column] == 0 {
			continue
		}
		switch {
		case column == tailSubject:
			p.subject(&row, cell)
			continue
		case column == tailAmount && p.isNarrow():
			row.breakLine(row.lines == 0 && (cell != "" || line.told != ""))
			if cell != "" {
				row.put(bold, cell, 0, false)
			}
			continue
		}
		row.put(colours[column], cell, p.widths[column], column == tailAmount)
	}
	told := plain
	if line.cells[tailType] == refusedType {
		told = red
	}
	row.put(told, line.told, 0, false)
	_, _ = p.out.WriteString(row.text.String() + "\n")
	for _, posting := range postingLines(line.postings) {
		_, _ = p.out.WriteString(narrowIndent + posting + "\n")
	}
}

// subject writes what an event is about, never cut: it is what one looks for next.
func (p *tailPrinter) subject(row *lineLayout, subject string) {
	room := p.widths[tailSubject]
	if p.isNarrow() && !row.fits(subject) {
		row.breakLine(true)
		room = 0
	}
	row.whole(plain, subject, room)
}

// narrowIndent stands before what belongs to the line above.
const narrowIndent = "          "

// lineLayout puts cells beside each other, no further than the width.
type lineLayout struct {
	painter painter
	width   int // 0 for any
	used    int
	text    strings.Builder
	gap     int // spaces before the next cell that shows
	lines   int // that were ended
}

// fits tells whether a cell has room on this line.
func (l *lineLayout) fits(cell string) bool {
	return l.width == 0 || utf8.RuneCountInString(cell) <= l.width-l.used-l.gap
}

// whole adds a cell that is not cut, however long.
func (l *lineLayout) whole(c colour, cell string, room int) {
	width := l.width
	l.width = 0
	l.put(c, cell, room, false)
	l.width = width
}

// put adds a cell that takes so much room, or more.
func (l *lineLayout) put(c colour, cell string, room int, right bool) {
	const between = 2
	if l.width > 0 {
		cell = cut(cell, l.width-l.used-l.gap)
	}
	size := utf8.RuneCountInString(cell)
	before, behind := 0, max(0, room-size)
	if right {
		before, behind = behind, 0
	}
	if l.width > 0 {
		before = min(before, max(0, l.width-l.used-l.gap-size))
	}
	if size == 0 {
		l.gap += before + behind + between
		return
	}
	l.text.WriteString(strings.Repeat(" ", l.gap+before) + l.painter.paint(c, cell))
	l.used += l.gap + before + size
	l.gap = behind + between
}

// breakLine begins a line, if there is something to go on with.
func (l *lineLayout) breakLine(more bool) {
	if more {
		l.text.WriteString("\n" + narrowIndent)
		l.lines++
		l.used, l.gap = len(narrowIndent), 0
	}
}

// cut shortens what is longer.
func cut(text string, most int) string {
	if most <= 0 {
		return ""
	}
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// postingLines are an event's postings, debits left and credits right of each other.
func postingLines(postings []ledger.Posting) []string {
	if len(postings) == 0 {
		return nil
	}
	t := newTable("", "", ".", "")
	for i := range postings {
		posting := &postings[i]
		amount := amountText(posting.Asset, posting.Amount.String())
		decimal, _, _ := strings.Cut(amount, " ")
		t.row(posting.Direction.String(), posting.Account.String(), decimal, posting.Asset)
	}
	return strings.Split(strings.TrimSuffix(t.String(), "\n"), "\n")[1:]
}

// jsonPosting is a posting as --json prints it.
type jsonPosting struct {
	Account   string `json:"account"`
	Direction string `json:"direction"`
	AssetCode string `json:"asset_code"`
	Amount    string `json:"amount"`
}

func jsonPostings(postings []ledger.Posting) []jsonPosting {
	all := make([]jsonPosting, len(postings))
	for i := range postings {
		p := &postings[i]
		all[i] = jsonPosting{p.Account.String(), p.Direction.String(), p.Asset, p.Amount.String()}
	}
	return all
}

// jsonRejection is a record that is no valid event as --json prints it; bytes are in base64.
type jsonRejection struct {
	Reason  string       `json:"reason"`
	Path    string       `json:"path"`
	Message string       `json:"message"`
	EventID string       `json:"event_id"`
	Key     []byte       `json:"key"`
	Headers []jsonHeader `json:"headers"`
	Payload []byte       `json:"payload"`
}

// jsonHeader is a record's header as --json prints it.
type jsonHeader struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// document is a record as --json prints it, with a line's end.
func (p *tailPrinter) document(record *eventlog.Record, again bool) []byte {
	doc := append([]byte(`{"position":`), asJSON(record.String())...)
	doc = append(append(doc, `,"recorded_at":`...), asJSON(record.RecordedAt)...)
	if event := record.Event; event != nil {
		doc = ledger.AppendJSON(append(doc, `,"event":`...), event)
		var postings []ledger.Posting
		if again {
			doc = append(doc, `,"again":true`...)
		} else if p.postings {
			postings = ledger.Postings(nil, event)
		}
		if p.postings {
			doc = append(append(doc, `,"postings":`...), asJSON(jsonPostings(postings))...)
		}
	} else {
		doc = append(append(doc, `,"rejected":`...), asJSON(rejectionDocument(record.Rejected))...)
	}
	return append(doc, "}\n"...)
}

// asJSON is a value of strings, times and bytes, which all have a form in JSON.
func asJSON(value any) []byte {
	doc, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return doc
}

func rejectionDocument(r *eventlog.Rejection) *jsonRejection {
	headers := make([]jsonHeader, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = jsonHeader(h)
	}
	return &jsonRejection{
		Reason: string(r.Invalid.Code), Path: r.Invalid.Path, Message: r.Invalid.Message, EventID: r.EventID,
		Key: r.Key, Headers: headers, Payload: r.Payload,
	}
}
