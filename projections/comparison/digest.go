package comparison

import "sync"

// digest is what a bucket's rows come to. Sums are decimals.
type digest struct {
	rows          int64
	first, second string
	// copies is that of the columns that tell copies apart, too.
	copies string
}

type digests [buckets]digest

func (d *digests) rows() int64 {
	var n int64
	for i := range d {
		n += d[i].rows
	}
	return n
}

// differing are the buckets that are not alike.
func (d *digests) differing(other *digests) []int32 {
	var odd []int32
	for i := range d {
		if d[i] != other[i] {
			odd = append(odd, int32(i))
		}
	}
	return odd
}

// meter tells how many rows are compared, of about how many.
type meter struct {
	mu          sync.Mutex
	tell        func(done, total int64)
	sofar, todo int64
	expected    map[string]int64
}

func newMeter(tell func(done, total int64)) *meter {
	if tell == nil {
		tell = func(int64, int64) {}
	}
	return &meter{tell: tell, expected: map[string]int64{}}
}

// expect announces the rows of a view in one generation.
func (m *meter) expect(view string, rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expected[view] = rows
	m.todo += rows
}

// done takes them off: how many there are is known now.
func (m *meter) done(view string, rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.todo += rows - m.expected[view]
	m.sofar += rows
	m.tell(m.sofar, m.todo)
}
