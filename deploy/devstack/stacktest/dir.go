package stacktest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// homePrefix begins the name of every folder that tests give to servers.
const homePrefix = "tributary-test-"

// unnamedPrefix begins the name of a folder until its maker holds the lock in it: the sweeper does not know it.
const unnamedPrefix = "tributary-new-"

// lockName is the file that the test binary holds locked for as long as it wants the folder.
const lockName = "test.lock"

// home is a folder for servers' data, and the lock that says that it is wanted.
type home struct {
	dir  string
	lock *os.File
}

// Dir makes an empty folder for servers' data, which goes with the test. Unlike t.TempDir(), the user that Postgres runs as can reach it.
func Dir(t testing.TB) string {
	t.Helper()
	made, err := newHome()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, made.remove()) })
	return made.dir
}

// newHome makes a folder that is locked before it has the name by which a sweeper would find it. The lock is the test
// binary's own, because its servers come and go: some tests kill them.
func newHome() (*home, error) {
	sweepHomes()
	unnamed, err := os.MkdirTemp("", unnamedPrefix)
	if err != nil {
		return nil, fmt.Errorf("making a folder for a test's servers: %w", err)
	}
	made, err := lockHome(unnamed)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a folder for a test's servers: %w", err), os.RemoveAll(unnamed))
	}
	return made, nil
}

func lockHome(unnamed string) (*home, error) {
	if err := os.Chmod(unnamed, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(unnamed, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(filepath.Dir(unnamed), homePrefix+strings.TrimPrefix(filepath.Base(unnamed), unnamedPrefix))
	if err := errors.Join(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX), os.Rename(unnamed, dir)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &home{dir, lock}, nil
}

func (h *home) remove() error {
	return errors.Join(os.RemoveAll(h.dir), h.lock.Close())
}

// sweepHomes removes the folders of test binaries that were killed, and what they mounted there: nobody holds their lock any more.
func sweepHomes() {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), homePrefix+"*", lockName))
	if err != nil {
		return
	}
	for _, path := range locks {
		lock, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue // somebody else's
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			unmountIn(filepath.Dir(path))
			_ = os.RemoveAll(filepath.Dir(path))
		}
		_ = lock.Close()
	}
}
