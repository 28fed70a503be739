package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tributary-ledger/tributary/projections/audit"
	"github.com/tributary-ledger/tributary/projections/replay"
)

// phaseBar shows how far a replay is: a bar for each phase on a terminal, a line now and then elsewhere.
type phaseBar struct {
	ctx  context.Context //nolint:containedctx // it lives as long as one command
	a    *app
	name string

	mu    sync.Mutex
	phase replay.Phase
	bar   *progress
	// proof is what the proof is at, while one is made.
	proof audit.Phase
	// base is how much of the phase was done when it was first told, and since when; total what there was to do.
	base, total int64
	since, told time.Time
}

func newPhaseBar(ctx context.Context, a *app, name string) *phaseBar {
	return &phaseBar{ctx: ctx, a: a, name: name, bar: &progress{}}
}

// report is told by the replay.
func (b *phaseBar) report(phase replay.Phase, done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if phase != b.phase || total == 0 {
		b.bar.end()
		b.bar, b.total = &progress{}, 0
		if phase != b.phase && !isTerminal(b.a.stderr) {
			b.a.notef("%s: %s", b.name, phase)
		}
		b.phase, b.since, b.told = phase, time.Now(), time.Now()
	}
	if total == 0 {
		return
	}
	if b.total == 0 || done < b.base {
		b.bar.end()
		b.base, b.since = done, time.Now()
		b.bar = b.a.startProgress(b.ctx, fmt.Sprintf("%s %s", b.name, phase), total-done, b.counts())
	}
	if b.total = total; b.bar.bar != nil {
		b.bar.bar.SetTotal(total-b.base, false)
	}
	b.bar.set(done - b.base)
	b.tell(done)
}

// proving notes what the proof is at, before that is reported.
func (b *phaseBar) proving(phase audit.Phase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.proof = phase
}

// counts is what the phase counts.
func (b *phaseBar) counts() unit {
	switch b.phase {
	case replay.PhaseProving:
		return proofCounts(b.proof)
	case replay.PhaseComparing:
		return countRows
	default:
		return countRecords
	}
}

// tell says now and then how far it is, where nobody sees the bar.
func (b *phaseBar) tell(done int64) {
	const every = 10 * time.Second
	if isTerminal(b.a.stderr) || time.Since(b.told) < every {
		return
	}
	b.told = time.Now()
	rate := float64(done-b.base) / time.Since(b.since).Seconds()
	left := "?"
	if rate > 0 {
		left = time.Duration(float64(b.total-done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	b.a.notef("%s: %s, %s of %s %s, %s/s, %s left", b.name, b.phase, count(done), count(b.total), b.counts(), count(int64(rate)), left)
}

// note says something between the bars.
func (b *phaseBar) note(sentence string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aside(func() { b.a.notef("%s", sentence) })
}

// aside takes the bar away for as long as something else is said.
func (b *phaseBar) aside(say func()) {
	b.bar.end()
	b.bar, b.total = &progress{}, 0
	say()
}

func (b *phaseBar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bar.end()
	b.bar = &progress{}
}

// through has a log speak between the bars.
func (b *phaseBar) through(handler slog.Handler) slog.Handler { return besides{handler, b} }

type besides struct {
	slog.Handler

	bar *phaseBar
}

// Handle says one entry.
func (s besides) Handle(ctx context.Context, entry slog.Record) (err error) {
	s.bar.mu.Lock()
	defer s.bar.mu.Unlock()
	s.bar.aside(func() { err = s.Handler.Handle(ctx, entry) })
	return err //nolint:wrapcheck // it is the same interface
}

// WithAttrs is the same with attributes.
func (s besides) WithAttrs(attributes []slog.Attr) slog.Handler {
	return besides{s.Handler.WithAttrs(attributes), s.bar}
}

// WithGroup is the same with a group.
func (s besides) WithGroup(name string) slog.Handler {
	return besides{s.Handler.WithGroup(name), s.bar}
}
