package audit

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// decimals is how many the units of every amount here have: an amount is an integer of 10^-18.
const decimals = 18

// units is the amount of money of a valid event, nil as zero.
func units(m *eventsv1.Money) *big.Int {
	if m == nil {
		return new(big.Int)
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
	if whole == "" || len(fraction) > decimals {
		return nil, false
	}
	return new(big.Int).SetString(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10)
}
