package queries

import (
	"context"
	"sync"
	"time"
)

// read says when something was read, and where.
type read struct {
	at   time.Time // when the statement was sent
	from *store
}

// holds tells whether it can be given again: it is fresh, or nothing was committed since to a store that keeps up.
func (r *read) holds(q *Queries, p projection, now time.Time) bool {
	if now.Sub(r.at) < freshFor {
		return true
	}
	return r.from.quiet(p.name, r.at, now) && (!r.from.replica || r.from.keepsUp(q.primary, p.name))
}

// gatherer loads things together that are asked for at the same time: while a few loads are under way the next is gathered.
// What is asked for is never read by a load that began before.
type gatherer[K comparable, V any] struct {
	load func(ctx context.Context, keys []K) (map[K]V, error)

	mu      sync.Mutex
	next    []*load[K, V]
	running int
}

type load[K comparable, V any] struct {
	keys  []K
	known map[K]struct{}
	done  chan struct{}
	found map[K]V
	err   error
}

const (
	loadsAtOnce = 2
	loadKeys    = 256
)

// get is what is found under the key, or its zero value.
func (g *gatherer[K, V]) get(ctx context.Context, key K) (V, error) {
	l := g.join(ctx, key)
	select {
	case <-l.done:
		return l.found[key], l.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

func (g *gatherer[K, V]) join(ctx context.Context, key K) *load[K, V] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.next); n == 0 || len(g.next[n-1].keys) == loadKeys {
		g.next = append(g.next, &load[K, V]{known: map[K]struct{}{}, done: make(chan struct{})})
	}
	l := g.next[len(g.next)-1]
	if _, ok := l.known[key]; !ok {
		l.known[key] = struct{}{}
		l.keys = append(l.keys, key)
	}
	if g.running < loadsAtOnce {
		g.running++
		go g.run(context.WithoutCancel(ctx)) // It is not for this caller alone.
	}
	return l
}

func (g *gatherer[K, V]) run(ctx context.Context) {
	for {
		g.mu.Lock()
		if len(g.next) == 0 {
			g.running--
			g.mu.Unlock()
			return
		}
		l := g.next[0]
		g.next = g.next[1:]
		g.mu.Unlock()
		l.found, l.err = g.load(ctx, l.keys)
		close(l.done)
	}
}
