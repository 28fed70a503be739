package postgres

import (
	"bytes"
	"encoding/binary"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
)

// values appends values in Postgres's binary form, each behind its length, as COPY and array parameters have them.
type values struct {
	buf   []byte
	count int
}

// Rows is a binary COPY body under construction. Building it costs an append a field, where going through pgx's general
// encoders costs an allocation a field; the whole body is ready before the transaction starts.
type Rows struct{ values }

// Array is a one-dimensional array parameter without nulls under construction.
type Array struct{ values }

// copyHeader is the signature, no flags, no header extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// NewRows starts a body with room for about n rows of the given size.
func NewRows(n, rowBytes int) *Rows {
	r := &Rows{values{buf: make([]byte, 0, len(copyHeader)+n*rowBytes+2)}}
	r.buf = append(r.buf, copyHeader...)
	return r
}

// Row starts a row of that many fields.
func (r *Rows) Row(fields int) {
	r.count++
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(fields)) //nolint:gosec // A table has few columns.
}

// Len is the number of rows or elements.
func (v *values) Len() int { return v.count }

// Reader reads the whole COPY body, from its start at each call.
func (r *Rows) Reader() io.Reader {
	return bytes.NewReader(binary.BigEndian.AppendUint16(r.buf, 0xffff))
}

// OIDs of array elements.
const (
	OIDInt2    = 21
	OIDInt4    = 23
	OIDInt8    = 20
	OIDText    = 25
	OIDNumeric = 1700
	OIDUUID    = 2950
	OIDBytea   = 17
)

const arrayHeaderBytes = 20

// NewArray starts an array of elements of that type with room for about n.
func NewArray(oid uint32, n, elementBytes int) *Array {
	a := &Array{values{buf: make([]byte, arrayHeaderBytes, arrayHeaderBytes+n*(elementBytes+4))}}
	binary.BigEndian.PutUint32(a.buf[0:], 1)
	binary.BigEndian.PutUint32(a.buf[8:], oid)
	binary.BigEndian.PutUint32(a.buf[16:], 1)
	return a
}

// Next counts an element; its value follows.
func (a *Array) Next() *Array {
	a.count++
	return a
}

// Parameter is the whole array.
func (a *Array) Parameter() []byte {
	binary.BigEndian.PutUint32(a.buf[12:], uint32(a.count)) //nolint:gosec // Bounded by the batch.
	return a.buf
}

// UUID adds a uuid.
func (v *values) UUID(id uuid.UUID) { v.buf = append(appendLength(v.buf, len(id)), id[:]...) }

// Bytes adds a bytea.
func (v *values) Bytes(b []byte) { v.buf = append(appendLength(v.buf, len(b)), b...) }

// Text adds a text.
func (v *values) Text(s string) { v.buf = append(appendLength(v.buf, len(s)), s...) }

// NullableText adds a text, null where it is empty.
func (v *values) NullableText(s string) {
	if s == "" {
		v.Null()
		return
	}
	v.Text(s)
}

// Null adds a null.
func (v *values) Null() { v.buf = append(v.buf, 0xff, 0xff, 0xff, 0xff) }

// Bool adds a boolean.
func (v *values) Bool(b bool) {
	value := byte(0)
	if b {
		value = 1
	}
	v.buf = append(appendLength(v.buf, 1), value)
}

// Int2 adds a smallint.
func (v *values) Int2(n int16) {
	v.buf = binary.BigEndian.AppendUint16(appendLength(v.buf, 2), uint16(n)) //nolint:gosec // Two's complement is the wire's form.
}

// Int4 adds an integer.
func (v *values) Int4(n int32) {
	v.buf = binary.BigEndian.AppendUint32(appendLength(v.buf, 4), uint32(n)) //nolint:gosec // Two's complement is the wire's form.
}

// Int8 adds a bigint.
func (v *values) Int8(n int64) {
	v.buf = binary.BigEndian.AppendUint64(appendLength(v.buf, 8), uint64(n)) //nolint:gosec // Two's complement is the wire's form.
}

// Time adds a timestamptz.
func (v *values) Time(t time.Time) { v.Int8(t.UnixMicro() - pgEpochMicros) }

// Amount adds a numeric.
func (v *values) Amount(a ledger.Amount) {
	v.Sum(ledger.Sum{a.Lo, a.Hi})
}

// Sum adds a numeric.
func (v *values) Sum(s ledger.Sum) {
	v.buf = append(v.buf, 0, 0, 0, 0)
	start := len(v.buf)
	v.buf = AppendNumeric(v.buf, s)
	binary.BigEndian.PutUint32(v.buf[start-4:], uint32(len(v.buf)-start)) //nolint:gosec // A numeric takes under 100 bytes.
}

// pgEpochMicros is 2000-01-01, where Postgres counts from, in microseconds since 1970.
const pgEpochMicros = 946_684_800_000_000

func appendLength(buf []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(buf, uint32(n)) //nolint:gosec // An event is at most 1 MiB.
}

// AppendNumeric appends a sum in Postgres's binary form: base 10^4 digits, the weight of the first, sign, and decimals.
func AppendNumeric(buf []byte, s ledger.Sum) []byte {
	var digits [24]uint16
	n := numericDigits(&digits, s)
	// The units are 10^-18, which is half way into the fifth base 10^4 digit after the point: numericDigits has made
	// them 10^-20, so the lowest digit has weight -5.
	low := 0
	for low < n && digits[low] == 0 {
		low++
	}
	if low == n {
		return append(buf, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	decimals := 4 * max(5-low, 0)
	for digit := digits[low]; decimals > 0 && digit%10 == 0; digit /= 10 {
		decimals--
	}
	buf = binary.BigEndian.AppendUint16(buf, uint16(n-low))    //nolint:gosec // At most 24.
	buf = binary.BigEndian.AppendUint16(buf, uint16(n-1-5))    //nolint:gosec // Two's complement is the wire's form.
	buf = binary.BigEndian.AppendUint16(buf, 0)                // Positive.
	buf = binary.BigEndian.AppendUint16(buf, uint16(decimals)) //nolint:gosec // At most 18.
	for i := n - 1; i >= low; i-- {
		buf = binary.BigEndian.AppendUint16(buf, digits[i])
	}
	return buf
}

// numericDigits fills digits, lowest first, with s×100 in base 10^4, and returns how many there are.
func numericDigits(digits *[24]uint16, s ledger.Sum) int {
	const chunk = 10_000_000_000_000_000 // 10^16: four digits a division
	remainder := s.DivMod(100)           // The two decimals that fill up the lowest digit.
	digits[0] = uint16(remainder) * 100  //nolint:gosec // Below 100, so at most 9900.
	n := 1
	for !s.IsZero() {
		part := s.DivMod(chunk)
		for range 4 {
			digits[n] = uint16(part % 10_000)
			part /= 10_000
			n++
		}
	}
	for n > 0 && digits[n-1] == 0 {
		n--
	}
	return n
}

// NullableBytes adds a bytea, null where it is nil.
func (v *values) NullableBytes(b []byte) {
	if b == nil {
		v.Null()
		return
	}
	v.Bytes(b)
}

// jsonbVersion is the first byte of a jsonb in binary form.
const jsonbVersion = 1

// JSONB adds a JSON document as a jsonb; it must not hold an escaped NUL, which Postgres has no text for.
func (v *values) JSONB(doc []byte) {
	v.buf = append(append(appendLength(v.buf, len(doc)+1), jsonbVersion), doc...)
}
