package audit

import (
	"fmt"
	"math/big"
	"math/bits"
	"strings"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// decimals is how many the units of every amount here have: an amount is an integer of 10^-18.
const decimals = 18

// unit is 1 in these units.
const unit = 1_000_000_000_000_000_000

// units is the amount of money of a valid event, nil as zero.
func units(m *eventsv1.Money) *big.Int {
	if m == nil {
		return new(big.Int)
	}
	if whole, ok := parseDigits(m.GetValue()); ok && m.GetAssetScale() <= decimals {
		return product(whole, powerOfTen(decimals-m.GetAssetScale()), 0)
	}
	n, ok := new(big.Int).SetString(m.GetValue(), 10)
	if !ok {
		panic(fmt.Sprintf("a valid event has the amount %q", m.GetValue()))
	}
	return n.Mul(n, tenTo(decimals-int64(m.GetAssetScale())))
}

func tenTo(n int64) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil)
}

// powerOfTen is for n up to 18.
func powerOfTen(n uint32) uint64 {
	power := uint64(1)
	for range n {
		power *= 10
	}
	return power
}

// parseDigits reads a number of at most 18 digits; not ok is any other.
func parseDigits(text string) (n uint64, ok bool) {
	if text == "" || len(text) > decimals {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = 10*n + uint64(text[i]-'0')
	}
	return n, true
}

// product is a * b + c.
func product(a, b, c uint64) *big.Int {
	high, low := bits.Mul64(a, b)
	low, carry := bits.Add64(low, c, 0)
	return wide(high+carry, low)
}

// wide is a number of 128 bits, in one piece of memory.
func wide(high, low uint64) *big.Int {
	if bits.UintSize == 32 { //nolint:mnd // A Word is as large.
		n := new(big.Int).SetUint64(high)
		return n.Add(n.Lsh(n, 64), new(big.Int).SetUint64(low)) //nolint:mnd // The bits of low.
	}
	number := struct {
		big.Int

		words [2]big.Word
	}{words: [2]big.Word{big.Word(low), big.Word(high)}}
	return number.SetBits(number.words[:])
}

// decimal writes units as Postgres writes trim_scale(x)::text: equal numbers have equal texts.
func decimal(units *big.Int) string {
	digits := new(big.Int).Abs(units).String()
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals+1-len(digits)) + digits
	}
	point := len(digits) - decimals
	text := strings.TrimRight(strings.TrimRight(digits[:point]+"."+digits[point:], "0"), ".")
	if units.Sign() < 0 {
		return "-" + text
	}
	return text
}

// parseDecimal reads what Postgres writes. It is exact: more than 18 decimals, or NaN, is no amount.
func parseDecimal(text string) (*big.Int, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if w, ok := parseDigits(whole); ok {
		if fraction == "" {
			return product(w, unit, 0), true
		}
		if f, ok := parseDigits(fraction); ok {
			return product(w, unit, f*powerOfTen(uint32(decimals-len(fraction)))), true //nolint:gosec // It is from 0 to 17.
		}
	}
	if whole == "" || len(fraction) > decimals {
		return nil, false
	}
	return new(big.Int).SetString(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10)
}
