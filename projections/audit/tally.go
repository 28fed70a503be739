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
	buckets []bucket
}

// bucket is what is known of the rows of one bucket, side by side in memory.
type bucket struct {
	sum       uint64 // What should be less what is: 0 when they are the same.
	want, got uint32 // How many rows should be, and are.
}

const tallyBuckets = 1 << 16

func newTally() tally {
	return tally{make([]bucket, tallyBuckets)}
}

// bucketOf is the bucket of a hash.
func bucketOf(hash uint64) int { return int(hash % tallyBuckets) }

func (t *tally) expect(bucket int, digest uint64) {
	b := &t.buckets[bucket]
	b.sum += digest
	b.want++
}

func (t *tally) meet(bucket int, digest uint64) {
	b := &t.buckets[bucket]
	b.sum -= digest
	b.got++
}

// meetAll is meet for rows whose numbers are added up.
func (t *tally) meetAll(bucket int, sum uint64, rows uint32) {
	b := &t.buckets[bucket]
	b.sum -= sum
	b.got += rows
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
	for n, b := range t.buckets {
		if b.sum == 0 && b.want == b.got {
			continue
		}
		if rows += int(b.want) + int(b.got); rows > heldRows && len(held) >= leastBuckets {
			more++
			continue
		}
		held[n] = true
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

func (t *sumsTally) bucket(key []byte) *bucket {
	return &t.buckets[bucketOf(maphash.Bytes(t.seeds[len(t.seeds)-1], key))]
}

// holds tells whether a key is in a bucket that is read again.
func (t *sumsTally) holds(held suspects, key string) bool {
	return held.has(maphash.String(t.seeds[len(t.seeds)-1], key))
}

// expect adds to what the key's column should come to.
func (t *sumsTally) expect(key []byte, column int, amount *big.Int) {
	b := t.bucket(key)
	b.want++
	t.add(b, key, column, amount, false)
}

// meet adds to what it is.
func (t *sumsTally) meet(key []byte, column int, amount *big.Int) {
	b := t.bucket(key)
	b.got++
	t.add(b, key, column, amount, true)
}

func (t *sumsTally) add(b *bucket, key []byte, column int, amount *big.Int, less bool) {
	hash := maphash.Bytes(t.seeds[column], key)
	high, low := bits.Mul64(hash%t.prime, t.remainder(amount))
	term := bits.Rem64(high, low, t.prime)
	if less != (amount.Sign() < 0) {
		term = (t.prime - term) % t.prime
	}
	if b.sum += term; b.sum >= t.prime { // Both were less.
		b.sum -= t.prime
	}
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
	for n, b := range t.buckets {
		switch {
		case b.sum == 0:
		case rows > heldRows && len(held) >= leastBuckets:
			more++
		default:
			rows += int(b.got) + int(min(b.want, heldRows/leastBuckets))
			held[n] = true
		}
	}
	return held, more
}
