package audit

import (
	"encoding/binary"
	"hash/maphash"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/audit/spill"
)

// groups bring together what many events say of many things, each thing apart, without holding all of them.
type groups struct {
	seed   maphash.Seed
	sorter *spill.Sorter
	buf    []byte
}

func newGroups(seed maphash.Seed, memory Memory) *groups {
	return &groups{seed: seed, sorter: spill.New(memory.Dir, memory.Bytes)}
}

// add notes what an event says of the thing of this key: write appends it.
func (g *groups) add(key string, write func(buf []byte) []byte) error {
	g.buf = append(binary.AppendUvarint(g.buf[:0], uint64(len(key))), key...)
	g.buf = write(g.buf)
	return g.sorter.Add(maphash.String(g.seed, key), g.buf)
}

// each gives all that was said to hear, what is said of a thing together, and then each thing to done.
func (g *groups) each(hear func(key string, r *reader), done func(key string)) error {
	key, begun := "", false
	err := g.sorter.Each(func(_ uint64, record []byte) error {
		r := &reader{record}
		if next := r.bytes(); !begun || string(next) != key {
			if begun {
				done(key)
			}
			key, begun = string(next), true
		}
		hear(key, r)
		return nil
	})
	if begun && err == nil {
		done(key)
	}
	return err
}

// reader takes apart what was written, in the same order.
type reader struct{ rest []byte }

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	r.rest = r.rest[size:]
	return n
}

// bytes are valid as long as the record is.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) id() uuid.UUID {
	id := uuid.UUID(r.rest[:16])
	r.rest = r.rest[16:]
	return id
}

func appendText(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// appendTime writes a time to the microsecond, which is what events have; the zero time is none.
func appendTime(buf []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(buf, 0)
	}
	return binary.AppendVarint(append(buf, 1), t.UnixMicro())
}

func (r *reader) time() time.Time {
	if !r.flag() {
		return time.Time{}
	}
	micros, size := binary.Varint(r.rest)
	r.rest = r.rest[size:]
	return time.UnixMicro(micros).UTC()
}

func (r *reader) flag() bool {
	set := r.rest[0] == 1
	r.rest = r.rest[1:]
	return set
}

// appendAmount writes an amount, which may be nil.
func appendAmount(buf []byte, n *big.Int) []byte {
	switch {
	case n == nil:
		return append(buf, 0)
	case n.Sign() < 0:
		buf = append(buf, 2)
	default:
		buf = append(buf, 1)
	}
	return appendText(buf, string(n.Bytes()))
}

func (r *reader) amount() *big.Int {
	sign := r.rest[0]
	r.rest = r.rest[1:]
	if sign == 0 {
		return nil
	}
	n := new(big.Int).SetBytes(r.bytes())
	if sign == 2 {
		n.Neg(n)
	}
	return n
}

// texts are the fields of what is said that are texts, those first that many say in the same words.
func (s *said) texts() (common, own []*string) {
	return []*string{&s.merchant, &s.provider, &s.paymentType, &s.asset},
		[]*string{&s.user, &s.transaction, &s.receipt, &s.reason, &s.lines}
}

func (s *said) append(buf []byte) []byte {
	buf = appendTime(append(appendText(buf, string(s.kind)), s.id[:]...), s.at)
	common, own := s.texts()
	for _, texts := range [][]*string{common, own} {
		for _, text := range texts {
			buf = appendText(buf, *text)
		}
	}
	return appendAmount(appendAmount(buf, s.amount), s.fee)
}

func (w words) said(r *reader) (s said) {
	s.kind = ledger.Type(w.keepBytes(r.bytes()))
	s.id, s.at = r.id(), r.time()
	common, own := s.texts()
	for _, text := range common {
		*text = w.keepBytes(r.bytes())
	}
	for _, text := range own {
		*text = r.text()
	}
	s.amount, s.fee = r.amount(), r.amount()
	return s
}

func (t *told) texts() (common, own []*string) {
	return []*string{&t.merchant, &t.chain, &t.asset, &t.fiatCode}, []*string{&t.address, &t.url}
}

func (t *told) append(buf []byte) []byte {
	buf = appendTime(appendTime(append(buf, t.id[:]...), t.at), t.expires)
	common, own := t.texts()
	for _, texts := range [][]*string{common, own} {
		for _, text := range texts {
			buf = appendText(buf, *text)
		}
	}
	for _, amount := range []*big.Int{t.amount, t.fiat, t.rate} {
		buf = appendAmount(buf, amount)
	}
	switch {
	case t.locked == nil:
		return append(buf, 0)
	case *t.locked:
		return append(buf, 1, 1)
	default:
		return append(buf, 1, 0)
	}
}

func (w words) told(r *reader) *told {
	t := &told{id: r.id(), at: r.time(), expires: r.time()}
	common, own := t.texts()
	for _, text := range common {
		*text = w.keepBytes(r.bytes())
	}
	for _, text := range own {
		*text = r.text()
	}
	t.amount, t.fiat, t.rate = r.amount(), r.amount(), r.amount()
	if r.flag() {
		t.locked = new(r.flag())
	}
	return t
}
