package comparison

import (
	"math/big"
	"strings"
)

// decimal is the number that a text is, 0 if it is none (NULL, or one that books cannot have).
func decimal(text []byte) *big.Rat {
	n, ok := new(big.Rat).SetString(string(text))
	if !ok {
		return new(big.Rat)
	}
	return n
}

// delta is other less live, as a decimal.
func delta(live, other []byte) string {
	return format(new(big.Rat).Sub(decimal(other), decimal(live)))
}

// format writes a number whose denominator is a power of ten in full, without trailing zeros.
func format(n *big.Rat) string {
	digits, _ := n.FloatPrec()
	text := n.FloatString(digits)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// sums are the deltas of a view, by column and asset.
type sums struct {
	order []deltaKey
	all   map[deltaKey]*big.Rat
}

type deltaKey struct{ column, asset string }

func (s *sums) add(column string, asset []byte, amount *big.Rat) {
	if s.all == nil {
		s.all = map[deltaKey]*big.Rat{}
	}
	key := deltaKey{column, string(asset)}
	sum, ok := s.all[key]
	if !ok {
		if len(s.order) == maxAssets {
			return
		}
		sum = new(big.Rat)
		s.all[key], s.order = sum, append(s.order, key)
	}
	sum.Add(sum, amount)
}

// deltas are those that are not 0.
func (s *sums) deltas() []Delta {
	deltas := []Delta{}
	for _, key := range s.order {
		if sum := s.all[key]; sum.Sign() != 0 {
			deltas = append(deltas, Delta{key.column, key.asset, format(sum)})
		}
	}
	return deltas
}
