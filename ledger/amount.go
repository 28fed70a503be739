package ledger

import (
	"bytes"
	"errors"
	"math/big"
	"math/bits"
	"strconv"
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
	if digits == "" || countDigits(digits) < len(digits) {
		return Amount{}, ErrNotInteger
	}
	digits = strings.TrimLeft(digits, "0")
	if len(digits) > MaxWholeDigits+int(scale) {
		return Amount{}, ErrTooLarge
	}
	low := max(0, len(digits)-maxUint64Digits)
	a := Amount{Lo: parseDigits(digits[:low])}.times(powerOfTen(maxUint64Digits))
	a = a.Add(Amount{Lo: parseDigits(digits[low:])}).times(powerOfTen(AmountScale - int(scale)))
	if negative && !a.IsZero() {
		return a, ErrNegative
	}
	return a, nil
}

// maxUint64Digits is how many digits always fit into a uint64.
const maxUint64Digits = 19

// parseDigits reads at most maxUint64Digits digits; none are zero.
func parseDigits(digits string) uint64 {
	var n uint64
	for i := range len(digits) {
		n = n*10 + uint64(digits[i]-'0')
	}
	return n
}

// powerOfTen is 10^exponent, for exponents from 0 to maxUint64Digits.
func powerOfTen(exponent int) uint64 {
	return [maxUint64Digits + 1]uint64{
		1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
	}[exponent]
}

// times is a × factor, for products that fit into 128 bits.
func (a Amount) times(factor uint64) Amount {
	hi, lo := bits.Mul64(a.Lo, factor)
	return Amount{hi + a.Hi*factor, lo}
}

// amountLimit is 10^38 units: 10^20 whole units.
func amountLimit() Amount { return Amount{0x4b3b4ca85a86c47a, 0x098a224000000000} }

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
func (a Amount) String() string { return string(a.Append(make([]byte, 0, maxAmountBytes))) }

// maxAmountBytes is the length of the longest amount: 21 digits, a point, 18 digits.
const maxAmountBytes = 40

// Append appends what String returns.
func (a Amount) Append(buf []byte) []byte {
	const unit, half = 1e18, 1e10
	top, rest := a.Hi/unit, a.Hi%unit
	whole, fraction := bits.Div64(rest, a.Lo, unit) // whole units are top×2^64 + whole, at most 21 digits
	if top == 0 {
		buf = strconv.AppendUint(buf, whole, 10)
	} else {
		upper, lower := bits.Div64(top, whole, half)
		buf = appendPadded(strconv.AppendUint(buf, upper, 10), lower, half)
	}
	if fraction == 0 {
		return buf
	}
	buf = appendPadded(append(buf, '.'), fraction, unit)
	return bytes.TrimRight(buf, "0")
}

// appendPadded appends n with zeros before it, as many digits as limit has zeros.
func appendPadded(buf []byte, n, limit uint64) []byte {
	for limit /= 10; limit > 0; limit /= 10 {
		buf = append(buf, '0'+byte(n/limit%10))
	}
	return buf
}

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

// ParseUnits reads a decimal of at most 18 decimals, as FormatUnits or a store writes it, as a number of 10^-18 units.
func ParseUnits(decimal string) (*big.Int, bool) {
	whole, fraction, _ := strings.Cut(decimal, ".")
	if whole == "" || len(fraction) > AmountScale {
		return nil, false
	}
	return new(big.Int).SetString(whole+fraction+strings.Repeat("0", AmountScale-len(fraction)), 10)
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
