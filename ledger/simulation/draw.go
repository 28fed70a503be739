package simulation

import (
	"math/bits"
	"math/rand/v2"
	"time"
)

// draw is a stream of random numbers. It draws by itself, not by rand.Rand, whose ways of drawing may change and differ
// between machines of 32 and 64 bits; the output of PCG is specified.
type draw struct{ source *rand.PCG }

// newDraw is one of a seed's independent streams.
func newDraw(seed, stream uint64) draw { return draw{rand.NewPCG(seed, stream)} }

// below is from 0 to n-1, for n above 0. Its bias is below n in 2^64.
func (d draw) below(n uint64) uint64 {
	high, _ := bits.Mul64(d.source.Uint64(), n)
	return high
}

// upTo is from low to high.
func (d draw) upTo(low, high uint64) uint64 { return low + d.below(high-low+1) }

// index is from 0 to n-1.
func (d draw) index(n int) int { return int(d.below(uint64(n))) } //nolint:gosec // below n, and n is above 0

// chance is true in so many cases of a thousand.
func (d draw) chance(perMille uint64) bool { return d.below(1000) < perMille }

// between is a time from low to high, each as likely as another.
func (d draw) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.below(uint64(high-low)+1)) //nolint:gosec // both are above 0
}

// longTail is a time from low to high, each doubling as likely as another.
func (d draw) longTail(low, high time.Duration) time.Duration {
	return min(time.Duration(d.magnitude(uint64(low), uint64(high))), high) //nolint:gosec // both are above 0
}

// magnitude is a number from low to high, each doubling as likely as another.
func (d draw) magnitude(low, high uint64) uint64 {
	base := low << d.below(uint64(bits.Len64(high/low))) //nolint:gosec // above 0
	return min(base+d.below(base), high)
}

// weighted is an index into weights, each as likely as its weight says.
func (d draw) weighted(weights []uint64) int {
	var total uint64
	for _, weight := range weights {
		total += weight
	}
	n := d.below(total)
	for i, weight := range weights {
		if n < weight {
			return i
		}
		n -= weight
	}
	return len(weights) - 1 // not reached: n was below the total
}

// oneOf is any of the items.
func oneOf[T any](d draw, items []T) T { return items[d.index(len(items))] }

// mulDiv is amount × numerator / denominator, rounded down; it must fit 64 bits.
func mulDiv(amount, numerator, denominator uint64) uint64 {
	high, low := bits.Mul64(amount, numerator)
	quotient, _ := bits.Div64(high, low, denominator)
	return quotient
}

// mix spreads a number over all bits: what is fixed for an account comes from its number alone.
func mix(n int) uint64 {
	x := uint64(n) + 0x9e3779b97f4a7c15 //nolint:gosec // any bits will do
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
