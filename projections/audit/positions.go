package audit

import (
	"maps"
	"math/bits"
	"slices"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// positions is a set of positions in the log: a bit for each offset, in pages that are made where there are any.
type positions map[eventlog.TopicPartition]pages

// pages are those of a partition, by their number.
type pages map[int64]*page

const (
	pageOffsets = 1 << 16
	wordBits    = 64
)

type page [pageOffsets / wordBits]uint64

func locate(offset int64) (page, word int64, bit uint64) {
	within := offset % pageOffsets
	return offset / pageOffsets, within / wordBits, 1 << (within % wordBits)
}

// of are the partition's pages. The topic is kept.
func (p positions) of(partition eventlog.TopicPartition) pages {
	all, ok := p[partition]
	if !ok {
		all = pages{}
		p[partition] = all
	}
	return all
}

// add reports whether the position is new. Its topic is kept.
func (p positions) add(at eventlog.Position) bool { return p.of(at.TopicPartition()).add(at.Offset) }

func (p positions) has(at eventlog.Position) bool { return p[at.TopicPartition()].has(at.Offset) }

func (p pages) add(offset int64) bool {
	n, word, bit := locate(offset)
	if p[n] == nil {
		p[n] = &page{}
	}
	old := p[n][word]
	p[n][word] |= bit
	return old&bit == 0
}

func (p pages) has(offset int64) bool {
	n, word, bit := locate(offset)
	page := p[n]
	return page != nil && page[word]&bit != 0
}

// remove reports whether the position was there.
func (p positions) remove(at eventlog.Position) bool {
	if !p.has(at) {
		return false
	}
	n, word, bit := locate(at.Offset)
	p[at.TopicPartition()][n][word] &^= bit
	return true
}

// each gives the positions to fn, in order, until it returns false.
func (p positions) each(fn func(at eventlog.Position) bool) {
	for _, partition := range eventlog.SortedPartitions(p) {
		for _, n := range slices.Sorted(maps.Keys(p[partition])) {
			for i, word := range p[partition][n] {
				for ; word != 0; word &= word - 1 {
					if !fn(partition.At(n*pageOffsets + int64(i)*wordBits + int64(bits.TrailingZeros64(word)))) {
						return
					}
				}
			}
		}
	}
}
