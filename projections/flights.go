package projections

import "sync"

// flights counts what is under way, and tells when nothing is. A sync.WaitGroup would not do: a rebalance that stops
// waiting leaves its Wait behind, and the next Add may then panic.
type flights struct {
	mu    sync.Mutex
	count int
	idle  chan struct{} // Closed when the count comes back to zero.
}

func (f *flights) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == 0 {
		f.idle = make(chan struct{})
	}
	f.count++
}

func (f *flights) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count--
	if f.count == 0 {
		close(f.idle)
	}
}

// landed is closed once nothing is under way, be it for a moment only.
func (f *flights) landed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle == nil {
		f.idle = make(chan struct{})
		close(f.idle)
	}
	return f.idle
}
