package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tailBytes is how much of a log an error message quotes at most.
const tailBytes = 2048

// logKeepBytes is the size past which a log starts anew with the next start of its server.
const logKeepBytes = 16 << 20

// processSpec says what to run and how it ends when we do.
type processSpec struct {
	name       string // for messages
	path       string
	args       []string
	env        []string
	logFile    string
	extraFiles []*os.File
	credential *syscall.Credential
	deathSig   syscall.Signal // sent to it when we die, however we die
}

// process is a running child. It leads a process group of its own, so that Ctrl-C reaches us alone and we stop it in order.
type process struct {
	name     string
	cmd      *exec.Cmd
	logFile  string
	logStart int64         // where in the log this run begins
	done     chan struct{} // closed when it has ended
	err      error         // how it ended; to be read after done
}

// startProcess starts a child that cannot outlive us: the kernel signals it where it can (Linux), and a guard process does everywhere.
func startProcess(spec processSpec) (*process, error) {
	logFile, logStart, err := openLog(spec.logFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logFile.Close() }()
	cmd := &exec.Cmd{
		Path: spec.path, Args: append([]string{spec.path}, spec.args...), Env: spec.env, Dir: filepath.Dir(spec.path),
		Stdout: logFile, Stderr: logFile, ExtraFiles: spec.extraFiles,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Credential: spec.credential},
	}
	setDeathSignal(cmd.SysProcAttr, spec.deathSig)
	p := &process{name: spec.name, cmd: cmd, logFile: spec.logFile, logStart: logStart, done: make(chan struct{})}
	started, guarded := make(chan error, 1), make(chan *guard, 1)
	go p.run(started, guarded)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.name, err)
	}
	watcher, err := startGuard(cmd.Process.Pid, spec.deathSig)
	guarded <- watcher
	if err != nil {
		p.signal(syscall.SIGKILL)
		<-p.done
		return nil, err
	}
	return p, nil
}

// run starts the child and reaps it. It keeps its thread all the while, because Linux sends the death signal when the thread that
// forked ends, not the process.
func (p *process) run(started chan<- error, guarded <-chan *guard) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	watcher := <-guarded
	p.err = p.cmd.Wait()
	if watcher != nil {
		watcher.dismiss() // at once: the number of an ended process is soon somebody else's
	}
	close(p.done)
}

func openLog(path string) (*os.File, int64, error) {
	flags := os.O_CREATE | os.O_APPEND | os.O_WRONLY
	if info, err := os.Stat(path); err == nil && info.Size() > logKeepBytes {
		flags |= os.O_TRUNC
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("opening the server's log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, 0, fmt.Errorf("opening the server's log: %w", err)
	}
	return file, info.Size(), nil
}

// signal sends sig to the child itself; a child that has ended is no error.
func (p *process) signal(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
}

// signalTree sends sig to the child and to all its descendants. It stops the child first, so that none is born meanwhile. They are
// looked up, because Postgres puts each backend into a process group of its own.
func (p *process) signalTree(sig syscall.Signal) error {
	if sig != syscall.SIGCONT {
		p.signal(syscall.SIGSTOP)
	}
	pids, err := descendants(p.cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("listing the processes of %s: %w", p.name, err)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig) // it may have ended by itself
	}
	p.signal(sig)
	return nil
}

// kill ends the child and its descendants as a crash would, and returns when the child is reaped.
func (p *process) kill() error {
	err := p.signalTree(syscall.SIGKILL)
	p.signal(syscall.SIGKILL)
	<-p.done
	return err
}

// stop asks with soft, waits until ctx ends, and then insists with hard and finally with SIGKILL.
func (p *process) stop(ctx context.Context, soft, hard syscall.Signal) error {
	p.signal(soft)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	p.signal(syscall.SIGCONT) // a paused server hears nothing
	p.signal(hard)
	timer := time.NewTimer(hardStop)
	defer timer.Stop()
	select {
	case <-p.done:
		return fmt.Errorf("%s did not stop in time and was made to: %w", p.name, context.Cause(ctx))
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not stop and was killed: %w", p.name, context.Cause(ctx)), p.kill())
	}
}

// hardStop is how long an emergency stop may take before SIGKILL.
const hardStop = 10 * time.Second

// ended describes how the child ended, with the end of its log. To be called after done.
func (p *process) ended() error {
	how := "status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended by itself (%s); the end of %s:\n%s", p.name, how, p.logFile, p.tail())
}

// tail returns the last lines that this run logged.
func (p *process) tail() string {
	file, err := os.Open(p.logFile)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err.Error()
	}
	from := max(p.logStart, info.Size()-tailBytes)
	raw, err := io.ReadAll(io.NewSectionReader(file, from, tailBytes))
	if err != nil {
		return err.Error()
	}
	text := string(raw)
	if _, rest, cut := strings.Cut(text, "\n"); cut && from > p.logStart {
		text = rest // the first line is not whole
	}
	return strings.TrimSpace(text)
}
