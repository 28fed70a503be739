package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a copy of the program.
type process struct {
	c       *chaos
	command *exec.Cmd
	log     string
	ended   chan struct{}
}

// start starts a copy of the program, which dies with the test.
func (c *chaos) start(args ...string) *process {
	c.Helper()
	self, err := os.Executable()
	require.NoError(c, err)
	file, err := os.Create(filepath.Join(c.TempDir(), "log"))
	require.NoError(c, err)
	command := exec.CommandContext(context.Background(), self, args...)
	command.Env, command.Stdout, command.Stderr = c.environ, file, file
	require.NoError(c, command.Start())
	p := &process{c, command, file.Name(), make(chan struct{})}
	go func() {
		_ = command.Wait() // its state tells
		_ = file.Close()
		close(p.ended)
	}()
	c.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		if c.Failed() {
			c.Logf("the end of the log of process %d, %v:\n%s", command.Process.Pid, args, p.tail())
		}
	})
	return p
}

func (p *process) signal(signal syscall.Signal) { _ = p.command.Process.Signal(signal) } // an ended one needs none

// wait waits for its end.
func (p *process) wait() *os.ProcessState {
	p.c.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		require.FailNow(p.c, "a process does not end", "%v\n%s", p.command.Args, p.tail())
	}
	return p.command.ProcessState
}

func (p *process) said() string {
	text, err := os.ReadFile(p.log)
	require.NoError(p.c, err)
	return string(text)
}

func (p *process) tail() string {
	const most = 4_000
	text := p.said()
	return text[max(0, len(text)-most):]
}

func (p *process) fenced() int { return strings.Count(p.said(), "fenced; joining again") }
