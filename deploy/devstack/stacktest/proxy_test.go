package stacktest_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// echo is a server that answers each line with itself, and tells of it.
func echo(t *testing.T) (address string, heard <-chan string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	lines := make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close() //nolint:errcheck // the other side may have cut it
				for scanner := bufio.NewScanner(conn); scanner.Scan(); {
					lines <- scanner.Text()
					_, _ = fmt.Fprintln(conn, scanner.Text())
				}
			}()
		}
	}()
	return listener.Addr().String(), lines
}

// caller is a client of it.
type caller struct {
	net.Conn

	t *testing.T
}

func call(t *testing.T, p *stacktest.Proxy) caller {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return caller{conn, t}
}

// requireRefused returns when a new connection was cut, sooner or later.
func requireRefused(t *testing.T, p *stacktest.Proxy) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Address())
	if err != nil {
		return
	}
	c := caller{conn, t}
	defer c.Close() //nolint:errcheck // it is cut
	_, err = c.hears(plenty)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func (c caller) say(line string) {
	c.t.Helper()
	_, err := fmt.Fprintln(c, line)
	require.NoError(c.t, err)
}

// hears returns the next line, and how it failed to come.
func (c caller) hears(patience time.Duration) (string, error) {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
	return bufio.NewReader(c).ReadString('\n')
}

const (
	brief  = 50 * time.Millisecond
	plenty = 10 * time.Second
)

func TestAProxyHarmsConnections(t *testing.T) {
	t.Parallel()
	address, heard := echo(t)
	p := stacktest.NewProxy(t)
	requireRefused(t, p) // it leads nowhere yet
	p.To(address)
	c := call(t, p)
	said := func(line string) {
		t.Helper()
		got, err := c.hears(plenty)
		require.NoError(t, err)
		require.Equal(t, line+"\n", got)
	}
	c.say("one")
	said("one")

	p.Slow(brief)
	began := time.Now()
	c.say("two")
	said("two")
	require.GreaterOrEqual(t, time.Since(began), 2*brief)

	p.Swallow()
	c.say("three")
	_, err := c.hears(brief)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Equal(t, []string{"one", "two"}, []string{<-heard, <-heard})
	require.Empty(t, heard)
	p.Heal()
	said("three")
	require.Equal(t, "three", <-heard)

	p.Deafen()
	c.say("four")
	require.Equal(t, "four", <-heard)
	_, err = c.hears(brief)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	p.Heal()
	_, err = c.hears(plenty)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Error(t, err, "the answer is lost")

	c = call(t, p)
	c.say("five")
	said("five")
	p.Cut()
	_, err = c.hears(plenty)
	require.Error(t, err)
	p.Refuse()
	requireRefused(t, p)
	p.Heal()
	c = call(t, p)
	c.say("six")
	said("six")
}
