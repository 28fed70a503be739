package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Process is a running program, tributary or a peer's.
type Process struct {
	Name string

	command *exec.Cmd
	output  *tail
	ended   chan struct{}
	err     error // once ended
}

// Tributary starts a command of tributary, on this log and these stores.
func (b *Bed) Tributary(ctx context.Context, kafka eventlog.Config, stores *Stores, args ...string) (*Process, error) {
	program, err := b.Program(ctx)
	if err != nil {
		return nil, err
	}
	return Start(ctx, environment(kafka, stores), program, args...)
}

// Used is what a command took.
type Used struct {
	Seconds float64
	// PeakRSS is in bytes.
	PeakRSS int64
}

// Run runs a command of tributary to its end and returns what it printed to stdout.
func (b *Bed) Run(ctx context.Context, kafka eventlog.Config, stores *Stores, args ...string) (stdout []byte, used Used, err error) {
	program, err := b.Program(ctx)
	if err != nil {
		return nil, used, err
	}
	var out bytes.Buffer
	began := time.Now()
	p, err := start(ctx, environment(kafka, stores), &out, program, args...)
	if err != nil {
		return nil, used, err
	}
	const lookEvery = 50 * time.Millisecond
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			used.Seconds = time.Since(began).Seconds()
			if p.err != nil {
				return out.Bytes(), used, fmt.Errorf("%s: %w\n%s", p.Name, p.err, p.output)
			}
			return out.Bytes(), used, nil
		case <-ticker.C:
			if peak, err := peakOf(p.Pid()); err == nil { // else it has just ended
				used.PeakRSS = max(used.PeakRSS, peak)
			}
		}
	}
}

func environment(kafka eventlog.Config, stores *Stores) []string {
	environ := []string{"TRIBUTARY_KAFKA_BROKERS=" + strings.Join(kafka.Brokers, ",")}
	if stores != nil {
		environ = append(environ, "TRIBUTARY_POSTGRES_URL="+stores.PostgresURL)
		if stores.ClickHouseURL != "" {
			environ = append(environ, "TRIBUTARY_CLICKHOUSE_URL="+stores.ClickHouseURL)
		}
	}
	return environ
}

// Start starts a program; Stop ends it.
func Start(ctx context.Context, environ []string, program string, args ...string) (*Process, error) {
	return start(ctx, environ, nil, program, args...)
}

// start starts it with its stdout elsewhere, unless that is nil.
func start(ctx context.Context, environ []string, stdout io.Writer, program string, args ...string) (*Process, error) {
	p := &Process{Name: program + " " + strings.Join(args, " "), output: &tail{}, ended: make(chan struct{})}
	p.command = exec.CommandContext(ctx, program, args...)
	p.command.Env = append(os.Environ(), environ...)
	p.command.Stdout, p.command.Stderr = p.output, p.output
	if stdout != nil {
		p.command.Stdout = stdout
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Output is the last of what it printed.
func (p *Process) Output() string { return p.output.String() }

// Bind cancels the context, with the reason, when the process ends before that.
func (p *Process) Bind(ctx context.Context, cancel context.CancelCauseFunc) {
	go func() {
		select {
		case <-p.ended:
			cancel(fmt.Errorf("%s has ended (%w):\n%s", p.Name, p.err, p.output))
		case <-ctx.Done():
		}
	}()
}

// Stop is Ctrl-C, and after a while SIGKILL. It returns the most memory that was resident, in bytes, and the CPU's time.
func (p *Process) Stop() (peakRSS int64, cpu time.Duration, err error) {
	const patience = 20 * time.Second
	// What the kernel tells of a child that has ended counts the memory of its parent, too, from which it was made.
	peakRSS, err = peakOf(p.Pid())
	signalled := p.command.Process.Signal(os.Interrupt)
	if !errors.Is(signalled, os.ErrProcessDone) {
		err = errors.Join(err, signalled)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		err = errors.Join(err, fmt.Errorf("%s does not stop", p.Name), p.command.Process.Kill())
		<-p.ended
	}
	used := p.command.ProcessState
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT { //nolint:forcetypeassert // it is on Unix
		err = errors.Join(err, fmt.Errorf("%s: %w\n%s", p.Name, p.err, p.output))
	}
	return peakRSS, used.UserTime() + used.SystemTime(), err
}

// peakOf is the most memory that a running process has had resident, in bytes: Linux's VmHWM; 0 elsewhere.
func peakOf(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read how much memory process %d has had: %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read how much memory process %d has had: %w", pid, err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, nil
}

// tail keeps the last of what is written.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 16 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	t.kept = t.kept[max(0, len(t.kept)-most):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
