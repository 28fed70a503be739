package postgres

import (
	"encoding/binary"
	"errors"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
)

// Packer writes a row's facts: a few values behind each other, without names. Unpacker reads them in the same order.
type Packer struct{ Bytes []byte }

// Uint adds a number; small ones take a byte.
func (p *Packer) Uint(n uint64) { p.Bytes = binary.AppendUvarint(p.Bytes, n) }

// Int adds a number that may be negative.
func (p *Packer) Int(n int64) { p.Bytes = binary.AppendVarint(p.Bytes, n) }

// Text adds a text.
func (p *Packer) Text(s string) {
	p.Uint(uint64(len(s)))
	p.Bytes = append(p.Bytes, s...)
}

// UUID adds a uuid.
func (p *Packer) UUID(id uuid.UUID) { p.Bytes = append(p.Bytes, id[:]...) }

// Sum adds a sum; small ones take few bytes.
func (p *Packer) Sum(s ledger.Sum) {
	for _, word := range s {
		p.Uint(word)
	}
}

// Unpacker reads what a Packer wrote. Its texts share no memory with the bytes it was given.
type Unpacker struct {
	rest string
	err  error
}

// Unpack starts reading.
func Unpack(packed []byte) *Unpacker { return &Unpacker{rest: string(packed)} }

var errPacked = errors.New("a row's facts are not what this version writes; rebuild with `tributary replay`")

func (u *Unpacker) take(n uint64) string {
	if n > uint64(len(u.rest)) {
		u.err, u.rest = errPacked, ""
		return ""
	}
	taken := u.rest[:n]
	u.rest = u.rest[n:]
	return taken
}

// Uint reads a number; 0 past the end.
func (u *Unpacker) Uint() uint64 {
	const most = 0x7f
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		b := u.take(1)
		if b == "" {
			return 0
		}
		n |= uint64(b[0]&most) << shift
		if b[0] <= most {
			return n
		}
	}
	u.err = errPacked
	return 0
}

// Int reads a number that may be negative.
func (u *Unpacker) Int() int64 {
	n := u.Uint()
	return int64(n>>1) ^ -int64(n&1)
}

// Text reads a text.
func (u *Unpacker) Text() string { return u.take(u.Uint()) }

// UUID reads a uuid.
func (u *Unpacker) UUID() uuid.UUID {
	var id uuid.UUID
	copy(id[:], u.take(uint64(len(id))))
	return id
}

// Sum reads a sum.
func (u *Unpacker) Sum() ledger.Sum {
	var s ledger.Sum
	for i := range s {
		s[i] = u.Uint()
	}
	return s
}

// More tells whether something is left.
func (u *Unpacker) More() bool { return u.rest != "" && u.err == nil }

// Close is an error where the bytes were not what was asked of them.
func (u *Unpacker) Close() error {
	if u.err == nil && u.rest != "" {
		u.err = errPacked
	}
	return u.err
}
