package devstack

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// guardScript waits at the end of a pipe whose other end only we hold. A word means that all went well; the end of the pipe means that
// we died, and then the server is woken, in case it was paused, asked to end, and after six seconds made to: Postgres kills its own
// children five seconds after a SIGQUIT.
const guardScript = `trap '' INT HUP TERM
read -r word && exit 0
kill -CONT "$1" 2>/dev/null
kill -"$2" "$1" 2>/dev/null
i=0
while [ $i -lt 60 ] && kill -0 "$1" 2>/dev/null; do i=$((i+1)); sleep 0.1; done
kill -KILL "$1" 2>/dev/null`

// guard is a small process that outlives us for a moment, to end a server that we can no longer end.
type guard struct {
	pipe io.WriteCloser
	cmd  *exec.Cmd
}

func startGuard(pid int, sig syscall.Signal) (*guard, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making the guard's pipe: %w", err)
	}
	defer func() { _ = read.Close() }()
	cmd := &exec.Cmd{
		Path: "/bin/sh", Args: []string{"tributary-guard", "-c", guardScript, "tributary-guard", strconv.Itoa(pid), strconv.Itoa(int(sig))},
		Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/", Stdin: read,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}, // a kill of our process group must not reach it
	}
	if err := cmd.Start(); err != nil {
		_ = write.Close()
		return nil, fmt.Errorf("starting the guard: %w", err)
	}
	return &guard{pipe: write, cmd: cmd}, nil
}

// dismiss sends the guard home; the server has ended.
func (g *guard) dismiss() {
	_, _ = io.WriteString(g.pipe, "done\n")
	_ = g.pipe.Close()
	_ = g.cmd.Wait() // its status says nothing
}
