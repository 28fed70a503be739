package simulation

import "sort"

// crowd is a number of members, of whom the k-th is drawn in proportion to 1/k: Zipf's law, in integers.
type crowd struct{ upTo []uint64 }

// newCrowd is a crowd of n members.
func newCrowd(n int) crowd {
	const first = 1 << 32 // the weight of the first; the last of MaxAccounts still has a weight of hundreds
	upTo := make([]uint64, n)
	var total uint64
	for k := range upTo {
		total += first / uint64(k+1)
		upTo[k] = total
	}
	return crowd{upTo}
}

// member draws one, the first most often.
func (c crowd) member(d draw) int {
	n := d.below(c.upTo[len(c.upTo)-1])
	return sort.Search(len(c.upTo), func(k int) bool { return n < c.upTo[k] })
}
