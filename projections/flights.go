package projections

import "sync"

// flights counts what is under way, and tells when it is over. What is begun first ends first.
type flights struct {
	mu           sync.Mutex
	begun, ended int
	waiting      []landing
}

// landing is who waits until so many have ended.
type landing struct {
	ended int
	done  chan struct{}
}

func (f *flights) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun++
}

func (f *flights) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended++
	for len(f.waiting) > 0 && f.waiting[0].ended <= f.ended {
		close(f.waiting[0].done)
		f.waiting = f.waiting[1:]
	}
}

// landed is closed once all that is under way now is over, whatever is begun meanwhile.
func (f *flights) landed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	done := make(chan struct{})
	if f.ended == f.begun {
		close(done)
	} else {
		f.waiting = append(f.waiting, landing{f.begun, done})
	}
	return done
}
