package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The names of the superuser and of the first database.
const (
	postgresUser     = "tributary"
	postgresDatabase = "tributary"
)

// startTimeout bounds a start, including a recovery after a crash and the end of an orphan in the same data.
const startTimeout = 2 * time.Minute

// stopTimeout bounds a graceful stop when the caller's context does not.
const stopTimeout = 30 * time.Second

// PostgresOptions says where a Postgres server keeps its data and how large it is.
type PostgresOptions struct {
	Home     string            // folder for data, password and log; made when missing
	Port     int               // on 127.0.0.1; 0 chooses a free one
	Small    bool              // for tests: little memory and disk, quick to start, many side by side; as durable as any
	Settings map[string]string // more server settings, which win over ours
	// StandbyOf makes it a standby that streams from this running server, and answers reads. Both must be of one size.
	StandbyOf *Postgres
	Logger    *slog.Logger // nil for slog's default
}

// Postgres is a running server. Its methods may be called from any goroutine.
type Postgres struct {
	options  PostgresOptions
	binaries Binaries
	password string
	unlock   func()

	mu      sync.Mutex // guards what follows
	process *process
	paused  bool
	stopped bool
}

// StartPostgres installs Postgres if need be, makes its data on the first start, and returns when it answers. ctx bounds the start, not
// the life of the server, which ends with Stop or with us. It fails with a clear message when the data is in use or the port taken.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	installed, err := Install(ctx, options.Logger)
	if err != nil {
		return nil, err
	}
	home, unlock, err := claim("Postgres", options.Home, mkdirOpen)
	if err != nil {
		return nil, err
	}
	options.Home = home
	p := &Postgres{options: options, binaries: installed, unlock: unlock}
	if err := p.firstStart(ctx); err != nil {
		unlock()
		return nil, err
	}
	return p, nil
}

// firstStart makes the data if there is none, and starts the server on its port.
func (p *Postgres) firstStart(ctx context.Context) error {
	if err := p.initialize(ctx); err != nil {
		return err
	}
	child, err := withPort(ctx, "Postgres", p.options.Port, func(port int) (*process, error) {
		p.options.Port = port
		return p.launch(ctx)
	})
	if err != nil {
		return err
	}
	p.process = child
	if p.options.StandbyOf != nil {
		return nil
	}
	if err := p.createDatabase(ctx); err != nil {
		return errors.Join(err, child.kill())
	}
	return nil
}

// URL is where clients connect, with the password; it stays the same over restarts.
func (p *Postgres) URL() string {
	return p.urlOf(postgresDatabase)
}

func (p *Postgres) urlOf(database string) string {
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword(postgresUser, p.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(p.options.Port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return address.String()
}

// Port is where the server listens on 127.0.0.1.
func (p *Postgres) Port() int {
	return p.options.Port
}

// Done returns a channel that is closed when the present server process ends, whoever ended it; Restart makes a new one.
func (p *Postgres) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process.done
}

// Stop ends the server in order: sessions are cut, what was committed is on disk. When ctx ends first, the server is made to stop, which
// costs a recovery at the next start, but no data. Stopping twice is no error.
func (p *Postgres) Stop(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil
	}
	p.stopped = true
	defer p.unlock()
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return errors.Join(p.resume(), p.process.stop(ctx, syscall.SIGINT, syscall.SIGQUIT))
}

// Kill ends the server and all its processes with SIGKILL, as a crash would.
func (p *Postgres) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	return p.process.kill()
}

// Restart starts the server again, on the same port and data, after Kill or a crash; one that still runs is stopped in order first.
func (p *Postgres) Restart(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return errors.New("the Postgres server was stopped for good: start a new one")
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := errors.Join(p.resume(), p.process.stop(ctx, syscall.SIGINT, syscall.SIGQUIT)); err != nil {
		return err
	}
	child, err := p.launch(ctx)
	if err != nil {
		return err
	}
	p.process = child
	return nil
}

// Pause stops all of the server's processes (SIGSTOP): connections stay open and nobody answers.
func (p *Postgres) Pause() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	return p.process.signalTree(syscall.SIGSTOP)
}

// Resume lets a paused server go on.
func (p *Postgres) Resume() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resume()
}

func (p *Postgres) resume() error {
	if !p.paused {
		return nil
	}
	p.paused = false
	return p.process.signalTree(syscall.SIGCONT)
}

// launch starts the server process and waits until it answers. What an earlier life left behind is cleared away first.
func (p *Postgres) launch(ctx context.Context) (*process, error) {
	for {
		if err := p.clearOrphan(ctx); err != nil {
			return nil, err
		}
		child, err := startProcess(processSpec{
			name: "Postgres", path: p.binaries.Postgres, args: p.arguments(), env: serverEnv(),
			logFile: p.path("log"), credential: credential(), deathSig: syscall.SIGQUIT,
		})
		if err != nil {
			return nil, err
		}
		if err = p.awaitReady(ctx, child); err == nil {
			return child, nil
		}
		err = errors.Join(err, child.kill())
		if !heldByOrphan(err) {
			return nil, err
		}
		// A backend of the last life is still about to notice that its parent died.
		if waitErr := pause(ctx, pollEvery); waitErr != nil {
			return nil, err
		}
	}
}

func heldByOrphan(err error) bool {
	return strings.Contains(err.Error(), "pre-existing shared memory block")
}

// awaitReady returns when the server lets us in, or has ended, or ctx has.
func (p *Postgres) awaitReady(ctx context.Context, child *process) error {
	for {
		err := p.ping(ctx)
		if err == nil {
			return nil
		}
		var refusal *pgconn.PgError
		if errors.As(err, &refusal) && refusal.Code != "57P03" { // anything but "starting up" will not mend itself
			return p.refused(child, err)
		}
		select {
		case <-child.done:
			return child.ended()
		case <-ctx.Done():
			return fmt.Errorf("Postgres was not ready in time (%w): %w; its log:\n%s",
				context.Cause(ctx), err, child.tail())
		case <-time.After(pollEvery):
		}
	}
}

// refused tells a server of somebody else, who was quicker to take our port, from our own refusing us.
func (p *Postgres) refused(child *process, err error) error {
	select {
	case <-child.done:
		return child.ended()
	case <-time.After(time.Second):
		return fmt.Errorf("the server at port %d refuses us: %w", p.options.Port, err)
	}
}

func (p *Postgres) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.urlOf("postgres"))
	if err != nil {
		return err //nolint:wrapcheck // wrapped when it is final
	}
	return conn.Close(ctx) //nolint:wrapcheck // wrapped when it is final
}

// clearOrphan sees to a server that an earlier process of ours left in this data. We hold the lock, so nobody wants it any more.
func (p *Postgres) clearOrphan(ctx context.Context) error {
	pidFile := filepath.Join(p.path("data"), "postmaster.pid")
	raw, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for a server left in %s: %w", p.path("data"), err)
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	for err == nil && pid > 1 && strings.Contains(commandLine(pid), p.path("data")) {
		_ = syscall.Kill(pid, syscall.SIGCONT)
		_ = syscall.Kill(pid, syscall.SIGQUIT)
		if err := pause(ctx, pollEvery); err != nil {
			return fmt.Errorf("waiting for process %d, an earlier server in %s, to end: %w", pid, p.path("data"), err)
		}
	}
	// Its number may be another process's by now, and Postgres would take that one for a server.
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("clearing a stale %s: %w", pidFile, err)
	}
	return nil
}

func (p *Postgres) path(name string) string {
	return filepath.Join(p.options.Home, name)
}
