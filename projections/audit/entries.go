package audit

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"math/big"
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
	d.buf = binary.BigEndian.AppendUint32(append(d.buf, 4+1), uint32(n)) //nolint:gosec,mnd // Two's complement is the wire's form.
}

func (d *digester) int8(n int64) {
	d.buf = binary.BigEndian.AppendUint64(append(d.buf, 8+1), uint64(n)) //nolint:gosec,mnd // Two's complement is the wire's form.
}

// time is a timestamptz: microseconds since 2000.
func (d *digester) time(t time.Time) {
	const year2000 = 946_684_800_000_000 // In microseconds since 1970.
	d.int8(t.UnixMicro() - year2000)
}

func (d *digester) sum() uint64 {
	defer func() { d.buf = d.buf[:0] }()
	return maphash.Bytes(d.seed, d.buf)
}

// cell is a text, or NULL.
func (d *digester) cell(s string) {
	if s == null {
		d.buf = append(d.buf, 0)
		return
	}
	d.text(s)
}

// amount is a number; its sign is of no amount of the books.
func (d *digester) amount(n *big.Int) {
	d.int4(int32(n.Sign())) //nolint:gosec // It is -1, 0 or 1.
	for _, word := range n.Bits() {
		d.buf = binary.LittleEndian.AppendUint64(d.buf, uint64(word))
	}
}

// entry is the digest of the n-th entry of an event.
func (d *digester) entry(record *eventlog.Record, n int, p posting) uint64 {
	d.buf = append(d.buf, record.Event.ID[:]...)
	d.text(record.Event.Ledger)
	d.text(p.account)
	d.text(p.asset)
	d.text(p.side)
	d.int4(int32(n)) //nolint:gosec // An event of 1 MiB has fewer.
	d.time(record.Event.Time)
	d.time(record.RecordedAt)
	d.text(string(record.Event.Type))
	d.text(record.Event.Subject)
	d.text(record.Topic)
	d.int4(record.Partition)
	d.int8(record.Offset)
	d.amount(p.amount)
	return d.sum()
}

// storedEntry is the digest of a row of entriesSQL; amount is nil where it is none.
func (d *digester) storedEntry(row [][]byte, amount *big.Int) uint64 {
	d.buf = append(d.buf, row[entryID]...)
	for i, cell := range row[entryLedger:] {
		if i != entryAmount-entryLedger {
			d.bytes(cell)
		}
	}
	if amount == nil {
		d.bytes(row[entryAmount])
	} else {
		d.amount(amount)
	}
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

// tallyEntries adds the table's rows up: for themselves, by account, and by ledger and asset.
func (b *balances) tallyEntries(ctx context.Context, s *snapshot) error {
	e := b.examination
	c, past := b.entries.check, e.found.check(checkPast)
	sides, places := map[string]*sums{}, e.places()
	err := s.streamBinary(ctx, entriesView, entriesSQL, nil, func(row [][]byte) error {
		c.compared++
		e.found.rows++
		id := uuid.UUID(row[entryID])
		if at, next := places.find(row[entryTopic], row[entryPartition], row[entryOffset]); at.Offset >= next {
			e.isPast(past, entriesView, id.String(), at)
		}
		amount, ok := parseDecimal(string(row[entryAmount]))
		if ok {
			b.enter(sides, row, amount)
		}
		b.entries.tally.meet(b.bucketOf(id), b.digester.storedEntry(row, amount))
		return nil
	})
	b.compareSides(entriesView, sides)
	return err
}

// bucketOf is that of all the entries of an event.
func (b *balances) bucketOf(id uuid.UUID) int { return bucketOf(maphash.Bytes(b.seed, id[:])) }

// enter adds an entry to its account, and to its ledger's asset.
func (b *balances) enter(sides map[string]*sums, row [][]byte, amount *big.Int) {
	side := string(row[entryDirection])
	b.key = appendKey(b.key[:0], row[entryLedger:entryDirection])
	b.entered.expect(b.key, columnOf(side), amount)
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

// entryRow is a row of books.entries.
type entryRow struct {
	met

	values []string
}

func (r *entryRow) cells() []string { return r.values }

// againEntries remembers the entries of an event, by number.
func (b *balances) againEntries(record *eventlog.Record, postings []posting) {
	event := record.Event
	if !b.entries.held[b.bucketOf(event.ID)] {
		return
	}
	for n, p := range postings {
		b.expected[keyOf(event.ID.String(), strconv.Itoa(n))] = &entryRow{values: []string{
			strings.Clone(event.Ledger), strings.Clone(p.account), strings.Clone(p.asset), strings.Clone(p.side),
			timestamp(event.Time), timestamp(record.RecordedAt),
			strings.Clone(string(event.Type)), strings.Clone(event.Subject), strings.Clone(record.Topic),
			strconv.Itoa(int(record.Partition)), strconv.FormatInt(record.Offset, 10), decimal(p.amount),
		}}
	}
}

// detailEntries reads the rows of the events that differ once more, to say what is wrong with them.
func (b *balances) detailEntries(ctx context.Context, s *snapshot) error {
	if len(b.entries.held) == 0 {
		return nil
	}
	t := b.entries.table
	t.only = func(key []byte) bool {
		id, err := uuid.ParseBytes(key[:len(uuid.Nil.String())])
		return err == nil && b.entries.held[b.bucketOf(id)]
	}
	return compareAgain(ctx, s, b.entries.check, t, rowsOf(b.expected))
}

// entriesTable is books.entries, as it is compared row by row.
func entriesTable() table {
	return table{
		name: entriesView, keys: texts("event_id", "entry"),
		values: append(texts("ledger", "account", "asset_code", "direction", "occurred_at", "recorded_at", "event_type",
			"reference", "topic", "partition", "kafka_offset"), amounts("amount")...),
		trace: func(key string) string { return "event " + key[:len(uuid.Nil.String())] },
	}
}

// timestamp is a time as Postgres writes it in UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999+00") }
