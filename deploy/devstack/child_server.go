package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A server that crashes again and again is not brought back for ever: crashes within steadyLife of a start count, up to maxCrashes.
const (
	maxCrashes = 5
	steadyLife = time.Minute
)

// childServer is a server in a process of its own, which can be killed, paused and restarted. Its methods may be called from any
// goroutine.
type childServer struct {
	name   string // for messages
	launch func(ctx context.Context) (*process, error)
	unlock func()       // called by Stop
	revive *slog.Logger // nil leaves a server that crashed as it is; else it is started again, and this says so

	mu      sync.Mutex // guards what follows
	process *process
	over    <-chan struct{}    // closed when the process has ended and will not be started again by itself
	release context.CancelFunc // makes the process's end the end
	paused  bool
	stopped bool
}

// Done returns a channel that is closed when the server has ended, whoever ended it, and does not come back by itself; Restart makes a
// new one.
func (c *childServer) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// ended describes how the server ended. To be called after Done.
func (c *childServer) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process.ended()
}

// start makes the first life of the server.
func (c *childServer) start(ctx context.Context, child *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.adopt(ctx, child)
}

// adopt takes a new process over, with mu held. The server outlives ctx.
func (c *childServer) adopt(ctx context.Context, child *process) {
	ctx, release := context.WithCancel(context.WithoutCancel(ctx))
	c.process, c.release, c.over = child, release, child.done
	if c.revive != nil {
		over := make(chan struct{})
		c.over = over
		go c.keepAlive(ctx, child, over)
	}
}

// keepAlive starts the server again whenever it has crashed, until ctx ends or it crashes too often, and then closes over.
func (c *childServer) keepAlive(ctx context.Context, child *process, over chan<- struct{}) {
	defer close(over)
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval = 100 * time.Millisecond
	for crashes := 1; ; crashes++ {
		born := time.Now()
		<-child.done
		if time.Since(born) > steadyLife {
			crashes = 1
			delays.Reset()
		}
		if ctx.Err() != nil || crashes > maxCrashes {
			return
		}
		c.revive.WarnContext(ctx, "a server crashed and is started again", "server", c.name, "crashes", crashes, "error", child.ended())
		if pause(ctx, delays.NextBackOff()) != nil {
			return
		}
		next, err := c.again(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.revive.ErrorContext(ctx, "a crashed server could not be started again", "server", c.name, "error", err)
			continue
		}
		child = next
	}
}

// again is one attempt to bring the server back. It does nothing when ctx has ended.
func (c *childServer) again(ctx context.Context) (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	child, err := c.launch(ctx)
	if err != nil {
		return nil, err
	}
	c.process, c.paused = child, false
	return child, nil
}

// Stop ends the server in order, or, when ctx ends first, at once. Stopping twice is no error.
func (c *childServer) Stop(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil
	}
	c.stopped = true
	defer c.unlock()
	return c.end(ctx)
}

func (c *childServer) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	c.release()
	return errors.Join(c.resume(), c.process.stop(ctx, syscall.SIGTERM, syscall.SIGKILL))
}

// Kill ends the server with SIGKILL, as a crash would. It stays dead until Restart.
func (c *childServer) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
	c.paused = false
	return c.process.kill()
}

// Restart starts the server again, on the same port and data, after Kill or a crash; one that still runs is stopped in order first.
func (c *childServer) Restart(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return fmt.Errorf("the %s server was stopped for good: start a new one", c.name)
	}
	if err := c.end(ctx); err != nil {
		return err
	}
	child, err := c.launch(ctx)
	if err != nil {
		return err
	}
	c.adopt(ctx, child)
	return nil
}

// Pause stops the server's process (SIGSTOP): connections stay open and nobody answers.
func (c *childServer) Pause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = true
	return c.process.signalTree(syscall.SIGSTOP)
}

// Resume lets a paused server go on.
func (c *childServer) Resume() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resume()
}

func (c *childServer) resume() error {
	if !c.paused {
		return nil
	}
	c.paused = false
	return c.process.signalTree(syscall.SIGCONT)
}
