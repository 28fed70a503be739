package batcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

const (
	batchSuffix   = ".json"
	refusedFolder = "refused"
)

// spool is a folder of batches that wait, oldest first: names are UUIDs of version 7, which sort by time.
type spool struct {
	dir      string
	maxBytes int64
	lock     *os.File

	mu    sync.Mutex
	names []string
	bytes int64
	more  chan struct{} // has one element when names were added
	none  chan struct{} // closed while nothing waits
}

// openSpool takes a folder over, which one process may have at a time, with the batches that are in it.
func openSpool(dir string, maxBytes int64) (*spool, error) {
	if err := os.MkdirAll(filepath.Join(dir, refusedFolder), 0o700); err != nil {
		return nil, fmt.Errorf("make the batcher's folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the batcher's folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the folder %s is another batcher's: give each one its own: %w", dir, err), lock.Close())
	}
	s := &spool{dir: dir, maxBytes: maxBytes, lock: lock, more: make(chan struct{}, 1), none: make(chan struct{})}
	if err := s.read(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *spool) read() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read the batcher's folder: %w", err)
	}
	for _, entry := range entries {
		name, found := strings.CutSuffix(entry.Name(), batchSuffix)
		if !found {
			continue // also what a crash left half written
		}
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("read the batcher's folder: %w", err)
		}
		s.names, s.bytes = append(s.names, name), s.bytes+info.Size()
	}
	slices.Sort(s.names)
	if len(s.names) == 0 {
		close(s.none)
	}
	s.more <- struct{}{}
	return nil
}

func (s *spool) path(name string) string { return filepath.Join(s.dir, name+batchSuffix) }

func (s *spool) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes >= s.maxBytes
}

// put has a batch on disk when it returns, whole, or not at all.
func (s *spool) put(name string, body []byte) error {
	half := filepath.Join(s.dir, name+".half")
	err := writeSynced(half, body)
	if err == nil {
		err = os.Rename(half, s.path(name))
	}
	if err == nil {
		err = syncFolder(s.dir)
	}
	if err != nil {
		return fmt.Errorf("put a batch into the batcher's folder: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) == 0 {
		s.none = make(chan struct{})
	}
	s.names, s.bytes = append(s.names, name), s.bytes+int64(len(body))
	select {
	case s.more <- struct{}{}:
	default:
	}
	return nil
}

// first is the oldest batch, once there is one.
func (s *spool) first(ctx context.Context) (name string, body []byte, err error) {
	for {
		s.mu.Lock()
		if len(s.names) > 0 {
			name = s.names[0]
		}
		s.mu.Unlock()
		if name != "" {
			body, err = os.ReadFile(s.path(name))
			if err != nil {
				err = fmt.Errorf("read a batch: %w", err)
			}
			return name, body, err
		}
		select {
		case <-ctx.Done():
			return "", nil, ctx.Err()
		case <-s.more:
		}
	}
}

// done takes the oldest batch out: it was acknowledged, or else refused for good, and is kept with the reason.
func (s *spool) done(name string, size int, refusal []byte) error {
	err := s.take(name, refusal)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	s.names, s.bytes = s.names[1:], s.bytes-int64(size)
	if len(s.names) == 0 {
		close(s.none)
	}
	return nil
}

func (s *spool) take(name string, refusal []byte) error {
	if refusal == nil {
		if err := os.Remove(s.path(name)); err != nil {
			return fmt.Errorf("remove a batch that is acknowledged: %w", err)
		}
		return nil
	}
	kept := filepath.Join(s.dir, refusedFolder, name)
	err := writeSynced(kept+".problem"+batchSuffix, refusal)
	if err == nil {
		err = os.Rename(s.path(name), kept+batchSuffix)
	}
	if err != nil {
		return fmt.Errorf("keep a batch that is refused: %w", err)
	}
	return nil
}

// empty waits until nothing waits.
func (s *spool) empty(ctx context.Context) error {
	s.mu.Lock()
	none := s.none
	s.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the gateway to take what is gathered: %w", ctx.Err())
	}
}

func (s *spool) close() error {
	if err := s.lock.Close(); err != nil {
		return fmt.Errorf("unlock the batcher's folder: %w", err)
	}
	return nil
}

func writeSynced(path string, body []byte) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err //nolint:wrapcheck // its callers say what it is
	}
	_, err = file.Write(body)
	return errors.Join(err, file.Sync(), file.Close())
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err //nolint:wrapcheck // its callers say what it is
	}
	return errors.Join(folder.Sync(), folder.Close())
}
