package audit

import (
	"hash/maphash"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// tally holds two sets of rows against each other without holding the rows. Each row is a number, and belongs to a bucket by its
// key; sums of numbers do not depend on the order in which rows come. Buckets that do not come to the same are read again.
type tally struct {
	sums []uint64 // What should be less what is: 0 when they are the same.
	want []uint32 // How many rows should be,
	got  []uint32 // and are.
}

const tallyBuckets = 1 << 16

func newTally() tally {
	return tally{make([]uint64, tallyBuckets), make([]uint32, tallyBuckets), make([]uint32, tallyBuckets)}
}

// bucketOf is the bucket of a hash.
func bucketOf(hash uint64) int { return int(hash % tallyBuckets) }

func (t *tally) expect(bucket int, digest uint64) {
	t.sums[bucket] += digest
	t.want[bucket]++
}

func (t *tally) meet(bucket int, digest uint64) {
	t.sums[bucket] -= digest
	t.got[bucket]++
}

// heldRows is about how many rows of the log and of a table are held to find those that differ.
const heldRows = 200_000

// leastBuckets are held in any case: a row that is changed all the time makes one look large.
const leastBuckets = 16

// suspects are buckets that are read again.
type suspects map[int]bool

// suspects are the buckets that do not come to the same, so many as can be held, and how many more there are.
func (t *tally) suspects() (held suspects, more int64) {
	held = suspects{}
	rows := 0
	for b := range t.sums {
		if t.sums[b] == 0 && t.want[b] == t.got[b] {
			continue
		}
		if rows += int(t.want[b]) + int(t.got[b]); rows > heldRows && len(held) >= leastBuckets {
			more++
			continue
		}
		held[b] = true
	}
	return held, more
}

// has tells whether a key is in a bucket that is read again.
func (s suspects) has(hash uint64) bool { return len(s) > 0 && s[bucketOf(hash)] }

// sumsTally is a tally of amounts that belong to keys, added up on either side in any pieces: it takes no sum per key. A key gives
// each of its columns a random weight; what is added up is amount times weight, modulo a prime. That a difference comes to nothing
// happens once in 2^61. The prime is random, because an amount that it divides would never be seen.
type sumsTally struct {
	tally

	prime uint64
	seeds []maphash.Seed // One a column, and one for the bucket.
}

func newSumsTally(columns int) *sumsTally {
	t := &sumsTally{newTally(), randomPrime(), make([]maphash.Seed, columns+1)}
	for i := range t.seeds {
		t.seeds[i] = maphash.MakeSeed()
	}
	return t
}

// randomPrime is one of 62 bits.
func randomPrime() uint64 {
	const highest, rounds = 1 << 61, 20
	for {
		n := rand.Uint64N(highest) | highest | 1
		if new(big.Int).SetUint64(n).ProbablyPrime(rounds) {
			return n
		}
	}
}

func (t *sumsTally) bucket(key []byte) int {
	return bucketOf(maphash.Bytes(t.seeds[len(t.seeds)-1], key))
}

// holds tells whether a key is in a bucket that is read again.
func (t *sumsTally) holds(held suspects, key string) bool {
	return held.has(maphash.String(t.seeds[len(t.seeds)-1], key))
}

// expect adds to what the key's column should come to.
func (t *sumsTally) expect(key []byte, column int, amount *big.Int) {
	t.add(key, column, amount, false)
	t.want[t.bucket(key)]++
}

// meet adds to what it is.
func (t *sumsTally) meet(key []byte, column int, amount *big.Int) {
	t.add(key, column, amount, true)
	t.got[t.bucket(key)]++
}

func (t *sumsTally) add(key []byte, column int, amount *big.Int, less bool) {
	hash := maphash.Bytes(t.seeds[column], key)
	high, low := bits.Mul64(hash%t.prime, t.remainder(amount))
	term := bits.Rem64(high, low, t.prime)
	if less != (amount.Sign() < 0) {
		term = (t.prime - term) % t.prime
	}
	b := t.bucket(key)
	t.sums[b] = (t.sums[b] + term) % t.prime
}

// remainder is that of the amount without its sign.
func (t *sumsTally) remainder(amount *big.Int) uint64 {
	var rest uint64
	for _, word := range slices.Backward(amount.Bits()) {
		if bits.UintSize == 32 { //nolint:mnd // A Word is as large.
			rest = (rest<<32 | uint64(word)) % t.prime
		} else {
			rest = bits.Rem64(rest, uint64(word), t.prime)
		}
	}
	return rest
}

// suspects are the buckets whose sums are not the same. How many pieces they came in does not matter.
func (t *sumsTally) suspects() (held suspects, more int64) {
	held = suspects{}
	rows := 0
	for b, sum := range t.sums {
		switch {
		case sum == 0:
		case rows > heldRows && len(held) >= leastBuckets:
			more++
		default:
			rows += int(t.got[b]) + int(min(t.want[b], heldRows/leastBuckets))
			held[b] = true
		}
	}
	return held, more
}
