//go:build !static

package libchdb

import (
	"fmt"
	"syscall"
	"unsafe"
)

// action is the kernel's struct sigaction on x86-64, for which there is an engine.
type action struct {
	handler  uintptr // 0 is the default, 1 ignores
	flags    uint64
	restorer uintptr
	mask     uint64
}

// From the kernel's headers: the highest signal, and the flag of a handler that runs on the thread's signal stack.
const (
	lastSignal = 64
	onStack    = 0x08000000
)

// useSignalStacks makes each handler run on the signal stack of its thread. The engine installs one that does not, for
// system.stack_trace, and signals all threads, also those of the Go runtime: it would write over goroutines, whose stacks are small.
func useSignalStacks() error {
	for signal := uintptr(1); signal <= lastSignal; signal++ {
		var present action
		if err := signalAction(signal, nil, &present); err != nil {
			return err
		}
		if present.handler <= 1 || present.flags&onStack != 0 {
			continue
		}
		present.flags |= onStack
		if err := signalAction(signal, &present, nil); err != nil {
			return err
		}
	}
	return nil
}

func signalAction(signal uintptr, set, get *action) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, signal,
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), //nolint:gosec // the kernel takes addresses
		unsafe.Sizeof(action{}.mask), 0, 0)
	if errno != 0 {
		return fmt.Errorf("setting the handler of signal %d: %w", signal, errno)
	}
	return nil
}
