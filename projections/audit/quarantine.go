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

	examination *examination
	rows        map[string]*rejected // By position.
	released    map[string]*released // By position.
}

// released is a row of quarantine.releases.
type released struct {
	met

	values []string
}

func (r *released) cells() []string { return r.values }

func newQuarantine(a *Auditor, e *examination) model {
	e.found.expect(checkProgress, checkPast, checkQuarantine, checkReleases)
	return &quarantine{a, e, map[string]*rejected{}, map[string]*released{}}
}

func (q *quarantine) wants(record *eventlog.Record) bool {
	return record.Rejected != nil || record.Release != nil
}

func rejectedKey(at eventlog.Position) string {
	return keyOf(at.Topic, strconv.Itoa(int(at.Partition)), strconv.FormatInt(at.Offset, 10))
}

func (q *quarantine) fold(record *eventlog.Record, _ *slot) {
	if release := record.Release; release != nil {
		q.released[rejectedKey(record.Position)] = &released{values: []string{
			timestamp(record.RecordedAt), release.Of.Topic, strconv.Itoa(int(release.Of.Partition)),
			strconv.FormatInt(release.Of.Offset, 10), release.By,
		}}
		return
	}
	q.rows[rejectedKey(record.Position)] = expectRejected(record)
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

func (q *quarantine) compare(ctx context.Context, s *snapshot) error {
	if err := q.expectOutdated(ctx, s); err != nil {
		return err
	}
	if err := q.compareRecords(ctx, s); err != nil {
		return err
	}
	c := q.examination.found.check(checkReleases)
	t := table{
		name: releasesTable, keys: texts("topic", "partition", "kafka_offset"),
		values: texts("recorded_at", "of_topic", "of_partition", "of_offset", "released_by"),
		where:  "generation = $1", arguments: []any{q.examination.generation},
	}
	return compare(ctx, s, c, t, rowsOf(q.released))
}

// expectOutdated expects the rows of records that are valid events to this version, but were refused by an earlier one: all of
// them is held against the log but the reason, which was that version's.
func (q *quarantine) expectOutdated(ctx context.Context, s *snapshot) error {
	var positions []eventlog.Position
	var said [][4]string
	sql := `SELECT topic, "partition", kafka_offset, reason, path, message, encode(sha256(payload), 'hex') FROM ` + quarantineView
	err := s.stream(ctx, quarantineView, sql, nil, func(cells [][]byte) error {
		if _, ok := q.rows[keyOf(string(cells[0]), string(cells[1]), string(cells[2]))]; ok {
			return nil
		}
		at, err := eventlog.ParsePosition(string(cells[0]) + "/" + string(cells[1]) + "@" + string(cells[2]))
		if err == nil && at.Offset < q.examination.next[at.TopicPartition()] {
			positions = append(positions, at)
			said = append(said, [4]string{string(cells[3]), string(cells[4]), string(cells[5]), string(orNull(cells[6]))})
		}
		return nil
	})
	if err != nil || len(positions) == 0 {
		return err
	}
	lookup, err := eventlog.NewLookup(q.kafka)
	if err != nil {
		return err
	}
	defer lookup.Close()
	records, err := lookup.Raw(ctx, positions)
	if err != nil {
		return err
	}
	for i, record := range records {
		if record == nil || hashed(record.Rejected.Payload) != said[i][3] {
			continue // the row is of no record
		}
		record.Rejected.Invalid = ledger.Invalid{Code: ledger.Code(said[i][0]), Path: said[i][1], Message: said[i][2]}
		q.rows[rejectedKey(positions[i])] = expectRejected(record)
		q.examination.outdated++
	}
	return nil
}

func (q *quarantine) compareRecords(ctx context.Context, s *snapshot) error {
	found := &q.examination.found
	c, past := found.check(checkQuarantine), found.check(checkPast)
	t := table{
		name: quarantineView, keys: texts("topic", "partition", "kafka_offset"),
		values: append(texts("ledger", "reason", "path", "message", "event_id", "recorded_at"),
			column{"key", asHash}, column{"payload", asHash}),
		others: texts("headers"),
	}
	t.each = func(cells [][]byte) {
		key := keyOf(string(cells[0]), string(cells[1]), string(cells[2]))
		if at, err := eventlog.ParsePosition(string(cells[0]) + "/" + string(cells[1]) + "@" + string(cells[2])); err == nil {
			q.examination.isPast(past, quarantineView, shownKey(key), at)
		}
		if row, ok := q.rows[key]; ok && storedHeaders(cells[11]) != row.headers {
			d := t.difference(KindDifferent, key)
			d.Column, d.Want, d.Got = "headers", "the record's headers", string(cells[11])
			c.differs(d)
		}
	}
	return compare(ctx, s, c, t, rowsOf(q.rows))
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
