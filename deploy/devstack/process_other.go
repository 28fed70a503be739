//go:build !linux

package devstack

import (
	"bufio"
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// setDeathSignal does nothing here: the guard alone sees to it.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// parents returns the parent of every process.
func parents() (map[int]int, error) {
	out, err := exec.Command("ps", "-axo", "pid=,ppid=").Output() //nolint:noctx // ends by itself at once
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what for
	}
	found := map[int]int{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 2 {
			continue
		}
		pid, err1 := strconv.Atoi(fields[0])
		parent, err2 := strconv.Atoi(fields[1])
		if err1 == nil && err2 == nil {
			found[pid] = parent
		}
	}
	return found, nil
}

// commandLine returns the arguments of a process, joined by spaces; empty if there is none such.
func commandLine(pid int) string {
	out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx,gosec // ends by itself; a number
	if err != nil {
		return ""
	}
	return string(out)
}
