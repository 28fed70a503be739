package receipts

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// moved is what a payment's events moved in one asset.
type moved struct {
	asset                       string
	refunded, opened, won, lost ledger.Sum
	refunds                     uint64 // How many payment.refunded; it tells a refund of nothing from no refund.
}

// disputed is the greater of opened − won and lost.
func (m *moved) disputed() ledger.Sum {
	if open := minus(m.opened, m.won); compare(open, m.lost) > 0 {
		return open
	}
	return m.lost
}

// in finds or makes the sums of an asset; they stay sorted.
func in(all *[]moved, asset string) *moved {
	i, found := slices.BinarySearchFunc(*all, asset, func(m moved, asset string) int { return cmp.Compare(m.asset, asset) })
	if !found {
		*all = slices.Insert(*all, i, moved{asset: asset})
	}
	return &(*all)[i]
}

func (m *moved) pack(p *postgres.Packer) {
	p.Text(m.asset)
	p.Uint(m.refunds)
	for _, sum := range [...]ledger.Sum{m.refunded, m.opened, m.won, m.lost} {
		p.Sum(sum)
	}
}

func (m *moved) merge(other *moved) {
	m.refunds += other.refunds
	m.refunded = plus(m.refunded, other.refunded)
	m.opened = plus(m.opened, other.opened)
	m.won = plus(m.won, other.won)
	m.lost = plus(m.lost, other.lost)
}

func unpackMoved(u *postgres.Unpacker) moved {
	m := moved{asset: u.Text(), refunds: u.Uint()}
	for _, sum := range [...]*ledger.Sum{&m.refunded, &m.opened, &m.won, &m.lost} {
		*sum = u.Sum()
	}
	return m
}

func plus(a, b ledger.Sum) ledger.Sum {
	var carry uint64
	for i := range a {
		a[i], carry = bits.Add64(a[i], b[i], carry)
	}
	return a
}

// minus is a − b, or zero where b is larger.
func minus(a, b ledger.Sum) ledger.Sum {
	var borrow uint64
	for i := range a {
		a[i], borrow = bits.Sub64(a[i], b[i], borrow)
	}
	if borrow != 0 {
		return ledger.Sum{}
	}
	return a
}

func compare(a, b ledger.Sum) int {
	for i := len(a) - 1; i >= 0; i-- {
		if order := cmp.Compare(a[i], b[i]); order != 0 {
			return order
		}
	}
	return 0
}
