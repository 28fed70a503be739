package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

const (
	checkQuarantine = "every quarantined record is as the log has it"
	checkReleases   = "every release is as the log has it"
	quarantineView  = "books.quarantine"
	releasesTable   = "quarantine.releases"
)

// rejected is a row of books.quarantine; of what may be large it has the hash.
type rejected struct {
	met

	values  []string
	headers string
}

func (r *rejected) cells() []string { return r.values }

// quarantine is the reference of what was refused.
type quarantine struct {
	*Auditor

	examination             *examination
	recordRows, releaseRows *rowset
	// refused are the positions of the records that are no events to this version.
	refused positions
	// outdated are those of records that are, though rows have them.
	outdated positions
	// rows and released are, by position, those that are compared one by one.
	rows     map[string]*rejected
	released map[string]*released
}

// released is a row of quarantine.releases.
type released struct {
	met

	values []string
}

func (r *released) cells() []string { return r.values }

func newQuarantine(a *Auditor, e *examination) model {
	e.found.expect(checkProgress, checkPast, checkQuarantine, checkReleases)
	q := &quarantine{
		Auditor: a, examination: e, refused: positions{}, outdated: positions{}, rows: map[string]*rejected{}, released: map[string]*released{},
		releaseRows: newRowset(e.found.check(checkReleases), a.seed, table{
			name: releasesTable, keys: texts("topic", "partition", "kafka_offset"),
			values: texts("recorded_at", "of_topic", "of_partition", "of_offset", "released_by"),
			where:  "generation = $1", arguments: []any{e.generation},
		}),
	}
	q.recordRows = newRowset(e.found.check(checkQuarantine), a.seed, q.recordsTable())
	return q
}

func (q *quarantine) close() error { return nil }

func (q *quarantine) wants(record *eventlog.Record) bool {
	return record.Rejected != nil || record.Release != nil
}

func rejectedKey(at eventlog.Position) string {
	return keyOf(at.Topic, strconv.Itoa(int(at.Partition)), strconv.FormatInt(at.Offset, 10))
}

func (q *quarantine) fold(record *eventlog.Record) error {
	key := rejectedKey(record.Position)
	if record.Release != nil {
		q.releaseRows.expect(key, expectReleased(record).values)
		return nil
	}
	at := record.Position
	at.Topic = strings.Clone(at.Topic)
	q.refused.add(at)
	q.expect(key, expectRejected(record))
	return nil
}

func (q *quarantine) expect(key string, row *rejected) {
	q.recordRows.expect(key, append(row.values, row.headers))
}

func (q *quarantine) again(record *eventlog.Record) {
	key := rejectedKey(record.Position)
	switch {
	case record.Release != nil && q.releaseRows.holds(key):
		q.released[key] = expectReleased(record)
	case record.Release == nil && q.recordRows.holds(key):
		q.rows[key] = expectRejected(record)
	}
}

// expectReleased is the row of a record that was published again.
func expectReleased(record *eventlog.Record) *released {
	of := record.Release.Of
	return &released{values: []string{
		timestamp(record.RecordedAt), strings.Clone(of.Topic), strconv.Itoa(int(of.Partition)), strconv.FormatInt(of.Offset, 10),
		strings.Clone(record.Release.By),
	}}
}

// expectRejected is the row of a refused record.
func expectRejected(record *eventlog.Record) *rejected {
	r := record.Rejected
	return &rejected{
		values: []string{
			cmp.Or(namedLedger(r), null), string(r.Invalid.Code), text(r.Invalid.Path), text(r.Invalid.Message),
			cmp.Or(text(r.EventID), null), timestamp(record.RecordedAt), hashed(r.Key), hashed(r.Payload),
		},
		headers: hashedHeaders(r.Headers),
	}
}

func (q *quarantine) touches(traces []string, record *eventlog.Record) []string {
	table := quarantineView
	if record.Release != nil {
		table = releasesTable
	}
	return append(traces, traceRow(table, rejectedKey(record.Position)))
}

func (q *quarantine) tally(ctx context.Context, s *snapshot) error {
	if err := q.recordRows.read(ctx, s); err != nil {
		return err
	}
	if err := q.expectValid(ctx, s); err != nil {
		return err
	}
	return q.releaseRows.read(ctx, s)
}

func (q *quarantine) suspect() bool {
	records, releases := q.recordRows.suspect(), q.releaseRows.suspect()
	return records || releases
}

func (q *quarantine) detail(ctx context.Context, s *snapshot) error {
	// Once more, now that it is known which of them are compared one by one.
	if err := q.expectValid(ctx, s); err != nil {
		return err
	}
	if err := q.recordRows.detail(ctx, s, rowsOf(q.rows)); err != nil {
		return err
	}
	return q.releaseRows.detail(ctx, s, rowsOf(q.released))
}

// doubted is a row of a record that is a valid event to this version: an earlier one refused it.
type doubted struct {
	at                            eventlog.Position
	reason, path, message, hashed string
}

// doubtedAtOnce is how many are looked up together.
const doubtedAtOnce = 500

// expectValid expects the rows of records that are valid events to this version, but were refused by an earlier one: all of
// them is held against the log but the reason, which was that version's.
func (q *quarantine) expectValid(ctx context.Context, s *snapshot) error {
	lookup, err := eventlog.NewLookup(q.kafka)
	if err != nil {
		return err
	}
	defer lookup.Close()
	var rows []doubted
	sql := `SELECT topic, "partition", kafka_offset, reason, path, message, encode(sha256(payload), 'hex') FROM ` + quarantineView
	err = s.stream(ctx, quarantineView, sql, nil, func(cells [][]byte) error {
		at, err := eventlog.ParsePosition(string(cells[0]) + "/" + string(cells[1]) + "@" + string(cells[2]))
		if err != nil || at.Offset >= q.examination.next[at.TopicPartition()] || q.refused.has(at) {
			return nil
		}
		rows = append(rows, doubted{at, string(cells[3]), string(cells[4]), string(cells[5]), string(orNull(cells[6]))})
		if len(rows) < doubtedAtOnce {
			return nil
		}
		defer func() { rows = rows[:0] }()
		return q.lookUp(ctx, lookup, rows)
	})
	if err != nil {
		return err
	}
	return q.lookUp(ctx, lookup, rows)
}

// lookUp expects the rows whose records are in the log.
func (q *quarantine) lookUp(ctx context.Context, lookup *eventlog.Lookup, rows []doubted) error {
	if len(rows) == 0 {
		return nil
	}
	at := make([]eventlog.Position, len(rows))
	for i := range rows {
		at[i] = rows[i].at
	}
	records, err := lookup.Raw(ctx, at)
	if err != nil {
		return err
	}
	for i, record := range records {
		if record == nil || hashed(record.Rejected.Payload) != rows[i].hashed {
			continue // the row is of no record
		}
		record.Rejected.Invalid = ledger.Invalid{Code: ledger.Code(rows[i].reason), Path: rows[i].path, Message: rows[i].message}
		key := rejectedKey(at[i])
		switch {
		case q.recordRows.held == nil:
			if q.outdated.add(at[i]) { // A second row would be one too many.
				q.examination.outdated++
				q.expect(key, expectRejected(record))
			}
		case q.recordRows.holds(key):
			q.rows[key] = expectRejected(record)
		}
	}
	return nil
}

// recordsTable is books.quarantine.
func (q *quarantine) recordsTable() table {
	t := table{
		name: quarantineView, keys: texts("topic", "partition", "kafka_offset"),
		values: append(texts("ledger", "reason", "path", "message", "event_id", "recorded_at"),
			column{"key", asHash}, column{"payload", asHash}),
		others: texts("headers"),
	}
	t.extra = func(others [][]byte) string { return storedHeaders(others[0]) }
	past := q.examination.found.check(checkPast)
	t.first = func(cells [][]byte) {
		key := keyOf(string(cells[0]), string(cells[1]), string(cells[2]))
		if at, err := eventlog.ParsePosition(string(cells[0]) + "/" + string(cells[1]) + "@" + string(cells[2])); err == nil {
			q.examination.isPast(past, quarantineView, shownKey(key), at)
		}
	}
	t.each = func(cells [][]byte) {
		key := keyOf(string(cells[0]), string(cells[1]), string(cells[2]))
		if row, ok := q.rows[key]; ok && storedHeaders(cells[11]) != row.headers {
			d := t.difference(KindDifferent, key)
			d.Column, d.Want, d.Got = "headers", "the record's headers", string(cells[11])
			q.recordRows.check.differs(d)
		}
	}
	return t
}

// text is s as it can be read: bytes that are no UTF-8 as U+FFFD, NUL as its symbol.
func text(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return strings.Clone(strings.ReplaceAll(s, "\x00", "\u2400"))
}

func hashed(b []byte) string {
	if b == nil {
		return null
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// hashedHeaders is the same for the same headers in the same order, byte for byte.
func hashedHeaders(headers []eventlog.Header) string {
	var all []byte
	for _, h := range headers {
		all = append(binary.AppendUvarint(all, uint64(len(h.Key))), h.Key...)
		all = strconv.AppendBool(all, h.Value == nil)
		all = append(binary.AppendUvarint(all, uint64(len(h.Value))), h.Value...)
	}
	return hashed(append(all, '.'))
}

// storedHeaders is hashedHeaders of the table's JSON. What it shows for reading must agree with the bytes that it keeps.
func storedHeaders(document []byte) string {
	var list []struct {
		Key      string  `json:"key"`
		KeyBytes []byte  `json:"key_bytes"`
		Text     *string `json:"text"`
		Value    []byte  `json:"value"`
	}
	if err := json.Unmarshal(document, &list); err != nil {
		return ""
	}
	headers := make([]eventlog.Header, len(list))
	for i, h := range list {
		key := cmp.Or(string(h.KeyBytes), h.Key)
		if text(key) != h.Key || h.Text != nil && *h.Text != string(h.Value) {
			return ""
		}
		headers[i] = eventlog.Header{Key: key, Value: h.Value}
	}
	return hashedHeaders(headers)
}

// namedLedger is the ledger that a refused record names, in its headers or in its document; the default one where there
// is an envelope that names none, and nothing where there is none, or where the name cannot be one.
func namedLedger(r *eventlog.Rejection) string {
	attributes := map[string]string{}
	for _, h := range r.Headers {
		attributes[h.Key] = string(h.Value)
	}
	enveloped := false
	for _, name := range []string{"ce_id", "ce_type", "ce_specversion", "ce_ledger"} {
		_, found := attributes[name]
		enveloped = enveloped || found
	}
	name := attributes["ce_ledger"]
	if !enveloped {
		var document struct {
			SpecVersion string `json:"specversion"`
			Ledger      string `json:"ledger"`
		}
		if err := json.Unmarshal(r.Payload, &document); err != nil || document.SpecVersion == "" {
			return ""
		}
		name = document.Ledger
	}
	if name = cmp.Or(name, ledger.DefaultLedger); ledger.IsLedger(name) {
		return strings.Clone(name)
	}
	return ""
}
