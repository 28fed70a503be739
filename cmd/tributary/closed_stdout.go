package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errStdoutClosed ends what writes to a pipe that nobody reads any more, as head does after its last line.
var errStdoutClosed = errors.New("nobody reads stdout any more")

// untilStdoutCloses is a context that ends when stdout is a pipe whose reader has gone, even while there is nothing to write. Until
// its function is called, a write to such a pipe is an error (EPIPE), and no longer ends the process.
func (a *app) untilStdoutCloses(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	file, ok := a.stdout.(*os.File)
	if !ok || !isPipe(file) {
		return ctx, func() { cancel(nil) }
	}
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	go func() {
		const often = 100 * time.Millisecond
		ticker := time.NewTicker(often)
		defer ticker.Stop()
		for !readerGone(file) {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
		cancel(errStdoutClosed)
	}()
	return ctx, func() {
		cancel(nil)
		signal.Stop(broken)
	}
}

func isPipe(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// pollReadBand is POLLRDBAND of Linux and macOS: macOS tells only who asks for something, and such data never comes.
const pollReadBand = 0x80

// readerGone tells whether a pipe has no reader.
func readerGone(file *os.File) bool {
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: pollReadBand}} //nolint:gosec // descriptors are small
		if n, pollErr := unix.Poll(fds, 0); pollErr == nil && n > 0 {
			gone = fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
		}
	})
	return err == nil && gone
}
