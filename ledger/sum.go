package ledger

import (
	"math/big"
	"math/bits"
)

// Sum adds amounts up without overflow: unsigned, 256 bits, in units of 10^-18. Word 0 is the lowest.
type Sum [4]uint64

// Add adds an amount.
func (s *Sum) Add(a Amount) {
	var carry uint64
	s[0], carry = bits.Add64(s[0], a.Lo, 0)
	s[1], carry = bits.Add64(s[1], a.Hi, carry)
	s[2], carry = bits.Add64(s[2], 0, carry)
	s[3], _ = bits.Add64(s[3], 0, carry)
}

// IsZero reports whether nothing but zeros was added.
func (s *Sum) IsZero() bool { return *s == Sum{} }

// Big is the sum in units of 10^-18.
func (s *Sum) Big() *big.Int {
	n := new(big.Int)
	for i := len(s) - 1; i >= 0; i-- {
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(s[i]))
	}
	return n
}

// String is the shortest decimal.
func (s *Sum) String() string {
	if s[2]|s[3] == 0 {
		return Amount{s[1], s[0]}.String()
	}
	return FormatUnits(s.Big())
}

// DivMod divides the sum by a divisor in place and returns the remainder.
func (s *Sum) DivMod(divisor uint64) (remainder uint64) {
	for i := len(s) - 1; i >= 0; i-- {
		s[i], remainder = bits.Div64(remainder, s[i], divisor)
	}
	return remainder
}
