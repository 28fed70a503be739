package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// report counts faults by their kind, and what they showed.
type report struct {
	mu    sync.Mutex
	kinds map[string]*shown
	notes map[string]int
}

// shown is what the faults of one kind came to.
type shown struct {
	times   int
	waited  int // how often it was measured how long all took to recover
	longest time.Duration
}

func newReport() *report { return &report{kinds: map[string]*shown{}, notes: map[string]int{}} }

// add counts a fault. recovered is how long it took until all that was in the log was in all projections; negative where that was not
// waited for.
func (r *report) add(kind string, recovered time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds[kind] == nil {
		r.kinds[kind] = &shown{}
	}
	one := r.kinds[kind]
	one.times++
	if recovered >= 0 {
		one.waited++
		one.longest = max(one.longest, recovered)
	}
}

// note counts what happened on the way.
func (r *report) note(what string) { r.noteMany(what, 1) }

func (r *report) noteMany(what string, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if times > 0 {
		r.notes[what] += times
	}
}

// String is a table.
func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var text strings.Builder
	total := 0
	fmt.Fprintf(&text, "\n| fault | times | all was in again, at the latest |\n|---|---:|---|\n")
	for _, kind := range slices.Sorted(maps.Keys(r.kinds)) {
		one := r.kinds[kind]
		total += one.times
		after := "not waited for"
		if one.waited > 0 {
			after = fmt.Sprintf("%.1f s later", one.longest.Seconds())
		}
		fmt.Fprintf(&text, "| %s | %d | %s |\n", kind, one.times, after)
	}
	fmt.Fprintf(&text, "| all | %d | |\n\n", total)
	for _, what := range slices.Sorted(maps.Keys(r.notes)) {
		fmt.Fprintf(&text, "- %d: %s\n", r.notes[what], what)
	}
	return text.String()
}
