package postgres

import (
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
)

// Fields takes the fields of rows one by one, in the columns' order, whether the rows go to the server as a COPY body or
// as an array a column.
type Fields struct {
	rows   *Rows
	arrays []*Array
	at     int
}

// next is where the next field goes.
func (f *Fields) next() *values {
	if f.rows != nil {
		return &f.rows.values
	}
	array := f.arrays[f.at]
	f.at++
	return &array.Next().values
}

// Text adds a text.
func (f *Fields) Text(s string) { f.next().Text(s) }

// NullableText adds a text, null where it is empty.
func (f *Fields) NullableText(s string) { f.next().NullableText(s) }

// Bytes adds a bytea.
func (f *Fields) Bytes(b []byte) { f.next().Bytes(b) }

// UUID adds a uuid.
func (f *Fields) UUID(id uuid.UUID) { f.next().UUID(id) }

// Int2 adds a smallint.
func (f *Fields) Int2(n int16) { f.next().Int2(n) }

// Int4 adds an integer.
func (f *Fields) Int4(n int32) { f.next().Int4(n) }

// Int8 adds a bigint.
func (f *Fields) Int8(n int64) { f.next().Int8(n) }

// Bool adds a boolean.
func (f *Fields) Bool(b bool) { f.next().Bool(b) }

// Micros adds a timestamptz given in microseconds since 1970.
func (f *Fields) Micros(micros int64) { f.next().Time(time.UnixMicro(micros)) }

// Amount adds a numeric.
func (f *Fields) Amount(a ledger.Amount) { f.next().Amount(a) }

// Sum adds a numeric.
func (f *Fields) Sum(s ledger.Sum) { f.next().Sum(s) }

// Null adds a null.
func (f *Fields) Null() { f.next().Null() }
