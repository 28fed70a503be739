package stacktest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// homePrefix begins the name of every folder that tests give to servers.
const homePrefix = "tributary-test-"

// Dir makes an empty folder for servers' data, which goes with the test. Unlike t.TempDir(), the user that Postgres runs as can reach it.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := newHome()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func newHome() (string, error) {
	sweepHomes()
	dir, err := os.MkdirTemp("", homePrefix)
	if err != nil {
		return "", fmt.Errorf("making a folder for a test's servers: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", errors.Join(fmt.Errorf("opening a test's folder: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}

// sweepHomes removes the folders of test binaries that were killed. A living server holds the lock in its folder; what has no lock file
// yet is about to have a server.
func sweepHomes() {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), homePrefix+"*", "lock"))
	if err != nil {
		return
	}
	for _, path := range locks {
		lock, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue // somebody else's
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
		_ = lock.Close()
	}
}
