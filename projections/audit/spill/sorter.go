package spill

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Sorter takes records in any order and gives them back in the order of a number and, where that is equal, of their bytes.
// It is not safe for use by several goroutines at once.
type Sorter struct {
	dir string
	// recordsMost and bytesMost are when memory is full.
	recordsMost, bytesMost int

	items []item
	bytes []byte
	file  *os.File
	end   int64
	runs  []run
}

// item is a record in memory: where its bytes are.
type item struct {
	order    uint64
	from, to uint32
}

// run is a sorted part of the file.
type run struct{ from, to int64 }

// The parts of the memory: half is for where the records are, half for what they are.
const (
	itemBytes   = 16
	leastMemory = 1 << 20
	mostMemory  = 4 << 30
)

// New makes a sorter that holds about memoryBytes, at least 1 MiB and at most 4 GiB, and puts the rest into a file in dir: the
// system's folder for temporary files where dir is empty.
func New(dir string, memoryBytes int) *Sorter {
	half := min(max(memoryBytes, leastMemory), mostMemory) / 2
	return &Sorter{dir: cmp.Or(dir, os.TempDir()), recordsMost: half / itemBytes, bytesMost: half}
}

// Add takes a record, which it copies. An error is that the disk is full, or broken.
func (s *Sorter) Add(order uint64, record []byte) error {
	if len(s.items) > 0 && (len(s.items) == s.recordsMost || len(s.bytes)+len(record) > s.bytesMost) {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if s.items == nil && s.file != nil { // There will be many: the same memory serves all runs.
		s.items, s.bytes = make([]item, 0, s.recordsMost), make([]byte, 0, s.bytesMost)
	}
	from := len(s.bytes)
	s.bytes = append(room(s.bytes, len(record), s.bytesMost), record...)
	s.items = append(room(s.items, 1, s.recordsMost), item{order, uint32(from), uint32(len(s.bytes))}) //nolint:gosec // At most half of 4 GiB.
	return nil
}

// room makes room for n more, of at most so many: append alone would take up to a quarter more than that.
func room[T any](all []T, n, most int) []T {
	if len(all)+n <= cap(all) {
		return all
	}
	return append(make([]T, 0, max(len(all)+n, min(2*cap(all), most))), all...)
}

// sort brings what is in memory in order. Orders are hashes, mostly: once items are set apart by the first bits of these, few are left
// to be compared with each other.
func (s *Sorter) sort() { s.sortFrom(s.items, topShift) }

const (
	// digitBits are set apart at a time, from the highest ones on, as long as there are more than fewItems.
	digitBits = 8
	topShift  = 64 - digitBits
	fewItems  = 64
)

// sortFrom sorts items whose orders have the same bits above those at shift, in their place.
func (s *Sorter) sortFrom(items []item, shift int) {
	if len(items) <= fewItems || shift < 0 {
		s.compare(items)
		return
	}
	digit := func(i item) int { return int(i.order >> shift & (1<<digitBits - 1)) }
	var next, end [1 << digitBits]int
	for _, i := range items {
		end[digit(i)]++
	}
	for d := 1; d < len(end); d++ {
		next[d] = end[d-1]
		end[d] += end[d-1]
	}
	from := 0
	for d := range end {
		for at := next[d]; at < end[d]; at = next[d] {
			other := digit(items[at])
			items[at], items[next[other]] = items[next[other]], items[at]
			next[other]++
		}
		s.sortFrom(items[from:end[d]], shift-digitBits)
		from = end[d]
	}
}

// compare sorts items by their orders and bytes.
func (s *Sorter) compare(items []item) {
	slices.SortFunc(items, func(a, b item) int {
		if a.order != b.order {
			return cmp.Compare(a.order, b.order)
		}
		return bytes.Compare(s.bytes[a.from:a.to], s.bytes[b.from:b.to])
	})
}

// flush makes a run of what is in memory.
func (s *Sorter) flush() error {
	s.sort()
	if s.file == nil {
		var err error
		if s.file, err = unnamed(s.dir); err != nil {
			return err
		}
	}
	if len(s.runs) == mostRuns {
		if err := s.mergeRuns(); err != nil {
			return err
		}
	}
	w := s.newWriter()
	for _, i := range s.items {
		w.write(i.order, s.bytes[i.from:i.to])
	}
	if err := s.finish(w); err != nil {
		return err
	}
	s.items, s.bytes = s.items[:0], s.bytes[:0]
	return nil
}

// Each gives all records to fn, in order; what it keeps of one it must copy. It may be called again, with more added
// meanwhile. The first error of fn ends it.
func (s *Sorter) Each(fn func(order uint64, record []byte) error) error {
	if s.file == nil {
		s.sort()
		for _, i := range s.items {
			if err := fn(i.order, s.bytes[i.from:i.to]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(s.items) > 0 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.items, s.bytes = nil, nil // The runs' buffers take their place.
	return s.merge(fn)
}

// Close gives memory and disk back.
func (s *Sorter) Close() error {
	s.items, s.bytes, s.runs = nil, nil, nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	if err != nil {
		return fmt.Errorf("close a temporary file in %s: %w", s.dir, err)
	}
	return nil
}

// unnamed is a temporary file that goes away with its last descriptor.
func unnamed(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "tributary-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file in %s (TMPDIR says where): %w", dir, err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("take the name off a temporary file: %w", err), file.Close())
	}
	return file, nil
}
