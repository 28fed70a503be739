package simulation

import "sort"

// population is a number of members, of whom the k-th is drawn in proportion to 1/k: Zipf's law, in integers. Each lives by
// a clock, and those of one clock can be drawn alone.
type population struct {
	byClock [clockCount]crowd
	upTo    [clockCount]uint64
}

// crowd are the members of one clock, and what their weights add up to.
type crowd struct {
	members []uint32
	upTo    []uint64
}

// newPopulation is one of n members, each of whom lives by a clock.
func newPopulation(n int, clockOf func(member int) int) population {
	const first = 1 << 32 // the weight of the first; the last of MaxAccounts still has a weight of hundreds
	var p population
	for k := range n {
		at := clockOf(k)
		c := &p.byClock[at]
		p.upTo[at] += first / uint64(k+1)
		c.members = append(c.members, uint32(k))
		c.upTo = append(c.upTo, p.upTo[at])
	}
	for at := 1; at < len(p.upTo); at++ {
		p.upTo[at] += p.upTo[at-1]
	}
	return p
}

// share is how much of the population lives by a clock, of allShares; above 0 where anybody does.
func (p *population) share(clock int) uint64 {
	c := p.byClock[clock].upTo
	if len(c) == 0 {
		return 0
	}
	return max(mulDiv(c[len(c)-1], allShares, p.upTo[clockCount-1]), 10)
}

// member draws one, the first most often.
func (p *population) member(d draw) int {
	n := d.below(p.upTo[clockCount-1])
	clock := 0
	for n >= p.upTo[clock] {
		clock++
	}
	return p.memberBy(d, clock)
}

// memberBy draws one that lives by a clock, by which there has to be one.
func (p *population) memberBy(d draw, clock int) int {
	c := &p.byClock[clock]
	n := d.below(c.upTo[len(c.upTo)-1])
	return int(c.members[sort.Search(len(c.upTo), func(k int) bool { return n < c.upTo[k] })])
}
