package stacktest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Proxy stands between clients and one server, over TCP, and harms their connections on request. It harms nothing at first.
type Proxy struct {
	listener net.Listener
	all      sync.WaitGroup

	mu      sync.Mutex
	target  string
	network network
	changed chan struct{} // closed when the network is another
	closed  bool
	links   map[*link]struct{}
}

// network is what connections meet on their way; the zero value lets everything pass.
type network struct {
	delay   time.Duration // of each piece, in each direction
	refuse  bool          // new connections are cut
	silent  bool          // nothing arrives in either direction
	deafens bool          // nothing arrives at clients: servers do what they are asked, and the answers are lost
}

// link is a client's connection and the one on to the server.
type link struct {
	client, server net.Conn
}

// NewProxy gives the test a proxy on a port of its own; it ends with the test. Its server may be named later, by To: until then it cuts
// every connection.
func NewProxy(t testing.TB) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{listener: listener, changed: make(chan struct{}), links: map[*link]struct{}{}}
	p.all.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Address is where clients connect, as host:port.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// To names the server, as host:port.
func (p *Proxy) To(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut ends all connections at once, with a reset.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Refuse ends all connections, and every new one, until Heal.
func (p *Proxy) Refuse() { p.become(network{refuse: true}) }

// Slow delays each piece of data, in each direction, until Heal.
func (p *Proxy) Slow(by time.Duration) { p.become(network{delay: by}) }

// Swallow is a black hole: connections stay open, new ones open, and nothing arrives until Heal. Then it does, as TCP sends again.
func (p *Proxy) Swallow() { p.become(network{silent: true}) }

// Deafen lets requests through and no answer, until Heal. Then the connections of that time are cut: what was answered stays unknown.
func (p *Proxy) Deafen() { p.become(network{deafens: true}) }

// Heal ends the harm.
func (p *Proxy) Heal() { p.become(network{}) }

func (p *Proxy) become(next network) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.network.deafens || next.refuse || p.closed { // before an answer that was held gets away
		for l := range p.links {
			l.cut()
		}
	}
	p.network = next
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) now() (network, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.network, p.changed
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close() // the test is over
	p.become(network{})
	p.all.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.all.Go(func() { p.serve(client) })
	}
}

// serve connects a client on, and returns when either side has ended.
func (p *Proxy) serve(client net.Conn) {
	l := &link{client: client}
	p.mu.Lock()
	target, refuse := p.target, p.network.refuse || p.target == "" || p.closed
	p.mu.Unlock()
	if refuse {
		l.cut()
		return
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		l.cut()
		return
	}
	l.server = server
	if !p.add(l) {
		l.cut()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, server, client, func(n network) bool { return n.silent }) })
	both.Go(func() { p.pump(l, client, server, func(n network) bool { return n.silent || n.deafens }) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.network.refuse {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

// pump carries one direction, until it ends, and then ends both: with a reset where it did not end in order.
func (p *Proxy) pump(l *link, to, from net.Conn, held func(network) bool) {
	const most = 64 << 10
	piece := make([]byte, most)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			p.hold(held)
			if _, failed := to.Write(piece[:n]); failed != nil {
				err = failed
			}
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			_ = l.client.Close()
			_ = l.server.Close()
		default:
			l.cut()
		}
		return
	}
}

// hold returns when a piece may pass.
func (p *Proxy) hold(held func(network) bool) {
	for {
		network, changed := p.now()
		if held(network) {
			<-changed
			continue
		}
		if network.delay == 0 {
			return
		}
		timer := time.NewTimer(network.delay)
		select {
		case <-timer.C:
			return
		case <-changed: // healed, or worse
			timer.Stop()
		}
	}
}

// cut ends both sides with a reset: what was under way is lost.
func (l *link) cut() {
	for _, conn := range []net.Conn{l.client, l.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it may have ended by itself
			_ = tcp.Close()
		}
	}
}
