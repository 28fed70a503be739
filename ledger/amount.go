package ledger

import (
	"errors"
	"math/big"
	"math/bits"
	"strings"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// AmountScale is the number of decimals of every Amount and Sum.
const AmountScale = 18

// MaxWholeDigits bounds an event's amount: below 10^20 whole units.
const MaxWholeDigits = 20

// Amount is an unsigned fixed point of 18 decimals in 128 bits: Hi×2^64 + Lo units of 10^-18 of an asset. An event's
// amount is below 10^38 units, so two of them still add up without overflow; any more belong into a Sum.
type Amount struct {
	Hi, Lo uint64
}

// Errors of ParseAmount; validation turns them into codes.
var (
	ErrNotInteger = errors.New("value is not an integer")
	ErrNegative   = errors.New("amount is negative")
	ErrTooLarge   = errors.New("amount is 10^20 whole units or more")
	ErrScale      = errors.New("scale is not 0 to 18")
)

// ParseAmount reads value × 10^-scale, never rounding. Of a negative value it returns the magnitude with ErrNegative.
func ParseAmount(value string, scale uint32) (Amount, error) {
	if scale > AmountScale {
		return Amount{}, ErrScale
	}
	digits, negative := strings.CutPrefix(value, "-")
	if digits == "" {
		return Amount{}, ErrNotInteger
	}
	var a Amount
	tooLarge := false
	for i := range len(digits) {
		c := digits[i] - '0'
		if c > 9 {
			return Amount{}, ErrNotInteger
		}
		if !tooLarge {
			a = a.times10(uint64(c))
			tooLarge = !a.less(amountLimit())
		}
	}
	for range AmountScale - scale {
		if !tooLarge {
			a = a.times10(0)
			tooLarge = !a.less(amountLimit())
		}
	}
	switch {
	case tooLarge:
		return Amount{}, ErrTooLarge
	case negative && !a.IsZero():
		return a, ErrNegative
	default:
		return a, nil
	}
}

// amountLimit is 10^38 units: 10^20 whole units.
func amountLimit() Amount { return Amount{0x4b3b4ca85a86c47a, 0x098a224000000000} }

// times10 is a×10 + digit, for a below the limit: at most 10^39 + 9 would overflow, so a must be below 10^37.
func (a Amount) times10(digit uint64) Amount {
	hi, lo := bits.Mul64(a.Lo, 10)
	lo, carry := bits.Add64(lo, digit, 0)
	over, top := bits.Mul64(a.Hi, 10)
	hi, carry = bits.Add64(top, hi, carry)
	if over != 0 || carry != 0 {
		return Amount{^uint64(0), ^uint64(0)}
	}
	return Amount{hi, lo}
}

func (a Amount) less(b Amount) bool { return a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo }

// Cmp is -1, 0 or 1 as a is below, equal to or above b.
func (a Amount) Cmp(b Amount) int {
	switch {
	case a.less(b):
		return -1
	case a == b:
		return 0
	default:
		return 1
	}
}

// IsZero reports whether a is zero.
func (a Amount) IsZero() bool { return a == Amount{} }

// Add is a + b. Two amounts of events always fit.
func (a Amount) Add(b Amount) Amount {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(a.Hi, b.Hi, carry)
	return Amount{hi, lo}
}

// Sub is a − b, for b at most a, which validation has seen to.
func (a Amount) Sub(b Amount) Amount {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, _ := bits.Sub64(a.Hi, b.Hi, borrow)
	return Amount{hi, lo}
}

// Big is a in units of 10^-18.
func (a Amount) Big() *big.Int {
	n := new(big.Int).SetUint64(a.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(a.Lo))
}

// String is the shortest decimal: "139.12".
func (a Amount) String() string { return FormatUnits(a.Big()) }

// FormatUnits writes a number of 10^-18 units as the shortest decimal: "139.12", "-0.5".
func FormatUnits(units *big.Int) string {
	digits := new(big.Int).Abs(units).String()
	if pad := AmountScale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	whole, fraction := digits[:len(digits)-AmountScale], strings.TrimRight(digits[len(digits)-AmountScale:], "0")
	out := whole
	if fraction != "" {
		out += "." + fraction
	}
	if units.Sign() < 0 {
		out = "-" + out
	}
	return out
}

// amountOf is the amount of money that validation has passed; zero where there is none.
func amountOf(m *eventsv1.Money) Amount {
	if m == nil {
		return Amount{}
	}
	a, _ := ParseAmount(m.GetValue(), m.GetAssetScale())
	return a
}

// MoneyAmount is the amount of money of a valid event, zero where m is nil. Of a negative line price it is the magnitude.
func MoneyAmount(m *eventsv1.Money) Amount { return amountOf(m) }
