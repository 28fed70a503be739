package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// exitNo says that it was not done.
	exitNo = 1
	// exitUnreachable says that a server cannot be reached.
	exitUnreachable = 3
)

// build makes the program.
func (c *chaos) build() string {
	c.Helper()
	program := filepath.Join(c.dir, "tributary")
	args := append(append([]string{"build"}, buildFlags...), "-o", program, "github.com/tributary-ledger/tributary/cmd/tributary")
	out, err := exec.CommandContext(c.Context(), "go", args...).CombinedOutput()
	require.NoErrorf(c, err, "%s", out)
	return program
}

// process is a copy of the program.
type process struct {
	command *exec.Cmd
	log     string
	born    time.Time
	ended   chan struct{}
	told    atomic.Bool // to end, by us
}

var processes atomic.Int64 //nolint:gochecknoglobals // numbers their logs

// start starts a copy of the program, which dies with the test at the latest.
func (c *chaos) start(args ...string) (*process, error) {
	file, err := os.Create(filepath.Join(c.dir, fmt.Sprintf("log-%d", processes.Add(1))))
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(c.Context(), c.program, args...)
	command.Env, command.Stdout, command.Stderr, command.Dir = c.environ, file, file, c.dir
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{command: command, log: file.Name(), born: time.Now(), ended: make(chan struct{})}
	go func() {
		_ = command.Wait() // its state tells
		_ = file.Close()
		close(p.ended)
	}()
	c.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
	})
	return p, nil
}

// command runs a command that must succeed, and returns what it said.
func (c *chaos) command(args ...string) string {
	c.Helper()
	p, err := c.start(args...)
	require.NoError(c, err)
	select {
	case <-p.ended:
	case <-time.After(2 * patience):
		require.FailNow(c, "a command does not end", "%v\n%s", args, p.tail())
	}
	require.Zerof(c, p.code(), "%v\n%s", args, p.tail())
	return p.said()
}

func (p *process) signal(signal syscall.Signal) { _ = p.command.Process.Signal(signal) } // an ended one needs none

// kill ends it, as the machine's end would.
func (p *process) kill() {
	p.told.Store(true)
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// stop asks it to end, as a deployment does.
func (p *process) stop() error {
	p.told.Store(true)
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // it says where it is
		<-time.After(time.Second)
		return fmt.Errorf("%v does not end when it is told to:\n%s", p.command.Args, p.tail())
	}
}

// running tells whether it has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// code is its exit code, once it has ended; -1 where a signal ended it.
func (p *process) code() int { return p.command.ProcessState.ExitCode() }

func (p *process) said() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (p *process) tail() string {
	const most = 6_000
	text := p.said()
	return text[max(0, len(text)-most):]
}

// fenced is how often it was refused a commit, for others had its partitions.
func (p *process) fenced() int { return strings.Count(p.said(), "fenced; joining again") }
