package audit

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

const entriesView = "books.entries"

// digester turns an entry into a number such that other entries have other numbers. Their sum over an event does not
// depend on the order in which rows come.
type digester struct {
	seed maphash.Seed
	buf  []byte
}

func (d *digester) bytes(b []byte) {
	if b == nil {
		d.buf = append(d.buf, 0)
		return
	}
	d.buf = append(binary.AppendUvarint(d.buf, uint64(len(b))+1), b...)
}

func (d *digester) text(s string) {
	d.buf = append(binary.AppendUvarint(d.buf, uint64(len(s))+1), s...)
}

func (d *digester) int4(n int32) {
	d.bytes(binary.BigEndian.AppendUint32(nil, uint32(n))) //nolint:gosec // Two's complement is the wire's form.
}

func (d *digester) int8(n int64) {
	d.bytes(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // Two's complement is the wire's form.
}

// time is a timestamptz: microseconds since 2000.
func (d *digester) time(t time.Time) {
	d.int8(t.UnixMicro() - time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
}

func (d *digester) sum() uint64 {
	defer func() { d.buf = d.buf[:0] }()
	return maphash.Bytes(d.seed, d.buf)
}

// entry is the digest of the n-th entry of an event, in the order of entriesSQL.
func (d *digester) entry(record *eventlog.Record, n int, p posting) uint64 {
	d.text(record.Event.Ledger)
	d.text(p.account)
	d.text(p.asset)
	d.text(p.side)
	d.text(decimal(p.amount))
	d.int4(int32(n)) //nolint:gosec // An event of 1 MiB has fewer.
	d.time(record.Event.Time)
	d.time(record.RecordedAt)
	d.text(string(record.Event.Type))
	d.text(record.Event.Subject)
	d.text(record.Topic)
	d.int4(record.Partition)
	d.int8(record.Offset)
	return d.sum()
}

const entriesSQL = `SELECT event_id, ledger, account, asset_code, direction, trim_scale(amount)::text, entry, occurred_at, recorded_at,
	event_type, reference, topic, "partition", kafka_offset FROM ` + entriesView

// Columns of entriesSQL.
const (
	entryID = iota
	entryLedger
	entryAccount
	entryAsset
	entryDirection
	entryAmount
	_ // entry
	_ // occurred_at
	_ // recorded_at
	_ // event_type
	_ // reference
	entryTopic
	entryPartition
	entryOffset
)

// compareEntries takes the digests of the table's rows from those of the log's, adds the rows up by account, and
// suspects each event whose digest does not come to zero.
func (b *balances) compareEntries(ctx context.Context, s *snapshot) error {
	e := b.examination
	c, past := e.found.check(checkEntries), e.found.check(checkPast)
	sides := map[string]*sums{}
	err := s.streamBinary(ctx, entriesView, entriesSQL, nil, func(row [][]byte) error {
		c.compared++
		e.found.rows++
		b.enter(sides, row)
		id := uuid.UUID(row[entryID])
		if at := position(string(row[entryTopic]), row[entryPartition], row[entryOffset]); at.Offset >= e.next[at.TopicPartition()] {
			e.isPast(past, entriesView, id.String(), at)
		}
		event := e.ids.find(id)
		if event == nil {
			b.suspected.add(c, id)
			return nil
		}
		for _, value := range row[entryLedger:] {
			b.digester.bytes(value)
		}
		event.digest -= b.digester.sum()
		return nil
	})
	if err != nil {
		return err
	}
	for id, at := range e.ids.index {
		if e.ids.slots[at].digest != 0 {
			b.suspected.add(c, id)
		}
	}
	b.compareSides(entriesView, sides)
	return nil
}

// enter adds an entry to its account, and to its ledger's asset.
func (b *balances) enter(sides map[string]*sums, row [][]byte) {
	amount, ok := parseDecimal(string(row[entryAmount]))
	if !ok {
		return // The digest tells.
	}
	side := string(row[entryDirection])
	b.key = append(append(append(b.key[:0], row[entryLedger]...), separator...), row[entryAccount]...)
	b.key = append(append(b.key, separator...), row[entryAsset]...)
	sumOf(b.entered, b.key).add(side, amount)
	b.key = append(append(append(b.key[:0], row[entryLedger]...), separator...), row[entryAsset]...)
	sumOf(sides, b.key).add(side, amount)
}

func sumOf(all map[string]*sums, key []byte) *sums {
	sum, ok := all[string(key)]
	if !ok {
		sum = &sums{}
		all[string(key)] = sum
	}
	return sum
}

// maxSuspects is for how many events the rows that differ are found; the others are counted.
const maxSuspects = MaxDifferences

// suspects are events that differ in a way that is not known yet.
type suspects map[uuid.UUID]bool

func (s suspects) add(c *check, id uuid.UUID) {
	switch {
	case s[id]:
	case len(s) < maxSuspects:
		s[id] = true
	default:
		c.more(1)
	}
}

func (b *balances) suspects() suspects { return b.suspected }

// entryRow is a row of books.entries.
type entryRow struct {
	met

	values []string
}

func (r *entryRow) cells() []string { return r.values }

// again remembers the entries of a suspect, by event and number.
func (b *balances) again(record *eventlog.Record) {
	event := record.Event
	for n, p := range b.postings(event) {
		b.expected[keyOf(event.ID.String(), strconv.Itoa(n))] = &entryRow{values: []string{
			strings.Clone(event.Ledger), p.account, p.asset, p.side, timestamp(event.Time), timestamp(record.RecordedAt),
			strings.Clone(string(event.Type)), strings.Clone(event.Subject), strings.Clone(record.Topic),
			strconv.Itoa(int(record.Partition)), strconv.FormatInt(record.Offset, 10), decimal(p.amount),
		}}
	}
}

// detail reads the suspects' rows once more, to say what is wrong with them.
func (b *balances) detail(ctx context.Context, s *snapshot) error {
	ids := make([]uuid.UUID, 0, len(b.suspected))
	for id := range b.suspected {
		ids = append(ids, id)
	}
	c := b.examination.found.check(checkEntries)
	failed, compared, read := c.failed, c.compared, c.findings.rows
	t := table{
		name: entriesView, keys: texts("event_id", "entry"),
		values: append(texts("ledger", "account", "asset_code", "direction", "occurred_at", "recorded_at", "event_type",
			"reference", "topic", "partition", "kafka_offset"), amounts("amount")...),
		where: "event_id = ANY($1)", arguments: []any{ids},
		trace: func(key string) string { return "event " + key[:len(uuid.Nil.String())] },
	}
	if err := compare(ctx, s, c, t, rowsOf(b.expected)); err != nil {
		return err
	}
	c.compared, c.findings.rows = compared, read // They were counted before.
	if c.failed == failed {
		for id := range b.suspected {
			c.differs(Difference{Kind: KindDifferent, Table: entriesView, Key: id.String(), trace: traceID(id)})
		}
	}
	return nil
}

// timestamp is a time as Postgres writes it in UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999+00") }
