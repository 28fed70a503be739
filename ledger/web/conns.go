package web

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// connections bounds how many there are. Past the bound the one that has been without a request for longest has to go, be it idle or slow
// to say what it wants, so that whoever hoards connections takes none from those who use theirs.
type connections struct {
	most int

	mu    sync.Mutex
	all   map[net.Conn]*connection
	spare list.List // of *connection: those without a request, the longest so first
}

type connection struct {
	conn  net.Conn
	busy  int           // requests under way
	place *list.Element // among the spare; nil while busy
}

type connectionKey struct{}

func newConnections(most int) *connections {
	return &connections{most: most, all: map[net.Conn]*connection{}}
}

// watch makes a server tell of its connections.
func (c *connections) watch(server *http.Server) {
	server.ConnState = c.changed
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, conn)
	}
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connectionKey{}).(net.Conn)
		c.begin(conn)
		defer c.end(conn)
		handler.ServeHTTP(w, r)
	})
}

func (c *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.add(conn)
	case http.StateClosed, http.StateHijacked:
		c.remove(conn)
	case http.StateActive, http.StateIdle: // begin and end know better: a connection is active from its first byte on
	}
}

func (c *connections) add(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) >= c.most {
		victim := conn // all are busy
		if oldest := c.spare.Front(); oldest != nil {
			victim = oldest.Value.(*connection).conn //nolint:forcetypeassert // there is nothing else in the list
			c.drop(victim)
		}
		_ = victim.Close() // the server notices, and forgets it
		if victim == conn {
			return
		}
	}
	added := &connection{conn: conn}
	added.place = c.spare.PushBack(added)
	c.all[conn] = added
}

func (c *connections) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(conn)
}

func (c *connections) drop(conn net.Conn) {
	if known := c.all[conn]; known != nil && known.place != nil {
		c.spare.Remove(known.place)
	}
	delete(c.all, conn)
}

func (c *connections) begin(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.all[conn]
	if known == nil {
		return
	}
	known.busy++
	if known.place != nil {
		c.spare.Remove(known.place)
		known.place = nil
	}
}

func (c *connections) end(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.all[conn]
	if known == nil {
		return
	}
	known.busy--
	if known.busy == 0 {
		known.place = c.spare.PushBack(known)
	}
}
