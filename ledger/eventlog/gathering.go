package eventlog

import (
	"context"
	"fmt"
	"sync"
)

// gathering waits for the outcomes of several events. It may be left before the last has come: the outcomes that come
// later touch nothing that the waiter was given.
type gathering struct {
	all chan struct{}

	mu        sync.Mutex
	positions []Position
	missing   int
	failed    error
}

func newGathering(events int) *gathering {
	g := &gathering{all: make(chan struct{}), positions: make([]Position, events), missing: events}
	for i := range g.positions {
		g.positions[i].Offset = -1
	}
	if events == 0 {
		close(g.all)
	}
	return g
}

// done takes one outcome; the first error is kept.
func (g *gathering) done(i int, p Position, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.positions[i] = p
	} else if g.failed == nil {
		g.failed = err
	}
	g.missing--
	if g.missing == 0 {
		close(g.all)
	}
}

func (g *gathering) wait(ctx context.Context) ([]Position, error) {
	select {
	case <-g.all:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.missing > 0 {
		return append([]Position(nil), g.positions...),
			fmt.Errorf("%d of %d events were not acknowledged in time: %w: %w", g.missing, len(g.positions), ErrUncertain, ctx.Err())
	}
	return g.positions, g.failed
}
