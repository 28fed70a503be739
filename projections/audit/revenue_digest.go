package audit

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// rowDigests makes numbers of rows of events such that ClickHouse makes the same of its own: only their sums need be read.
type rowDigests struct {
	bucket, row sipKey
	buf         []byte
}

func newRowDigests() rowDigests { return rowDigests{bucket: newSipKey(), row: newSipKey()} }

// digestsSQL adds up what is hashed of the rows that are in, by bucket.
const digestsSQL = `SELECT toString(bucket), toString(sum(digest)), toString(count()) FROM (
		SELECT sipHash64Keyed((toUInt64(%d), toUInt64(%d)), reinterpretAsFixedString(event_id)) %% %d AS bucket,
			sipHash64Keyed((toUInt64(%d), toUInt64(%d)), concat(%s)) AS digest
		FROM %s WHERE %s
	) GROUP BY bucket`

// sql is digestsSQL of a table's rows that meet a condition. Each column is hashed as the bytes that appendRow writes of it.
func (d *rowDigests) sql(table, condition string) string {
	var parts []string
	for _, c := range append(revenueKeys(), revenueValues()...) {
		name := `"` + c.name + `"`
		switch c.name {
		case "partition", "kafka_offset", "event_id", "gross", "fees", "refunds":
			parts = append(parts, "reinterpretAsFixedString("+name+")")
		case "occurred_at", "recorded_at":
			parts = append(parts, "reinterpretAsFixedString(toUnixTimestamp64Micro("+name+"))")
		default:
			parts = append(parts, "reinterpretAsFixedString(toUInt32(length("+name+")))", name)
		}
	}
	return fmt.Sprintf(digestsSQL, d.bucket[0], d.bucket[1], tallyBuckets, d.row[0], d.row[1], strings.Join(parts, ", "), table, condition)
}

// bucketOf is that of the row of an event.
func (d *rowDigests) bucketOf(id uuid.UUID) int {
	d.buf = appendUUID(d.buf[:0], id)
	return bucketOf(d.bucket.hash(d.buf))
}

// of is the digest of the row of an event.
func (d *rowDigests) of(record *eventlog.Record, e *earning) uint64 {
	event := record.Event
	b := appendSized(d.buf[:0], record.Topic)
	b = binary.LittleEndian.AppendUint32(b, uint32(record.Partition)) //nolint:gosec // Two's complement is ClickHouse's form.
	b = binary.LittleEndian.AppendUint64(b, uint64(record.Offset))    //nolint:gosec // Two's complement is ClickHouse's form.
	b = appendUUID(b, event.ID)
	for _, text := range [...]string{event.Ledger, e.stream, e.owner, string(event.Type), e.pointer, e.post, e.session, e.asset} {
		b = appendSized(b, text)
	}
	for _, amount := range [...]*big.Int{e.gross, e.fees, e.refunds} {
		b = appendInt128(b, amount)
	}
	for _, at := range [...]time.Time{event.Time, record.RecordedAt} {
		b = binary.LittleEndian.AppendUint64(b, uint64(at.UnixMicro()))
	}
	d.buf = b
	return d.row.hash(b)
}

func appendSized(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...) //nolint:gosec // An event has 1 MiB at most.
}

// appendUUID writes an id as ClickHouse has it: each half with its bytes turned round.
func appendUUID(b []byte, id uuid.UUID) []byte {
	const half = 8
	b = binary.LittleEndian.AppendUint64(b, binary.BigEndian.Uint64(id[:half]))
	return binary.LittleEndian.AppendUint64(b, binary.BigEndian.Uint64(id[half:]))
}

// appendInt128 writes a number in two's complement. One that needs more bits is longer, and like none that a table can have.
func appendInt128(b []byte, n *big.Int) []byte {
	const bits = 128
	if n.BitLen() >= bits {
		return append(b, n.String()...)
	}
	var both [bits / 8]byte
	n.FillBytes(both[:])
	high, low := binary.BigEndian.Uint64(both[:8]), binary.BigEndian.Uint64(both[8:])
	if n.Sign() < 0 {
		low, high = -low, ^high
		if low == 0 {
			high++
		}
	}
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, low), high)
}

// tallyRows adds the table's rows up, but for those that are in ahead of the offsets.
func (r *revenue) tallyRows(ctx context.Context) error {
	e, c := r.examination, r.rows.check
	ahead := e.found.check(checkAhead)
	e.ids.due.each(func(eventlog.Position) bool { ahead.compared++; return true })
	err := r.warehouse.stream(ctx, r.rows.name, r.digests.sql(r.rows.name, r.in()), nil, func(row [][]byte) error {
		var numbers [3]uint64
		for i := range numbers {
			n, err := strconv.ParseUint(string(row[i]), 10, 64)
			if err != nil {
				return fmt.Errorf("a sum of digests: %w", err)
			}
			numbers[i] = n
		}
		rows := int64(numbers[2]) //nolint:gosec // No table has as many.
		c.compared += rows
		e.found.rows += rows
		r.rows.tally.meetAll(bucketOf(numbers[0]), numbers[1], uint32(rows)) //nolint:gosec // Nor has a bucket.
		return nil
	})
	if err == nil {
		err = r.passAhead(ctx)
	}
	if err != nil {
		return err
	}
	r.compareAccepted()
	return r.nameDue(ctx, ahead)
}

// passAhead takes note of the rows that are in ahead of the offsets. There may be more of them than a moment before.
func (r *revenue) passAhead(ctx context.Context) error {
	e := r.examination
	t := table{name: r.rows.name, keys: warehouseTexts("topic", "partition", "kafka_offset"), where: "NOT (" + r.in() + ")"}
	return r.warehouse.stream(ctx, t.name, t.sql(), nil, func(row [][]byte) error {
		r.rows.check.compared++
		e.found.rows++
		at, err := eventlog.ParsePosition(string(row[0]) + "/" + string(row[1]) + "@" + string(row[2]))
		if err != nil {
			return fmt.Errorf("the place of a row: %w", err)
		}
		e.ids.due.remove(at)
		return nil
	})
}
