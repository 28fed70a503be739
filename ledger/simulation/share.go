package simulation

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is a part of a whole, in millionths: 10,000 is 1%.
type Share uint32

const (
	// Whole is all of it.
	Whole Share = 1_000_000

	shareDecimals = 4 // of a percentage
)

// ParseShare reads a percentage, such as "1%", "0.05%" or "100%". It has four decimals at most.
func ParseShare(text string) (Share, error) {
	bad := fmt.Errorf("%q is no percentage from 0%% to 100%%, such as 1%% or 0.05%%", text)
	number, ok := strings.CutSuffix(text, "%")
	whole, decimals, _ := strings.Cut(number, ".")
	if !ok && text != "0" || whole == "" || len(decimals) > shareDecimals {
		return 0, bad
	}
	millionths, err := strconv.ParseUint(whole+decimals+strings.Repeat("0", shareDecimals-len(decimals)), 10, 32)
	if err != nil || millionths > uint64(Whole) {
		return 0, bad
	}
	return Share(millionths), nil
}

// String is such as "0.05%".
func (s Share) String() string {
	text := fmt.Sprintf("%d.%0*d", s/(Whole/100), shareDecimals, s%(Whole/100))
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + "%"
}

// MarshalText is String.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseShare.
func (s *Share) UnmarshalText(text []byte) error {
	var err error
	*s, err = ParseShare(string(text))
	return err
}

// of is true in so many cases.
func (s Share) of(d draw) bool { return s > 0 && d.below(uint64(Whole)) < uint64(s) }
