package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// errLocked says that another living process holds a lock; the kernel frees it whatever way that process ends.
var errLocked = errors.New("locked by another process")

// pollEvery is how often we look again where the system offers nothing to wait on.
const pollEvery = 20 * time.Millisecond

// claim makes a server's folder with mkdir, and keeps other processes out of it until unlock.
func claim(server, dir string, mkdir func(string) error) (home string, unlock func(), err error) {
	home, err = filepath.Abs(dir)
	if err != nil || dir == "" {
		return "", nil, fmt.Errorf("%s needs a data folder: %w", server, errors.Join(err, os.ErrInvalid))
	}
	if err := mkdir(home); err != nil {
		return "", nil, fmt.Errorf("making %s's data folder: %w", server, err)
	}
	if unlock, err = lockTry(filepath.Join(home, "lock")); err != nil {
		return "", nil, fmt.Errorf("the %s data in %s is in use, stop the other process first or choose another folder: %w", server, home, err)
	}
	return home, unlock, nil
}

// mkdirClosed makes a folder for ourselves.
func mkdirClosed(dir string) error {
	return os.MkdirAll(dir, 0o700) //nolint:wrapcheck // names the folder
}

// lockTry takes the lock at path at once, or fails with errLocked. The file stays behind, unlocked: removing it would race.
func lockTry(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", path, errLocked)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}

// lockWait takes the lock at path as soon as its holder lets go, or fails when ctx ends.
func lockWait(ctx context.Context, path string) (unlock func(), err error) {
	for {
		unlock, err := lockTry(path)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		if err := pause(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

// pause waits, or fails when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
